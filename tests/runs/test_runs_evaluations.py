"""Evaluation while training: when it falls, what it leaves, and that it changes nothing; callbacks that end a run."""

import importlib
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import nce_train
from nce_train.api import train_or_resume
from nce_train.api.progress import ProgressDisplay
from nce_train.errors import InputError
from nce_train.runs.protocols import Hooks
from nce_train.runs.run import train_model
from nce_train.training.settings import Settings

pytestmark = pytest.mark.usefixtures("often")

GENERATOR = np.random.default_rng(11)
LINES = [" ".join(f"w{min(word, 199)}" for word in GENERATOR.zipf(1.3, 40)) for _ in range(1000)]
SETTINGS = {"dim": 32, "threads": 1, "epochs": 4, "log_every": 0.01, "checkpoint_every": "1h"}
PARAMETERS = ("input.npy", "output.npy", "bias.npy")
ROUNDS = {"deterministic": True, "threads": 2, "shards": 2, "round_tokens": 3000}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a text and two sets."""
    (tmp_path / "text.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "asked.txt").write_text(": all\n" + "\n".join(f"w{i} w{i + 1} w{i + 2} w{i + 3}" for i in range(40)))
    (tmp_path / "scored.tsv").write_text("".join(f"w{i}\tw{i + 7}\t{i % 5}\n" for i in range(40)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(output="m.nce", callbacks=(), resume=False, **settings):
    given = settings if resume else {**SETTINGS, **settings}
    names = (None, None) if resume else ("text.txt", Path(output))
    with ProgressDisplay(quiet=True) as display:
        return train_or_resume(
            *names, None, given, display, resume=Path(output) if resume else None, cache=False, callbacks=callbacks
        )


def lines_of(output):
    return [json.loads(line) for line in Path(output, "metrics.jsonl").read_text().splitlines()]


def evaluations_of(output):
    return [line for line in lines_of(output) if "evaluation" in line]


def parameters_of(output):
    return [Path(output, name).read_bytes() for name in PARAMETERS]


class At:
    """Calls `act` at the first state that fits."""

    def __init__(self, fits, act):
        self.fits, self.act, self.states = fits, act, []

    def __call__(self, state):
        self.states.append(state)
        if self.act is not None and self.fits(state):
            act, self.act = self.act, None
            return act()
        return None


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("how", [{}, ROUNDS], ids=["one thread", "rounds"])
def test_evaluation_falls_on_its_schedule_and_changes_nothing(folder, how):
    train("plain.nce", **how)
    seen = At(lambda state: False, None)
    train("m.nce", [seen], eval_every="15k", eval_set=["asked.txt", "scored.tsv"], **how)
    assert parameters_of("m.nce") == parameters_of("plain.nce")
    found = evaluations_of("m.nce")
    states = [state for state in seen.states if state.evaluation]
    assert [state.step for state in states] == [line["step"] for line in found]
    assert [state.evaluation for state in states] == [line["evaluation"] for line in found]
    # each behind the first piece of work that reaches a multiple, and at the end
    tokens = [state.tokens for state in states]
    total = json.loads(Path("m.nce", "manifest.json").read_text())["tokens_trained"]
    multiples = list(range(15_000, total + 1, 15_000))
    piece = 7000
    assert [reached // 15_000 * 15_000 for reached in tokens[: len(multiples)]] == multiples
    assert all(reached % 15_000 < piece for reached in tokens[: len(multiples)])
    assert tokens[-1] == total
    assert len(tokens) == len(multiples) + (total % 15_000 >= piece)


def test_the_last_evaluation_is_that_of_the_model(folder):
    train(eval_every="1epoch", eval_set=["asked.txt", "scored.tsv"])
    last = evaluations_of("m.nce")[-1]
    assert {**last["evaluation"], "model": "m.nce"} == nce_train.evaluate("m.nce", ["asked.txt", "scored.tsv"])
    assert last["step"] == json.loads(Path("m.nce", "manifest.json").read_text())["steps"]
    assert set(last) == {"step", "evaluation"}


def test_of_a_large_vocabulary_analogies_ask_the_frequent_words_only(folder, monkeypatch):
    monkeypatch.setattr(importlib.import_module("nce_train.api.evaluate"), "RESTRICT_VOCAB", 50)
    train(eval_every="1epoch", eval_set=["asked.txt", "scored.tsv"])
    expected = nce_train.evaluate("m.nce", ["asked.txt", "scored.tsv"], restrict_vocab=50)
    assert expected["analogies"]["asked"].pop("whole_vocabulary")["words"] > 50
    assert {**evaluations_of("m.nce")[-1]["evaluation"], "model": "m.nce"} == expected


def test_epochs_end_where_evaluations_fall(folder):
    seen = At(lambda state: False, None)
    train(callbacks=[seen], eval_every="2epochs", eval_set="asked.txt", epochs=5)
    tokens = json.loads(Path("m.nce", "manifest.json").read_text())["tokens"]
    assert [state.tokens / tokens for state in seen.states if state.evaluation] == [2, 4, 5]


@pytest.mark.parametrize("how", [{}, ROUNDS], ids=["one thread", "rounds"])
def test_an_interrupted_run_evaluates_as_it_would_have(folder, monkeypatch, how):
    settings = {"eval_every": "15k", "eval_set": ["asked.txt"], **how}
    train("whole.nce", **settings)
    with pytest.raises(KeyboardInterrupt):
        train("m.nce", [At(lambda state: state.tokens > 20_000, interrupt)], **settings)
    # where an evaluation has just been taken, and from another place
    monkeypatch.chdir(folder / "m.nce")
    with pytest.raises(KeyboardInterrupt):
        train("../m.nce", [At(lambda state: state.evaluation, interrupt)], resume=True)
    train("../m.nce", resume=True)
    assert evaluations_of("../m.nce") == evaluations_of("../whole.nce")
    assert parameters_of("../m.nce") == parameters_of("../whole.nce")


def test_an_interrupt_comes_before_an_evaluation_that_is_due(folder, monkeypatch):
    train("whole.nce", eval_every="15k", eval_set=["asked.txt"])
    before = At(lambda state: state.tokens >= 15_000, interrupt)
    with pytest.raises(KeyboardInterrupt):  # readings fall behind each piece of work, and so before an evaluation
        train("m.nce", [before], eval_every="15k", eval_set=["asked.txt"], log_every_steps=1)
    assert not any(state.evaluation for state in before.states)
    train("m.nce", resume=True)
    assert len(evaluations_of("m.nce")) == len(evaluations_of("whole.nce"))


def test_a_round_that_takes_longer_than_the_interval_is_finished(folder):
    train(eval_every="0.1ms", eval_set=["asked.txt"], **{**ROUNDS, "round_tokens": 10_000}, subsample=0)
    steps = [line["step"] for line in evaluations_of("m.nce")]
    assert steps == sorted(set(steps))
    assert len(steps) > 2


def test_evaluating_is_no_training_time(folder):
    pauses = []

    def evaluation(paths):
        def measure(vocabulary, vectors):
            assert vectors.shape == (len(vocabulary), 32)
            pauses.append(0.05)
            time.sleep(0.05)
            return {}

        return measure

    settings = Settings(**SETTINGS, eval_every="1epoch")
    with ProgressDisplay(quiet=True) as display:
        model = train_model("text.txt", settings, None, display, cache=False, hooks=Hooks(evaluation=evaluation))
    assert len(pauses) == 4
    timings = model.manifest["timings"]
    assert timings["total"] - timings["train"] >= sum(pauses)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"eval_every": "1epoch", "eval_set": ["text.txt"]}, "text.txt: neither a set of analogies"),
        ({"eval_every": "1epoch", "eval_set": "none.txt"}, "none.txt: the set cannot be read"),
        ({"eval_every": "sometimes"}, "such as 20M or of epochs such as 1epoch"),
        ({"eval_every": "0epochs"}, "Setting eval_every cannot be 0epochs"),
        ({"eval_set": ["asked.txt"]}, "eval_set needs to know when to evaluate: give --eval-every 1epoch too"),
        ({"eval_every": "1epoch", "eval_set": [3]}, "Setting eval_set cannot be 3"),
    ],
)
def test_mistakes_are_told_before_the_work(folder, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        train(**settings)
    assert not Path("m.nce").exists()


def test_without_a_set_the_projects_own_is_asked_and_shown(folder, capsys):
    nce_train.train("text.txt", eval_every="2epochs", cache=False, **SETTINGS)
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evaluation")]
    assert len(shown) == 2
    assert shown[0].endswith(" tokens: analogies - (0 of 0)")


# --- callbacks ------------------------------------------------------------------------------------------------------


def test_a_callback_sees_the_run(folder):
    (folder / "heldout.txt").write_text("\n".join(LINES[:50]))
    seen, others = [], []
    model = nce_train.train(
        Path("text.txt"),
        output="m.nce",
        callback=[seen.append, others.append],
        heldout="heldout.txt",
        eval_every="2epochs",
        eval_set=Path("asked.txt"),
        cache=False,
        progress=False,
        **{**SETTINGS, "log_every_steps": 100},
    )
    assert seen == others
    lines = lines_of("m.nce")
    keys = ("step", "epoch", "tokens", "loss", "learning_rate", "tokens_per_second", "seconds")
    assert [state.step for state in seen] == [line["step"] for line in lines]
    for state, line in zip(seen, lines, strict=True):
        kind = next((kind for kind in ("heldout", "evaluation") if kind in line), None)
        if kind is None:
            assert {key: getattr(state, key) for key in keys} == line
            assert state.heldout is state.evaluation is None
        else:
            assert getattr(state, kind) == line[kind]
    assert [state.progress for state in seen] == sorted(state.progress for state in seen)
    assert seen[-1].progress == 1
    assert len(model) == next(state.evaluation["vocabulary"] for state in seen if state.evaluation)


@pytest.mark.parametrize("how", [{}, ROUNDS], ids=["one thread", "rounds"])
def test_a_callback_can_always_show_the_loss(folder, how):
    # evaluations directly behind readings, and readings where a round is not at its end
    seen = []
    train(callbacks=[seen.append], **{**how, "log_every": "1ms", "eval_every": "2k", "eval_set": ["asked.txt"]})
    trained = [state for state in seen if state.step > 0]
    assert len(trained) > 10
    assert all(state.loss > 0 and state.tokens_per_second > 0 for state in trained)


def test_the_loss_at_an_evaluation_is_that_of_the_reading_before(folder):
    seen = []
    train(callbacks=[seen.append], log_every_steps=1, eval_every="15k", eval_set=["asked.txt"])
    places = [number for number, state in enumerate(seen) if state.evaluation]
    assert len(places) > 2
    for place in places:
        assert seen[place].step == seen[place - 1].step
        assert seen[place].loss == seen[place - 1].loss


@pytest.mark.parametrize("output", ["m.nce", None])
def test_a_callback_can_stop_training(folder, output):
    seen = At(lambda state: state.step >= 300, lambda: True)
    settings = {**SETTINGS, "log_every_steps": 100}
    nce_train.train("text.txt", output=output, callback=seen, progress=False, cache=False, **settings)
    assert [state.step for state in seen.states] == [100, 200, 300]
    if output:
        manifest = json.loads(Path("m.nce", "manifest.json").read_text())
        assert (manifest["steps"], manifest["stopped_early"]) == (300, "callback")
        assert manifest["tokens_trained"] < 4 * manifest["tokens"]
        assert not Path("m.nce", "checkpoint").exists()


def test_a_callback_can_stop_at_an_evaluation(folder):
    seen = At(lambda state: state.evaluation, lambda: True)
    train(callbacks=[seen], eval_every="1epoch", eval_set=["asked.txt"], **ROUNDS)
    assert len(evaluations_of("m.nce")) == 1
    manifest = json.loads(Path("m.nce", "manifest.json").read_text())
    assert (manifest["tokens_trained"], manifest["stopped_early"]) == (manifest["tokens"], "callback")


def test_a_run_left_alone_was_not_stopped(folder):
    train()
    assert json.loads(Path("m.nce", "manifest.json").read_text())["stopped_early"] is None


@pytest.mark.parametrize("settings", [{}, {"log_every_steps": 100}, {"eval_every": "1epoch"}, ROUNDS])
def test_a_callback_that_fails_ends_the_run_as_ctrl_c_does(folder, settings):
    train("whole.nce", **settings)

    def fail():
        raise ZeroDivisionError("mine")

    seen = At(lambda state: state.tokens > 20_000, fail)
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        train("m.nce", [seen], **settings)
    failing = next(number for number, state in enumerate(seen.states) if state.tokens > 20_000)
    assert failing == len(seen.states) - 1
    (note,) = caught.value.__notes__
    assert note.startswith("interrupted; resume from the last checkpoint (")
    assert note.endswith(" tokens) with: nce-train --resume m.nce")
    assert not Path("m.nce", "manifest.json").exists()
    train("m.nce", resume=True)
    assert parameters_of("m.nce") == parameters_of("whole.nce")


def test_a_callback_that_fails_at_the_last_reading_keeps_the_run(folder):
    train("whole.nce")
    with pytest.raises(ZeroDivisionError) as caught:
        train(callbacks=[lambda state: 1 / 0 if state.progress == 1 else None])
    assert "resume from the last checkpoint" in caught.value.__notes__[0]
    assert not Path("m.nce", "manifest.json").exists()
    train(resume=True)
    assert parameters_of("m.nce") == parameters_of("whole.nce")


def test_a_callback_that_fails_without_an_output(folder):
    with pytest.raises(IndexError):
        nce_train.train("text.txt", callback=lambda state: [][1], progress=False, cache=False, **SETTINGS)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"callback": 5}, "callback is 5; give a function"),
        ({"callback": [None]}, "callback is None; give a function"),
        ({"cluster": 3}, "cluster is 3; give the address"),
        ({"init": 5}, "init is of the type int; give the path"),
        ({"continue_from": nce_train.Embeddings(["a"], [[1.0]])}, "continue_from needs a model directory"),
    ],
)
def test_arguments_of_another_kind_are_one_sentence(given, told):
    with pytest.raises(InputError, match=told):
        nce_train.train([["a", "b"]] * 20, progress=False, **given)
