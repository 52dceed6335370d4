"""Runs that are interrupted and go on: to the same bytes, or one sentence why they cannot."""

import gc
import gzip
import json
import os
import resource
import shutil
import signal
import subprocess

import numpy as np
import pytest
from run_case import SETTINGS, Watcher, go, interrupt

import nce_train
from nce_train.api import train_or_resume
from nce_train.errors import InputError, RunError
from nce_train.runs import signals
from nce_train.runs.estimate import estimate
from nce_train.runs.limits import TableSizes, bytes_at_most
from nce_train.runs.state_file import FORMAT, checkpoint_files, newest_checkpoint, write_checkpoint
from nce_train.training.settings_files import load_settings

pytestmark = pytest.mark.usefixtures("often")

GENERATOR = np.random.default_rng(7)
LINES = [" ".join(f"w{min(word, 299)}" for word in GENERATOR.zipf(1.3, 40)) for _ in range(2000)]
SAME = ("input.npy", "output.npy", "bias.npy", "vocab.tsv", "config.yaml")


def contents(model):
    return {name: (model / name).read_bytes() for name in SAME}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of a run that was left alone."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "text.txt").write_text("\n".join(LINES) + "\n")
    go(folder / "m.nce", corpus=folder / "text.txt")
    return contents(folder / "m.nce")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES) + "\n")
    return path


@pytest.fixture
def interrupted(tmp_path, text):
    """A model directory whose run was interrupted by Ctrl-C in training."""
    output = tmp_path / "m.nce"
    with pytest.raises(KeyboardInterrupt):
        go(output, corpus=text, watcher=Watcher(training=interrupt))
    return output


def test_an_interrupted_run_ends_in_the_same_bytes(tmp_path, text, whole):
    output = tmp_path / "a b.nce"
    watcher = Watcher(training=interrupt)
    with pytest.raises(
        KeyboardInterrupt,
        match=r"resume from the last checkpoint \(.*%: epoch .* tokens\) with: nce-train --resume '.*/a b.nce'",
    ):
        go(output, corpus=text, watcher=watcher)
    assert not (output / "manifest.json").exists()
    again = Watcher(training=interrupt)
    with pytest.raises(KeyboardInterrupt):
        go(output, resume=True, watcher=again)
    assert again.resumed_at > 0
    last = Watcher()
    model = go(output, resume=True, watcher=last)
    assert last.resumed_at >= again.resumed_at
    assert contents(output) == whole
    assert not (output / "checkpoint").exists()
    np.testing.assert_array_equal(model.input, np.load(output / "input.npy", allow_pickle=False))
    readings = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    steps = [reading["step"] for reading in readings]
    assert steps == sorted(steps)
    assert steps == watcher.readings + again.readings + last.readings
    seconds = [reading["seconds"] for reading in readings]
    assert seconds == sorted(seconds)
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["tokens_trained"] == 8 * manifest["tokens"]
    assert manifest["tokens_per_second"] == pytest.approx(manifest["tokens_trained"] / manifest["timings"]["train"])
    assert manifest["timings"]["vocabulary"] > 0
    assert manifest["corpus"][0]["name"] == str(text)
    assert manifest["text"]["tokens"] >= manifest["tokens"] and manifest["text"]["distinct_words"] > 1


def test_checkpoints_on_the_way_change_nothing(tmp_path, text, whole):
    watcher = Watcher()
    go(tmp_path / "m.nce", corpus=text, watcher=watcher, checkpoint_every="20k tokens", keep_checkpoint=True)
    # but for the setting itself
    assert contents(tmp_path / "m.nce")["input.npy"] == whole["input.npy"]
    kept = checkpoint_files(tmp_path / "m.nce" / "checkpoint")
    assert len(kept) == 1
    assert int(kept[-1].stem[-6:]) > 1  # one at the end, and others on the way
    with np.load(kept[-1], allow_pickle=False) as state:
        np.testing.assert_array_equal(state["input"], np.load(tmp_path / "m.nce" / "input.npy", allow_pickle=False))


