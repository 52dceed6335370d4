"""What is told before the work: memory, and how long a run would take."""

import contextlib
import gzip
import itertools
import json
import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from nce_train.errors import InputError
from nce_train.evaluation.analogies import answer_questions
from nce_train.evaluation.heldout_batches import nce_batches, sum_of_nce_losses
from nce_train.evaluation.heldout_examples import cbow_examples, skipgram_examples
from nce_train.kernel.state import Bags
from nce_train.runs.limits import TableSizes, copies_beside, memory_at_peak, memory_needed, refuse_without_memory
from nce_train.training.hogwild import HogwildTrainer
from nce_train.training.ngram_rows import NgramRows
from nce_train.training.settings_files import load_settings

with contextlib.suppress(ImportError):  # Windows
    import resource


def settings(**changes):
    return load_settings("default", changes).resolved()


def test_more_memory_than_there_is_is_refused_with_both_numbers():
    with pytest.raises(
        InputError, match=r"^1,000,000,000 words at dim 128 need [0-9,]{7,} MiB of memory, but only .* MiB"
    ):
        refuse_without_memory(TableSizes(10**9), settings(), None)
    refuse_without_memory(TableSizes(1000), settings(), None)


@pytest.mark.parametrize(("threads", "dim"), [(1, 128), (2, 128), (3, 50)])
def test_the_copies_of_hot_rows_are_in_the_memory_needed(threads, dim):
    vocabulary, chosen = 20_000, settings(threads=threads, dim=dim)
    trainer = HogwildTrainer(np.array([0, 1, -1], np.int32), 2, np.arange(vocabulary, 0, -1), chosen)
    copied = trainer.tables.output[vocabulary:].nbytes + sum(thread.hot_output.nbytes for thread in trainer.threads)
    copies = copies_beside(vocabulary, chosen, None)
    told = memory_needed(TableSizes(vocabulary), chosen, copies) - memory_needed(TableSizes(vocabulary), chosen, 0)
    assert (copied > 0) == (threads > 1)
    assert copied <= told <= 2 * copied


def test_the_threads_vectors_of_words_are_in_the_memory_needed():
    words = 20_000
    chosen, alone = (settings(threads=threads, dim=50, buckets=1000) for threads in (2, 1))
    bags = Bags(np.arange(words + 1) * 6, np.arange(6 * words, dtype=np.int32) % (words + 5000))
    ngrams = NgramRows(bags, np.arange(5000, dtype=np.int32))
    trainer = HogwildTrainer(np.array([0, 1, -1], np.int32), 2, np.arange(words, 0, -1), chosen, ngrams)
    vectors = [thread.hot_words for thread in trainer.threads]
    taken = trainer.tables.input[words + 5000 :].nbytes + sum(hot.vectors.nbytes for hot in vectors)
    taken += vectors[0].shares.nbytes
    sizes = TableSizes(words, 5000, 6 * words)
    told = memory_needed(sizes, chosen, 0) - memory_needed(sizes, alone, 0)
    thread = memory_needed(TableSizes(words), chosen, 0) - memory_needed(TableSizes(words), alone, 0)
    assert taken > 0
    assert taken <= told - thread <= 2 * taken


