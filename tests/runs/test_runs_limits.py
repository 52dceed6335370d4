"""What is told before the work: memory, and how long a run would take."""

import subprocess
import sys

import numpy as np
import pytest

from nce_train.errors import InputError
from nce_train.runs.limits import copies_beside, memory_needed, refuse_without_memory
from nce_train.training.hogwild import HogwildTrainer
from nce_train.training.settings_files import load_settings


def settings(**changes):
    return load_settings("default", changes).resolved()


def test_more_memory_than_there_is_is_refused_with_both_numbers():
    with pytest.raises(
        InputError, match=r"^1,000,000,000 words at dim 128 need [0-9,]{7,} MiB of memory, but only .* MiB"
    ):
        refuse_without_memory(10**9, settings(), None)
    refuse_without_memory(1000, settings(), None)


@pytest.mark.parametrize(("threads", "dim"), [(1, 128), (2, 128), (3, 50)])
def test_the_copies_of_hot_rows_are_in_the_memory_needed(threads, dim):
    vocabulary, chosen = 20_000, settings(threads=threads, dim=dim)
    trainer = HogwildTrainer(np.array([0, 1, -1], np.int32), 2, np.arange(vocabulary, 0, -1), chosen)
    copied = trainer.tables.output[vocabulary:].nbytes + sum(thread.hot_output.nbytes for thread in trainer.threads)
    copies = copies_beside(vocabulary, chosen, None)
    told = memory_needed(vocabulary, chosen, copies) - memory_needed(vocabulary, chosen, 0)
    assert (copied > 0) == (threads > 1)
    assert copied <= told <= 2 * copied


@pytest.mark.slow
def test_a_dry_run_of_a_long_run_is_short(tmp_path):
    (tmp_path / "corpus.txt").write_text("a b c d e f g h\n" * 20_000)
    command = [sys.executable, "-m", "nce_train.cli.train", "corpus.txt", "--dry-run", "--epochs", "1000000"]
    for mode in ([], ["--deterministic"]):  # the whole run would take days
        done = subprocess.run([*command, *mode], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        assert "memory" in done.stdout