def test_a_kept_checkpoint_takes_more_epochs(tmp_path, text):
    output = tmp_path / "m.nce"
    go(output, corpus=text, keep_checkpoint=True)
    with pytest.raises(InputError, match="is finished, nothing is left to resume"):
        go(output, resume=True)
    go(output, resume=True, epochs=10, threads=2)
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["tokens_trained"] == 10 * manifest["tokens"]
    assert (manifest["epochs"], manifest["threads"]) == (10, 2)
    go(output, resume=True, epochs=12)  # it is kept on without being told again
    assert json.loads((output / "manifest.json").read_text())["epochs"] == 12
    assert newest_checkpoint(output / "checkpoint")[0] is not None


def test_a_finished_run_without_a_checkpoint_takes_no_more_epochs(tmp_path, text):
    go(tmp_path / "m.nce", corpus=text)
    with pytest.raises(InputError, match=r"is finished, nothing is left to resume \(only a run with --keep-checkpoint"):
        go(tmp_path / "m.nce", resume=True, epochs=12)


def test_a_damaged_checkpoint_never_costs_a_finished_model(tmp_path, text):
    output = tmp_path / "m.nce"
    go(output, corpus=text, keep_checkpoint=True)
    before = contents(output)
    (state,) = checkpoint_files(output / "checkpoint")
    damaged = bytearray(state.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    state.write_bytes(damaged)
    with pytest.raises(InputError, match=r"is damaged, and no other is whole; the model in .* stays as it is"):
        go(output, resume=True, epochs=12)
    assert contents(output) == before
    assert state.read_bytes() == damaged


def test_a_second_interrupt_at_once_is_the_same_wish(tmp_path, text, whole):
    output = tmp_path / "m.nce"
    with pytest.raises(KeyboardInterrupt, match="resume from the last checkpoint"):
        go(output, corpus=text, watcher=Watcher(training=interrupt, saving=interrupt))
    assert newest_checkpoint(output / "checkpoint")[0] is not None
    go(output, resume=True)
    assert contents(output) == whole


def test_a_second_interrupt_later_leaves_the_last_checkpoint(tmp_path, text, whole, monkeypatch):
    output = tmp_path / "m.nce"
    with pytest.raises(KeyboardInterrupt):
        go(output, corpus=text, watcher=Watcher(training=interrupt))
    before = newest_checkpoint(output / "checkpoint")[0].path
    monkeypatch.setattr(signals, "SAME_WISH_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt, match="resume from the last checkpoint"):
        go(output, resume=True, watcher=Watcher(training=interrupt, saving=interrupt))
    assert newest_checkpoint(output / "checkpoint")[0].path == before
    assert not list((output / "checkpoint").glob(".*"))
    go(output, resume=True)
    assert contents(output) == whole


def test_an_interrupt_before_training_leaves_nothing(tmp_path, text):
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "m.nce", corpus=text, watcher=Watcher(scanning=interrupt))
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_without_an_output_an_interrupt_is_only_that(text):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_or_resume(text, None, None, SETTINGS, Watcher(training=interrupt), cache=False)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dim": 20}, r"--dim cannot change from 48 to 20: leave it out, or start anew \(only --epochs, --threads"),
        ({"seed": 2}, "--seed cannot change from 1 to 2"),
        ({"epochs": 7}, "--epochs can be raised, but not from 8 to 7"),
        ({"widnow": 3}, "There is no setting 'widnow'"),
    ],
)
def test_settings_that_cannot_change(interrupted, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        go(interrupted, resume=True, **changes)
    assert checkpoint_files(interrupted / "checkpoint")


def test_settings_as_they_were_are_taken(interrupted, whole):
    go(interrupted, resume=True, dim=48, lr="auto", log_every="2s")
    assert contents(interrupted)["input.npy"] == whole["input.npy"]


def test_a_changed_corpus_is_refused(interrupted, text, whole):
    content = text.read_bytes()
    for changed in (content + b"more\n", content.replace(b"w1 w2 ", b"w2 w1 ", 1)):
        text.write_bytes(changed)
        with pytest.raises(InputError, match=r"corpus has changed since the run began, .*text.txt is another file now"):
            go(interrupted, resume=True)
    text.write_bytes(content)  # another time of change, the same content
    go(interrupted, resume=True)
    assert contents(interrupted) == whole


def test_a_directory_with_another_file_is_refused(tmp_path, text):
    folder = tmp_path / "texts"
    folder.mkdir()
    shutil.move(text, folder / "a.txt")
    output = folder / "m.nce"
    with pytest.raises(KeyboardInterrupt):
        go(output, corpus=[folder], watcher=Watcher(training=interrupt))
    (folder / "b.txt").write_text("more")
    with pytest.raises(InputError, match=r"b.txt is new"):
        go(output, resume=True)
    (folder / "b.txt").unlink()
    go(output, resume=True, corpus=[folder])


def test_another_corpus_is_refused(interrupted, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("a b c\n")
    with pytest.raises(InputError, match=r"the corpus is that of the run \(.*text.txt\)"):
        go(interrupted, resume=True, corpus=other)


def test_a_corpus_that_is_gone_is_not_needed(interrupted, text, whole):
    text.unlink()
    watcher = Watcher()
    go(interrupted, resume=True, watcher=watcher)
    assert "the ids kept of it are used" in watcher.notes[0]
    assert contents(interrupted) == whole


def test_without_a_whole_checkpoint_the_corpus_is_needed(interrupted, text):
    for state in checkpoint_files(interrupted / "checkpoint"):
        state.write_bytes(state.read_bytes()[:1000])
    text.unlink()
    watcher = Watcher()
    with pytest.raises(InputError, match=r"no whole checkpoint to resume from\. The corpus cannot be read any more"):
        go(interrupted, resume=True, watcher=watcher)
    assert not any("are used" in note for note in watcher.notes)


def test_a_changed_vocabulary_is_refused(tmp_path, text):
    vocabulary = tmp_path / "words.tsv"
    vocabulary.write_text("w1\t9\nw2\t8\nw3\t7\n")
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "m.nce", corpus=text, vocab=str(vocabulary), watcher=Watcher(training=interrupt), epochs=1000)
    vocabulary.write_text("w1\t9\nw2\t8\nw4\t7\n")
    with pytest.raises(InputError, match=r"words.tsv has changed since the run began"):
        go(tmp_path / "m.nce", resume=True)


@pytest.mark.parametrize("name", ["tokens.npy", "vocab.tsv"])
@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_damaged_ids_are_made_again(interrupted, text, whole, name, damage):
    path = interrupted / "checkpoint" / name
    content = path.read_bytes()
    path.unlink()
    if damage == "changed":
        path.write_bytes(content[:-4] + b"w\t3\n")
    kept = sorted(state.name for state in checkpoint_files(interrupted / "checkpoint"))
    moved = text.rename(text.with_name("away.txt"))
    with pytest.raises(InputError, match="missing or damaged, and so is the corpus"):
        go(interrupted, resume=True)
    assert sorted(state.name for state in checkpoint_files(interrupted / "checkpoint")) == kept
    moved.rename(text)
    go(interrupted, resume=True)
    assert contents(interrupted) == whole


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, text, whole):
    output = tmp_path / "m.nce"
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            go(output, corpus=None if resume else text, resume=resume, watcher=Watcher(training=interrupt))
    first, second = checkpoint_files(output / "checkpoint")
    os.truncate(second, second.stat().st_size // 2)
    watcher = Watcher()
    go(output, resume=True, watcher=watcher)
    assert watcher.notes == [f"{second} is damaged and is removed."]
    assert contents(output) == whole
    assert not first.exists()


def test_a_run_without_a_checkpoint_starts_again(interrupted, whole):
    for state in checkpoint_files(interrupted / "checkpoint"):
        state.unlink()
    for _ in range(2):  # a refusal takes nothing away
        with pytest.raises(InputError, match="--dim cannot change"):
            go(interrupted, resume=True, dim=3)
    watcher = Watcher()
    go(interrupted, resume=True, watcher=watcher)
    assert watcher.notes == ["There is no whole checkpoint: the run starts from the beginning."]
    assert contents(interrupted) == whole


@pytest.mark.parametrize("corpus", ["text.txt", ["more/../text.txt"], "."])
def test_a_run_that_starts_again_can_be_interrupted_again(tmp_path, text, whole, monkeypatch, corpus):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").mkdir()
    output = tmp_path / "m.nce"
    with pytest.raises(KeyboardInterrupt):
        go(output, corpus=corpus, watcher=Watcher(training=interrupt))
    for resumed_from in (tmp_path / "more", tmp_path):
        for state in checkpoint_files(output / "checkpoint"):
            state.unlink()
        monkeypatch.chdir(resumed_from)
        with pytest.raises(KeyboardInterrupt):
            go(output, resume=True, watcher=Watcher(training=interrupt))
        (checkpoint,) = checkpoint_files(output / "checkpoint")
        assert checkpoint.stat().st_size > 0
    os.utime(text)  # only then the contents are compared
    go(output, resume=True)
    assert contents(output) == whole


def test_a_model_beside_the_text_is_no_text(tmp_path, text):
    for name in ("one.nce", "two.nce"):
        go(tmp_path / name, corpus=tmp_path, epochs=1)
    corpora = [json.loads((tmp_path / name / "manifest.json").read_text())["corpus"] for name in ("one.nce", "two.nce")]
    assert [[source["name"] for source in corpus] for corpus in corpora] == [[str(text)]] * 2


def test_no_cache_holds_for_a_run_that_starts_again(tmp_path, text, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for cache in (False, True):
        output = tmp_path / f"{cache}.nce"
        with pytest.raises(KeyboardInterrupt):
            go(output, corpus=text, cache=cache, watcher=Watcher(training=interrupt))
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        for state in checkpoint_files(output / "checkpoint"):
            state.unlink()
        go(output, resume=True, cache=True)
        assert any((tmp_path / "cache").rglob("*.npy")) == cache


def test_nothing_to_resume(tmp_path):
    with pytest.raises(InputError, match="There is no interrupted run in"):
        go(tmp_path / "none.nce", resume=True)
    (tmp_path / "m.nce" / "checkpoint").mkdir(parents=True)
    with pytest.raises(InputError, match="holds no run to resume"):
        go(tmp_path / "m.nce", resume=True)


def test_an_overwritten_run_is_resumed_as_the_new_one(interrupted, text):
    with pytest.raises(KeyboardInterrupt):
        go(interrupted, corpus=text, dim=16, epochs=60, overwrite=True, watcher=Watcher(training=interrupt))
    go(interrupted, resume=True)
    assert np.load(interrupted / "input.npy", allow_pickle=False).shape[1] == 16


def test_divergence_leaves_the_last_good_checkpoint(tmp_path, text):
    # at this rate the loss is as it should be for 13,000 steps
    with pytest.raises(
        RunError, match=r"The loss, 2\.6\d at the start, rose to .*the last good checkpoint stays: .*npz"
    ) as told:
        go(tmp_path / "m.nce", corpus=text, lr=0.1, lr_schedule="constant", subsample=0.0, checkpoint_every="1ktokens")
    found, damaged = newest_checkpoint(tmp_path / "m.nce" / "checkpoint")
    assert str(found.path) in str(told.value)
    assert damaged == []
    assert all(np.isfinite(found.arrays[name]).all() for name in ("input", "output", "bias"))


def test_a_checkpoint_of_another_version_is_refused_and_stays(interrupted):
    found, _ = newest_checkpoint(interrupted / "checkpoint")
    arrays = {name: np.array(array) for name, array in found.arrays.items()}
    newer = write_checkpoint(interrupted / "checkpoint", {**found.run, "format": FORMAT - 1}, arrays)
    before = newer.read_bytes()
    with pytest.raises(InputError, match=r"m.nce is of another version of nce-train: resume it with that\.$"):
        go(interrupted, resume=True)
    assert newer.read_bytes() == before


@pytest.fixture
def file_limit():
    """Sets how large files may grow in this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_space_for_a_checkpoint_is_a_warning(tmp_path, text, whole, file_limit):
    # room for the tables of the model, of 58 KB each, but not for a checkpoint
    watcher = Watcher(training=lambda: file_limit(100_000))
    go(tmp_path / "m.nce", corpus=text, watcher=watcher, checkpoint_every="50ktokens")
    assert "The checkpoint could not be written to" in watcher.notes[0]
    assert "(File too large); training goes on, and it is tried again later" in watcher.notes[0]
    assert contents(tmp_path / "m.nce")["input.npy"] == whole["input.npy"]


@pytest.mark.slow
def test_a_checkpoint_that_could_not_be_written_is_tried_again(tmp_path, text, file_limit):
    watcher = Watcher(training=lambda: file_limit(30_000))

    def make_room():
        file_limit(resource.RLIM_INFINITY)
        watcher.at["saving"] = interrupt  # at the next attempt

    watcher.at["note"] = make_room
    with pytest.raises(KeyboardInterrupt, match="resume from the last checkpoint"):
        go(tmp_path / "m.nce", corpus=text, watcher=watcher, checkpoint_every="0.3s", epochs=10_000)


def test_no_space_for_the_model_leaves_the_checkpoint(interrupted, whole, file_limit):
    before = newest_checkpoint(interrupted / "checkpoint")[0].path
    with pytest.raises(RunError, match=r"written to .* \(File too large\), and no .* \(File too large\); resume"):
        go(interrupted, resume=True, watcher=Watcher(training=lambda: file_limit(30_000)))
    file_limit(resource.RLIM_INFINITY)
    assert newest_checkpoint(interrupted / "checkpoint")[0].path == before
    go(interrupted, resume=True)
    assert contents(interrupted) == whole


def test_no_space_after_an_interrupt_is_said(tmp_path, text, whole, file_limit):
    def fill_and_interrupt():
        file_limit(30_000)
        interrupt()

    with pytest.raises(KeyboardInterrupt, match=r"no checkpoint could be written \(File too large\); without a"):
        go(tmp_path / "m.nce", corpus=text, watcher=Watcher(training=fill_and_interrupt))
    file_limit(resource.RLIM_INFINITY)
    go(tmp_path / "m.nce", resume=True)
    assert contents(tmp_path / "m.nce") == whole


def test_a_directory_that_is_removed_meanwhile_is_made_again(tmp_path, text, whole):
    output = tmp_path / "m.nce"
    go(output, corpus=text, watcher=Watcher(training=lambda: shutil.rmtree(output)))
    assert contents(output) == whole


@pytest.mark.parametrize("failure", [SystemExit(3), OSError(28, "full"), MemoryError()], ids=repr)
def test_a_callback_that_exits_or_fails_leaves_a_checkpoint(tmp_path, text, failure):
    def leave(state):
        raise failure

    with pytest.raises(type(failure)) as raised:
        nce_train.train(text, output=tmp_path / "m.nce", callback=leave, progress=False, cache=False, **SETTINGS)
    assert raised.value is failure and "resume from the last checkpoint" in failure.__notes__[0]
    assert newest_checkpoint(tmp_path / "m.nce" / "checkpoint")[0] is not None


def test_a_thread_that_fails_in_its_work_leaves_no_checkpoint_of_half_of_it(tmp_path, text, monkeypatch):
    def fail(*_):
        raise MemoryError

    output = tmp_path / "m.nce"
    watcher = Watcher(training=lambda: monkeypatch.setattr("nce_train.training.hogwild.train_blocks", fail))
    hint = r"^training stopped \(there is not enough memory\); without a checkpoint it begins anew with: nce-train"
    with pytest.raises(RunError, match=hint):
        go(output, corpus=text, watcher=watcher, epochs=10_000)
    assert checkpoint_files(output / "checkpoint") == []


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, and a function that sets its size in bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size, option="rw"):
        command = ["mount", "-t", "tmpfs", "-o", f"{option},size={size}", "none", os.fspath(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if shutil.which("mount") is None or not mount(2**21):
        pytest.skip("no file system can be mounted here")
    yield folder, lambda size: mount(size, "remount")
    gc.collect()  # files of a failed run that are still mapped
    subprocess.run(["umount", os.fspath(folder)], check=True)


LARGE = {"dim": 1024, "epochs": 2, "checkpoint_every": "20k tokens"}  # 2.4 MB of parameters; 0.3 MB of ids


def test_a_model_that_does_not_fit_is_told_beforehand(small_disk, text):
    folder, _ = small_disk
    with pytest.raises(InputError, match=r"of \d+ words at dim 1024 takes 2.\d MiB on the disk, but only 1.\d MiB are"):
        go(folder / "m.nce", corpus=text, **LARGE)
    assert list(folder.iterdir()) == []


def test_a_disk_that_is_full(small_disk, text, tmp_path):
    folder, set_size = small_disk
    set_size(4_500_000)  # for the ids and a checkpoint, but not for a second one or the model
    watcher = Watcher()
    with pytest.raises(RunError, match=r"\(No space left on device\); resume from the last checkpoint"):
        go(folder / "m.nce", corpus=text, watcher=watcher, **LARGE)
    assert "take up to 4.7 MiB on the disk, but only 4.0 MiB are free" in watcher.notes[0]  # said before training
    assert "(No space left on device); training goes on, and it is tried again later" in watcher.notes[1]
    assert len(checkpoint_files(folder / "m.nce" / "checkpoint")) == 1
    set_size(20_000_000)
    go(folder / "m.nce", resume=True)
    go(tmp_path / "alone.nce", corpus=text, **LARGE)
    assert contents(folder / "m.nce") == contents(tmp_path / "alone.nce")


# --- held-out text ------------------------------------------------------------------------------------------------


@pytest.fixture
def other_text(tmp_path):
    """A little more of the same, from which the vectors of the rare words are too few to be learnt well."""
    generator = np.random.default_rng(8)
    path = tmp_path / "other.txt"
    path.write_text("\n".join(" ".join(f"w{min(word, 299)}" for word in generator.zipf(1.3, 40)) for _ in range(50)))
    return path


def losses_of(model):
    lines = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    return [line["heldout"]["nce_loss"] for line in lines if "heldout" in line]


def test_heldout_losses_are_those_of_the_model(tmp_path, text, other_text):
    watcher = Watcher()
    output = tmp_path / "m.nce"
    go(output, corpus=text, heldout=str(other_text), epochs=3, watcher=watcher)
    assert losses_of(output) == watcher.heldout_losses
    assert len(watcher.heldout_losses) == 3
    found = nce_train.evaluate(output, heldout=other_text)["heldout"]
    assert watcher.heldout_losses[-1] == pytest.approx(found["nce_loss"], rel=1e-6)


@pytest.mark.parametrize(("threads", "epochs"), [(1, 8), (3, 2)])
def test_looking_at_heldout_text_changes_no_training(tmp_path, text, other_text, whole, threads, epochs):
    output = tmp_path / "m.nce"
    go(output, corpus=text, heldout=str(other_text), threads=threads, epochs=epochs)
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["tokens_trained"] == epochs * manifest["tokens"]
    assert [look["epoch"] for look in manifest["heldout"]] == list(range(1, epochs + 1))
    if threads == 1:
        assert contents(output)["input.npy"] == whole["input.npy"]


STOPPING = {"lr": 0.02, "lr_schedule": "constant", "epochs": 100, "patience": 2, "subsample": 0.0}


def test_training_stops_and_keeps_the_best(tmp_path, text, other_text):
    output, watcher = tmp_path / "m.nce", Watcher()
    go(output, corpus=text, heldout=str(other_text), watcher=watcher, **STOPPING)
    losses = losses_of(output)
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 100
    assert watcher.notes == [
        f"Training stopped after epoch {best + 3}: the held-out loss has not fallen since epoch {best + 1}, whose "
        "parameters the model has."
    ]
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert max(line["epoch"] for line in lines if "epoch" in line) == best + 2  # from 0: none that never began
    found = nce_train.evaluate(output, heldout=other_text)["heldout"]
    assert losses[best] == pytest.approx(found["nce_loss"], rel=1e-6)
    assert not (output / "checkpoint").exists()


def test_a_checkpoint_keeps_the_last_parameters_when_the_best_cannot_be_saved(tmp_path, text, other_text):
    alone, output = tmp_path / "alone.nce", tmp_path / "m.nce"
    go(alone, corpus=text, heldout=str(other_text), **STOPPING)
    in_the_way = output / "checkpoint" / "model"
    watcher = Watcher(note=in_the_way.touch)  # the best are taken, and not yet saved
    with pytest.raises(RunError, match=r"cannot be written to .* \(File exists\); resume from the last checkpoint"):
        go(output, corpus=text, heldout=str(other_text), watcher=watcher, **STOPPING)
    in_the_way.unlink()
    kept = newest_checkpoint(output / "checkpoint")[0].arrays["input"]
    assert not np.array_equal(kept, np.load(alone / "input.npy", allow_pickle=False))
    go(output, resume=True)
    assert contents(output) == contents(alone)


def test_a_run_with_patience_takes_no_more_room_than_is_told(tmp_path, text, other_text):
    output, taken = tmp_path / "m.nce", []

    class Measuring(Watcher):
        def saving(self, done, total):
            self.heldout(0, 0)

        def heldout(self, epoch, loss):
            files = [path for path in (output / "checkpoint").iterdir() if path.suffix in (".npz", ".partial")]
            taken.append(sum(path.stat().st_size for path in files))

    options = {**STOPPING, "patience": 3, "checkpoint_every": "5ktokens", "log_every": 3600}
    go(output, corpus=text, heldout=str(other_text), watcher=Measuring(), **options)
    sizes = TableSizes(len((output / "vocab.tsv").read_text().splitlines()))
    chosen = load_settings("default", {"patience": 3, "heldout": str(other_text), "dim": SETTINGS["dim"]})
    assert max(taken) > bytes_at_most(sizes, load_settings("default", {"dim": SETTINGS["dim"]}))
    assert max(taken) <= bytes_at_most(sizes, chosen) + 6 * 10_000  # what a run records beside its parameters


def test_a_run_out_of_patience_is_not_given_more_epochs(tmp_path, text, other_text):
    output = tmp_path / "m.nce"
    go(output, corpus=text, heldout=str(other_text), keep_checkpoint=True, **STOPPING)
    before = contents(output)
    with pytest.raises(InputError, match=r"is finished, its --patience was out after epoch \d+: more epochs do not"):
        go(output, resume=True, epochs=200)
    assert contents(output) == before


def test_another_heldout_text_is_refused(tmp_path, text, other_text):
    output = tmp_path / "m.nce"
    with pytest.raises(KeyboardInterrupt):
        go(output, corpus=text, heldout=str(other_text), watcher=Watcher(heldout=interrupt), **STOPPING)
    whole = other_text.read_text()
    other_text.write_text(whole[:-100])
    with pytest.raises(InputError, match=r"The held-out text .*other.txt has changed since the run began"):
        go(output, resume=True)
    other_text.unlink()
    with pytest.raises(InputError, match=r"cannot read the held-out text .*other.txt: no such file"):
        go(output, resume=True)
    other_text.write_text(whole)  # of another time of change
    go(output, resume=True)


def test_the_last_evaluation_shown_is_of_the_epoch_kept(tmp_path, text, other_text):
    (tmp_path / "scored.tsv").write_text("".join(f"w{i}\tw{i + 7}\t{i % 5}\n" for i in range(1, 40)))
    output, watcher = tmp_path / "m.nce", Watcher()
    sets = {"eval_every": "1epoch", "eval_set": [str(tmp_path / "scored.tsv")]}
    go(output, corpus=text, heldout=str(other_text), watcher=watcher, **sets, **STOPPING)
    epoch, report = watcher.evaluations[-1]
    assert epoch == int(np.argmin(losses_of(output))) + 1
    assert report["similarity"] != watcher.evaluations[-2][1]["similarity"]
    found = nce_train.evaluate(output, similarity=tmp_path / "scored.tsv")
    assert report["similarity"]["scored"]["spearman"] == found["similarity"]["scored"]["spearman"]
    timings = json.loads((output / "manifest.json").read_text())["timings"]
    assert timings["heldout"] > 0 and timings["evaluation"] > 0


def test_the_epoch_kept_is_told_when_all_have_run(tmp_path, text, other_text):
    output, watcher = tmp_path / "m.nce", Watcher()
    go(output, corpus=text, heldout=str(other_text), watcher=watcher, **{**STOPPING, "epochs": 2})
    best = int(np.argmin(losses_of(output))) + 1
    assert watcher.notes == [f"The held-out loss was lowest after epoch {best}, whose parameters the model has."]


def test_an_interrupted_run_stops_at_the_same_epoch_with_the_same_bytes(tmp_path, text, other_text):
    alone, stopping = tmp_path / "alone.nce", {**STOPPING, "patience": 3}
    go(alone, corpus=text, heldout=str(other_text), **stopping)
    losses = losses_of(alone)
    output = tmp_path / "m.nce"
    resume = False
    for _ in range(3):  # after one epoch each
        with pytest.raises(KeyboardInterrupt):
            go(
                output, corpus=None if resume else text, resume=resume, watcher=Watcher(heldout=interrupt),
                **({} if resume else {"heldout": str(other_text), **stopping}),
            )  # fmt: skip
        assert len(list((output / "checkpoint").glob("best-*.npz"))) <= 3
        resume = True
    go(output, resume=True)
    assert losses_of(output) == losses
    assert contents(output) == contents(alone)


def test_heldout_text_that_is_wrong(tmp_path, text):
    with pytest.raises(InputError, match=r"cannot read the held-out text .*none.txt: no such file"):
        go(tmp_path / "m.nce", corpus=text, heldout=str(tmp_path / "none.txt"))
    with pytest.raises(InputError, match="patience needs a text"):
        go(tmp_path / "m.nce", corpus=text, patience=1)
    (tmp_path / "strange.txt").write_text("nothing known\n")
    with pytest.raises(InputError, match=r"the held-out text \(.*strange.txt\) holds none of the"):
        go(tmp_path / "m.nce", corpus=text, heldout=str(tmp_path / "strange.txt"))
    (tmp_path / "lonely.txt").write_text("w1\nw2\n")
    with pytest.raises(InputError, match=r"the held-out text .*lonely.txt has no two words"):
        go(tmp_path / "m.nce", corpus=text, heldout=str(tmp_path / "lonely.txt"))
    assert not (tmp_path / "m.nce").exists()


def test_a_heldout_text_that_is_trained_on_is_told(tmp_path, text):
    watcher = Watcher()
    (tmp_path / "link.txt").symlink_to(text)
    go(tmp_path / "m.nce", corpus=text, heldout=str(tmp_path / "link.txt"), epochs=1, watcher=watcher)
    assert watcher.notes[0].endswith("link.txt is part of the corpus: its loss says nothing about other texts.")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"the held-out text \(.*held.txt\) holds no token"),
        (b"a b\0c\n", r"held.txt"),
        (gzip.compress(b"w1 w2 w3\n" * 100, mtime=0)[:-9], r"held.txt"),
    ],
)
def test_a_bad_heldout_text_is_told_before_the_corpus_is_read(tmp_path, text, content, sentence):
    (tmp_path / "held.txt").write_bytes(content)

    class Early(Watcher):
        def scanning(self, *_):
            pytest.fail("the corpus is read")

    with pytest.raises(InputError, match=sentence):
        go(tmp_path / "m.nce", corpus=text, heldout=str(tmp_path / "held.txt"), watcher=Early())
    with pytest.raises(InputError, match=sentence):
        estimate(str(text), load_settings(None, {"heldout": str(tmp_path / "held.txt")}), Early())