CASES = {
    "one thread": ["--dim", "300", "--threads", "1"],
    "all that is beside": ["--dim", "1000", "--eval-every", "1epoch", "--heldout", "heldout.txt", "--patience", "1"],
    "rounds": ["--dim", "300", "--deterministic"],
    "n-grams": ["--dim", "300", "--ngrams", "3-6", "--eval-every", "1epoch"],
    "n-grams in rounds": ["--dim", "100", "--ngrams", "3-6", "--deterministic"],
    "CBOW with n-grams": ["--dim", "300", "--ngrams", "3-6", "--model", "cbow"],
}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A text of some 8,000 words, and another one."""
    directory = tmp_path_factory.mktemp("words")
    generator = np.random.default_rng(5)
    for name, lines in (("corpus.txt", 15_000), ("heldout.txt", 500)):
        ids = np.minimum(generator.zipf(1.1, (lines, 20)), 20_000)
        (directory / name).write_text("\n".join(" ".join(f"w{number}" for number in line) for line in ids))
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere mapped files count too")
def test_a_run_takes_at_most_the_memory_of_its_dry_run(words, case):
    def train(*options):
        command = [sys.executable, "-m", "nce_train.cli.train", "corpus.txt", "--epochs", "1", "--quiet", *CASES[case]]
        return subprocess.run([*command, *options], cwd=words, capture_output=True, text=True, check=True).stdout

    told = int(re.search(r"at most ([\d,]+) MiB", train("--dry-run"))[1].replace(",", ""))
    train("-o", "m.nce", "--overwrite", "--checkpoint-every", "50ktokens")
    taken = json.loads((words / "m.nce" / "manifest.json").read_bytes())["peak_memory_bytes"] / 2**20
    assert taken <= told + 1  # the number told is rounded
    assert told <= 2.6 * taken


@pytest.mark.parametrize(("rows", "dim"), [(2_000, 100), (17_000, 100), (17_000, 1100)])
def test_an_evaluation_takes_the_memory_that_is_told(rows, dim):
    vectors = np.random.default_rng(1).standard_normal((rows, dim), np.float32)
    questions = np.arange(1500).reshape(-1, 3)
    tracemalloc.start()
    answer_questions(vectors, questions)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    usual, evaluated = settings(dim=dim), settings(dim=dim, eval_every="1epoch")
    told = memory_needed(TableSizes(rows), evaluated, 0) - memory_needed(TableSizes(rows), usual, 0)
    assert taken <= told


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_heldout_examples_take_the_memory_that_is_told(tmp_path, model):
    rows, dim, tokens, window = 1000, 1000, 20_000, 200
    (tmp_path / "t.txt").write_text("a b " * (tokens // 2))
    usual = settings(dim=dim, num_sampled=500, window=window, model=model)
    chosen = usual.model_copy(update={"heldout": str(tmp_path / "t.txt")})
    stream = np.random.default_rng(1).integers(0, rows, tokens).astype(np.int32)
    tables = np.ones((rows, dim), np.float32), np.ones((rows, dim), np.float32), np.ones(rows, np.float32)
    tracemalloc.start()
    if model == "cbow":
        examples = cbow_examples(stream, window, 100_000, np.ones(rows, np.int64))
    else:
        examples = skipgram_examples(stream, window, 100_000)
    for batch in itertools.islice(nce_batches(examples, np.arange(rows, 0, -1), chosen.model_dump()), 2):
        sum_of_nce_losses(batch, *tables)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    told = memory_needed(TableSizes(rows), chosen, 0) - memory_needed(TableSizes(rows), usual, 0)
    assert taken <= told


def test_a_heldout_text_counts_with_all_its_files_and_unpacked(tmp_path):
    text = b"ab cd ef gh\n" * 100_000
    (tmp_path / "one.txt").write_bytes(text)
    (tmp_path / "many").mkdir()
    for name in "abc":
        (tmp_path / "many" / name).write_bytes(text)
    (tmp_path / "one.txt.gz").write_bytes(gzip.compress(text, 0))  # as large as the text
    one, many, packed = (
        memory_needed(TableSizes(1000), settings(heldout=str(tmp_path / name)), 0)
        for name in ("one.txt", "many", "one.txt.gz")
    )
    assert many - one >= 2 * 6 * len(text)
    assert packed - one >= 9 * 6 * len(text)


def test_what_the_process_has_counts():
    before = memory_at_peak(TableSizes(1000), settings(), None)
    there = np.ones(300 * 2**20, np.uint8)
    assert memory_at_peak(TableSizes(1000), settings(), None) >= before + 100 * 2**20
    del there


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of address space")
@pytest.mark.parametrize(
    ("mebibytes", "sentence"),
    [
        (600, r"The limit of this process's memory \(ulimit -v or -d\) leaves \d+ MiB, but .* raise the limit\."),
        (1500, r"40,000 words at dim 4096 need [\d,]+ MiB of memory, but only [\d,]+ MiB are available: .*"),
    ],
)
def test_a_limit_of_address_space_is_told_before_training(tmp_path, mebibytes, sentence):
    (tmp_path / "t.txt").write_text(" ".join(f"w{number}" for number in range(40_000)))
    command = [sys.executable, "-m", "nce_train.cli.train", "t.txt", "--no-cache", "--min-count", "1", "--dim", "4096"]

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (mebibytes * 2**20, resource.RLIM_INFINITY))

    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False, preexec_fn=limit
    )
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(f"Error: {sentence}", done.stderr.splitlines()[-1])
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]


@pytest.mark.slow
def test_a_dry_run_of_a_long_run_is_short(tmp_path):
    (tmp_path / "corpus.txt").write_text("a b c d e f g h\n" * 20_000)
    command = [sys.executable, "-m", "nce_train.cli.train", "corpus.txt", "--dry-run", "--epochs", "1000000"]
    for mode in ([], ["--deterministic"]):  # the whole run would take days
        done = subprocess.run([*command, *mode], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        assert "memory" in done.stdout
