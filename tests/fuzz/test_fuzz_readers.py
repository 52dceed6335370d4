"""A few hundred damaged files for every reader, the same in every run; `python -m tests.fuzz` tries more."""

import gzip
import lzma
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zstandard

sys.path.insert(0, str(Path(__file__).parent))
from readers import IN_MEMORY, TARGETS, WORDS, Fault, mutated_files, npy, one_sentence, try_files

from nce_train.embeddings import Embeddings
from nce_train.errors import InputError

pytestmark = [
    pytest.mark.filterwarnings("ignore::nce_train.errors.NceTrainWarning"),
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux reports the peak of the memory"),
]

CASES = 60


@pytest.fixture
def scratch():
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        yield Path(directory)


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_returns_or_refuses(scratch, name):
    target = TARGETS[name]
    valid = target.files()
    assert try_files(target, valid, scratch)
    for number in range(CASES):
        files = mutated_files(valid, random.Random(f"{number} {name}"))
        try:
            try_files(target, files, scratch)
        except Fault as fault:
            pytest.fail(f"case {number}: {fault}")


@pytest.mark.parametrize("name", TARGETS)
def test_a_file_cut_short_anywhere_is_refused_or_sound(scratch, name):
    target = TARGETS[name]
    valid = target.files()
    for cut in valid:
        # every byte of short files, and of long ones some that differ from reader to reader
        step = max(1, len(valid[cut]) // 20)
        for length in range(random.Random(name).randrange(step), len(valid[cut]), step):
            try:
                try_files(target, {**valid, cut: valid[cut][:length]}, scratch)
            except Fault as fault:
                pytest.fail(f"{cut} cut after {length} bytes: {fault}")


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_file_cut_short_at_every_byte(scratch, name):
    target = TARGETS[name]
    valid = target.files()
    for cut in valid:
        for length in range(len(valid[cut])):
            try_files(target, {**valid, cut: valid[cut][:length]}, scratch)


# Plain GloVe text is not among these: without a header, a file cut at a line break is a shorter table.
NO_ROW_IS_LOST = ["word2vec, float32", "word2vec-binary, float32", "glove.gz", "glove.bz2", "glove.xz", "glove.zst"]


@pytest.mark.parametrize("name", NO_ROW_IS_LOST)
def test_a_file_cut_short_is_refused_or_has_all_rows(scratch, name):
    ((file, whole),) = TARGETS[name].files().items()
    for length in range(0, len(whole), 3):
        (scratch / file).write_bytes(whole[:length])
        try:
            assert len(Embeddings.load(scratch / file)) == len(WORDS)
        except InputError as error:
            one_sentence(error)


LINE = b"word 0.5 0.25\n"
ZEROS = b"a" + b" 0" * (20 << 20)
HEAD = npy(np.zeros((2, 3), np.float32))[:128]
TENSOR = b'{"embeddings":{"dtype":"F32","shape":[1000000000,1],"data_offsets":[0,4000000000]}}'
FASTTEXT = struct.pack("<2i12id", 793712314, 12, 250, 5, 5, 5, 5, 1, 2, 2, 2_000_000, 3, 6, 100, 1e-4)
FASTTEXT += struct.pack("<3i2q", 1, 1, 0, 1, -1) + b"a\0" + struct.pack("<qbb2q", 1, 0, 0, 2_000_001, 250)
# Files that state a far larger size than they have, or unpack to far more; made when they are needed.
BOMBS = {
    "rows.txt": lambda: b"999999999 300\n" + LINE,
    "dim.txt": lambda: b"2 999999999999999999\n" + LINE,
    "rows.bin": lambda: b"99999999 300\nword " + bytes(1200),
    "long.txt": lambda: b"2 3\na 1 2 3\n" + b"x" * (40 << 20),
    "long.glove": lambda: ZEROS,
    "rows.txt.gz": lambda: gzip.compress(b"900000 900\n" + LINE),
    "rows.txt.zst": lambda: zstandard.compress(b"900000 900\n" + LINE),
    "zeros.glove.gz": lambda: gzip.compress(ZEROS),
    "zeros.glove.xz": lambda: lzma.compress(ZEROS, preset=0),
    "zeros.glove.zst": lambda: zstandard.compress(ZEROS),
    "v.npy": lambda: HEAD.replace(b"(2, 3), }         ", b"(1000000000, 3), }") + bytes(24),
    "header.safetensors": lambda: (99_999_999).to_bytes(8, "little") + b"{}",
    "longer.safetensors": lambda: (1 << 39).to_bytes(8, "little") + b"{}",
    "rows.safetensors": lambda: len(TENSOR).to_bytes(8, "little") + TENSOR + bytes(100),
    "rows.safetensors.gz": lambda: gzip.compress(len(TENSOR).to_bytes(8, "little") + TENSOR + bytes(60 << 20)),
    "rows.fasttext.bin": lambda: FASTTEXT + bytes(100),
    "rows.fasttext.bin.gz": lambda: gzip.compress(FASTTEXT + bytes(100)),
    "zeros.fasttext.bin.gz": lambda: gzip.compress(FASTTEXT + bytes(60 << 20)),
    "v.npy.gz": lambda: gzip.compress(HEAD.replace(b"(2, 3), }       ", b"(20000000, 3), }") + bytes(24)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_false_size_takes_no_memory(tmp_path, name):
    content = BOMBS[name]()
    (tmp_path / name).write_bytes(content)
    code = (
        "import resource, sys\n"
        "from nce_train.embeddings import Embeddings\n"
        "from nce_train.errors import InputError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: Embeddings.load(sys.argv[1])\n"
        "except InputError as error: print(error)\n"
        "else: sys.exit('it was read')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / name], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    sentence, grown = done.stdout.splitlines()
    assert name in sentence
    assert int(grown) < 200 + 4 * len(content) / 2**20
