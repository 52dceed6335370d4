"""More distinct words than fit in memory: the same vocabulary and ids, and no file left behind."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from nce_train.text import corpus, counter_pool, token_file, word_runs
from nce_train.text.blocks import PADDING, Block, BufferPool
from nce_train.text.corpus import encode_corpus
from nce_train.text.sources import Source, list_sources
from nce_train.text.token_rules import TokenRules
from nce_train.text.vocabulary import Vocabulary
from nce_train.text.word_counter import WordCounter

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and sets limits")


@pytest.fixture
def small_memory(monkeypatch):
    """Set the number of words that each counter may hold."""

    def set_words(words):
        monkeypatch.setattr(counter_pool, "words_per_counter", lambda threads: words)

    return set_words


def test_a_text_with_many_runs_gives_the_same_stream(tmp_path, small_memory, monkeypatch):
    random = np.random.default_rng(5)
    ids = np.minimum(random.zipf(1.2, 300_000), 10**8)
    text = b"".join(b"w%d%s" % (i, b"\n" if place % 13 == 0 else b" ") for place, i in enumerate(ids))
    (tmp_path / "corpus.txt").write_bytes(text)
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 10_000)

    def encode(name, **options):
        return encode_corpus(tmp_path / "corpus.txt", tmp_path / name, cache=False, **options)

    expected = encode("a", min_count=3)
    assert len(np.unique(ids)) > 40_000
    small_memory(2000)
    for threads in (1, 2, 5):
        encoded = encode("b", min_count=3, threads=threads)
        assert encoded.vocabulary.fingerprint == expected.vocabulary.fingerprint
        assert np.array_equal(encoded.stream, expected.stream)

    words = ["UNK", *expected.vocabulary.words[::2]]
    given_rows = Vocabulary(words, np.ones(len(words)), "UNK")
    bounded = encode("c", vocabulary=given_rows, threads=2)
    small_memory(1 << 20)
    assert np.array_equal(bounded.stream, encode("d", vocabulary=given_rows).stream)


def test_max_vocab_leaves_most_words_on_disk(tmp_path, small_memory, monkeypatch):
    frequent = b" ".join(b"frequent%d" % i for i in range(100))
    (tmp_path / "corpus.txt").write_bytes((frequent + b"\n") * 50 + b" ".join(b"w%d" % i for i in range(20_000)))
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 1000)
    small_memory(1000)
    listed = list_sources(tmp_path / "corpus.txt")
    counted = token_file.count_words(listed, None, tmp_path, TokenRules(), False, 1, None)
    vocabulary, row_of, *_ = corpus._vocabulary_of(listed, counted, min_count=1, max_vocab=5, unknown="UNK")
    assert vocabulary.counts.tolist() == [20_000 + 50 * 96, 50, 50, 50, 50]
    assert vocabulary.words[1:] == [f"frequent{i}" for i in range(4)]
    assert len(row_of) < 5000


def test_merging_holds_few_words_at_a_time(tmp_path, monkeypatch):
    spill = word_runs.SpillFile(tmp_path)
    for number in range(3):
        counter = WordCounter(False, mark_lines=False)
        text = distinct_words(1000 * number, 1000 * number + 2000)  # half of them are also in the next run
        array = np.frombuffer(text + bytes(PADDING), np.uint8).copy()
        counter.scan(Block(array, len(text), Source("corpus"), 0, BufferPool(np.uint8)), 0)
        spill.add(number, counter, TokenRules())
    monkeypatch.setattr(word_runs, "_WORDS_AT_ONCE", 100)
    sizes = []

    def is_wanted(counter):
        sizes.append(len(counter))
        return counter.counts() == 2

    merged = word_runs.merge(spill.runs().values(), is_wanted)
    assert max(sizes) <= 100
    assert sum(sizes) == 4000
    assert set(merged.words) == {f"w{i}" for i in range(1000, 3000)}
    assert (merged.num_other_words, merged.num_other_tokens) == (2000, 2000)


PROGRAM = """
import sys
from nce_train.text import corpus, counter_pool, token_file, word_runs
counter_pool.words_per_counter = lambda threads: 1000
token_file.BLOCK_BYTES = 10_000
"""


def start(program, *arguments, **options):
    command = [sys.executable, "-c", PROGRAM + textwrap.dedent(program), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def distinct_words(begin, end):
    return b"".join(b"w%d%s" % (i, b"\n" if i % 10 == 0 else b" ") for i in range(begin, end))


@pytest.mark.slow
@LINUX
@pytest.mark.parametrize("threads", [1, 2])
def test_a_full_disk_is_reported_with_the_directory(tmp_path, threads):
    (tmp_path / "corpus.txt").write_bytes(distinct_words(0, 20_000))
    program = """
    import resource
    from nce_train.text import word_runs
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # less than the words, more than the ids
    try:
        corpus.encode_corpus(sys.argv[1], sys.argv[2], threads=int(sys.argv[3]), cache=False)
    except Exception as error:
        print(type(error).__name__, error)
    """
    out = tmp_path / "out"
    output, _ = start(program, tmp_path / "corpus.txt", out, threads).communicate(timeout=60)
    assert output.decode().startswith(f"RunError cannot write to {out}: File too large; a temporary file there takes ")
    assert list(out.iterdir()) == []


@LINUX
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_words_behind(tmp_path, sent):
    program = "corpus.encode_corpus('-', sys.argv[1], threads=2, cache=False, progress=lambda *call: print(flush=True))"
    out = tmp_path / "out"
    process = start(program, out, stdin=subprocess.PIPE)
    process.stdin.write(distinct_words(0, 50_000))
    process.stdin.flush()
    for _ in range(20):
        process.stdout.readline()  # a block: 20 of them fill the counters several times
    used = [os.stat(path) for path in (f"/proc/{process.pid}/fd/{fd}" for fd in os.listdir(f"/proc/{process.pid}/fd"))]
    assert any(status.st_nlink == 0 and status.st_size > 50_000 for status in used)
    names = [path.name for path in out.iterdir()]
    assert len(names) == 1 and names[0].startswith(".tokens.npy.")
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert [path.name for path in out.iterdir()] == ([] if sent == signal.SIGINT else names)


@pytest.mark.slow
def test_ten_million_distinct_words_take_a_gigabyte(tmp_path):
    numbers = np.random.default_rng(3).permutation(10_000_000)
    digits = (numbers[:, None] // 10 ** np.arange(7) % 10 + ord("0")).astype(np.uint8)
    lines = np.full((len(numbers), 8), ord(" "), np.uint8)
    lines[:, :7] = digits
    lines[9::10, 7] = ord("\n")
    frequent = b"1000000 2000000 3000000\n" * 4
    (tmp_path / "corpus.txt").write_bytes(frequent + lines.tobytes())
    program = """
    import sys
    from nce_train.memory import MemoryGauge, anonymous_memory
    from nce_train.text import word_runs
    from nce_train.text.corpus import encode_corpus
    before = anonymous_memory()
    with MemoryGauge() as gauge:
        encoded = encode_corpus(sys.argv[1], sys.argv[2], threads=2, cache=False)
        print(gauge.peak() - before, encoded.vocabulary.words, encoded.vocabulary.counts, encoded.token_count)
    """
    command = [
        sys.executable,
        "-c",
        "import sys\nfrom nce_train.text.corpus import encode_corpus" + textwrap.dedent(program),
    ]
    command += [str(tmp_path / "corpus.txt"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, check=True)
    used, _, rest = done.stdout.decode().partition(" ")
    assert rest.strip() == "['1000000', '2000000', '3000000'] [5 5 5] 15"
    assert int(used) < 1.1 * 2**30
