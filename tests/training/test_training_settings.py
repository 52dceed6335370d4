"""Settings: where they come from, what is refused, and that every place shows the same ones."""

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError, NceTrainWarning
from nce_train.runs.inputs import new_record
from nce_train.runs.record import changed_settings
from nce_train.training import settings as settings_module
from nce_train.training.setting_types import parse_initialiser, parse_interval
from nce_train.training.settings import Settings, usable_cpus
from nce_train.training.settings_files import load_settings, preset_names, settings_of_run, settings_table

SETTINGS_PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_precedence(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("dim: 64\nwindow: 3\n")
    chosen = load_settings(file, {"window": 2})
    assert (chosen.dim, chosen.window, chosen.epochs) == (64, 2, 5)


def test_presets_are_valid_and_explained():
    assert {"fast", "default", "longer", "quality", "tf_word2vec_basic"} <= set(preset_names())
    for name in preset_names():
        load_settings(name)
        text = (Path(__file__).parents[2] / "configs" / f"{name}.yaml").read_text()
        assert text.startswith("# ")


def test_yaml_comes_back_the_same():
    chosen = load_settings("tf_word2vec_basic", {"unknown": "日本"}).resolved()
    assert Settings.model_validate(yaml.safe_load(chosen.to_yaml())) == chosen


def test_a_setting_of_an_earlier_version_costs_one_warning(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(load_settings("fast").to_yaml() + "smoothing: 0.3\n")
    with pytest.warns(NceTrainWarning) as warned:
        assert load_settings(file) == load_settings("fast")
    assert [str(warning.message) for warning in warned] == [
        f"{file} is of an earlier version: smoothing is ignored, vectors are no longer smoothed after training."
    ]
    with pytest.raises(InputError, match="There is no setting 'smoothing'; vectors are no longer smoothed"):
        load_settings(None, {"smoothing": 0.3})


def test_a_file_that_is_read_several_times_warns_once(tmp_path):
    file = tmp_path / "old.yaml"
    file.write_text("smoothing: 0.3\n")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        load_settings(file)
        load_settings(file)
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"epochs": 10**14}, "Setting epochs cannot be 100000000000000: it should be less than or equal to 1000000000"),
        ({"max_steps": 10**30}, "Setting max_steps cannot be"),
        ({"input_init": "uniform(1e300)"}, "numbers above 1000 let training explode at once"),
    ],
)
def test_numbers_beyond_any_use_are_refused(given, sentence):
    with pytest.raises(InputError, match=sentence):
        load_settings(None, given)


@pytest.mark.parametrize("number", ["0_1", "１", " 0.1", "0.1_5"])
def test_numbers_have_plain_digits(number):
    with pytest.raises(InputError, match="it should be a number or auto"):
        load_settings(None, {"lr": number})


def test_an_interrupted_run_of_an_earlier_version_keeps_its_settings():
    record = new_record([__file__], load_settings("fast").resolved())
    record.config["smoothing"] = 0.3
    with pytest.warns(NceTrainWarning, match="out.nce is of an earlier version: smoothing is ignored"):
        assert changed_settings(record, {"epochs": 9}, Path("out.nce")).epochs == 9


def test_numbers_as_yaml_1_1_reads_them(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("subsample: 1e-5\nlr: 1e-2\n")  # strings to YAML 1.1
    chosen = load_settings(file)
    assert (chosen.subsample, chosen.lr) == (1e-5, 0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dims: 5", "There is no setting 'dims' in FILE; did you mean dim?"),
        ("num-sampled: 5", "There is no setting 'num-sampled' in FILE; did you mean num_sampled?"),
        ("vector_size: 5", "There is no setting 'vector_size' in FILE; did you mean dim?"),
        (
            "input_init: foo",
            "Setting input_init in FILE cannot be foo: it should be zero, uniform(A), normal(SIGMA) or "
            "truncated-normal(SIGMA), A also as 0.5/dim.",
        ),
        ("unknown: ''", "Setting unknown in FILE cannot be '': it should have at least 1 character."),
        ("dim: null", "Setting dim in FILE cannot be null: it should be a valid integer."),
        ("distortion: 100", "Setting distortion in FILE cannot be 100: it should be less than or equal to 5."),
        ("zzz: 5", "There is no setting 'zzz' in FILE."),
        ("dim: 0", "Setting dim in FILE cannot be 0: it should be greater than or equal to 1."),
        ("dim: 5000", "Setting dim in FILE cannot be 5000: it should be less than or equal to 4096."),
        ("dim: '128'", "Setting dim in FILE cannot be '128': it should be a valid integer."),
        ("dim: 1.5", "Setting dim in FILE cannot be 1.5: it should be a valid integer."),
        ("unique: 1", "Setting unique in FILE cannot be 1: it should be a valid boolean."),
        (
            "sampler: zipf",
            "Setting sampler in FILE cannot be zipf: it should be 'log-uniform', 'unigram' or 'uniform'.",
        ),
        ("lr: fast", "Setting lr in FILE cannot be fast: it should be a number or auto."),
        ("lr: -1", "Setting lr cannot be -1.0: it should be greater than or equal to 0."),
        ("lr: .nan", "Setting lr in FILE cannot be nan: it should be a finite number."),
        ("threads: 0", "Setting threads cannot be 0: it should be from 1 to 1024, or auto."),
        (
            "log_every: soon",
            "Setting log_every in FILE cannot be soon: it should be a duration such as 5s, 2min or 1h.",
        ),
        ("- dim", "The settings file FILE holds no settings: write one `name: value` a line."),
        ("dim: [", "The settings file FILE is not valid YAML (line 1)."),
        ("dim: !!python/object:os.system 1", "The settings file FILE is not valid YAML (line 1)."),
    ],
)
def test_refusals_are_one_sentence(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as refused:
        load_settings(file)
    assert str(refused.value) == message.replace("FILE", str(file))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"Cannot read the settings file .*: No such file or directory"):
        load_settings(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="There is no preset 'fats'; presets are default, fast"):
        load_settings("fats")
    (tmp_path / "bytes.yaml").write_bytes(b"dim: \xff")
    with pytest.raises(InputError, match=r"is not UTF-8 text \(byte 5\)"):
        load_settings(tmp_path / "bytes.yaml")


def test_numpy_numbers_are_numbers():
    assert load_settings(given={"dim": np.int64(8), "lr": np.float32(0.5)}).dim == 8


def test_auto_is_resolved():
    chosen = Settings(dim=50).resolved()
    assert chosen.lr == 0.05
    assert chosen.threads == usable_cpus() >= 1
    assert chosen.input_init == "uniform(0.01)"
    assert Settings(lr=0.5, threads=3).resolved().lr == 0.5
    automatic = [Settings(deterministic=True, shards=shards).resolved().lr for shards in (1, 2, 4, 8, 16, 1000)]
    assert automatic == [0.05, 0.056, 0.063, 0.071, 0.079, 0.1]
    assert Settings(lr=0.5, deterministic=True).resolved().lr == 0.5


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("zero", ("zero", 0.0)),
        ("uniform(0.5/dim)", ("uniform", 0.05)),
        ("uniform( 1 )", ("uniform", 1.0)),
        ("truncated-normal(8.8e-2)", ("truncated-normal", 0.088)),
        ("normal(.5)", ("normal", 0.5)),
    ],
)
def test_initialisers(text, parsed):
    assert parse_initialiser(text, 10) == parsed
    assert Settings(input_init=text, output_init="normal(1)").input_init == text


@settings(deadline=None)  # a busy machine may be slow
@given(st.text(max_size=30))
def test_other_initialisers_are_refused(text):
    try:
        chosen = Settings(output_init=text)
    except ValueError:
        return
    assert parse_initialiser(chosen.output_init, 3)[0] in ("zero", "uniform", "normal", "truncated-normal")


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5.0), ("2min", 120.0), ("2m", 120.0), ("1h", 3600.0), (7, 7.0), ("250ms", 0.25)]
)
def test_durations(text, seconds):
    assert load_settings(given={"log_every": text}).log_every == seconds


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("30s", (30.0, 0)),
        ("5min", (300.0, 0)),
        ("5m", (300.0, 0)),
        ("5M", (0.0, 5_000_000)),
        ("1.5k tokens", (0.0, 1500)),
        ("20Mtokens", (0.0, 20_000_000)),
        ("700tokens", (0.0, 700)),
        ("250ms", (0.25, 0)),
    ],
)
def test_checkpoint_intervals(text, parsed):
    assert parse_interval(load_settings(given={"checkpoint_every": text}).checkpoint_every) == parsed


@pytest.mark.parametrize(
    ("given", "kept", "lengths"),
    [
        ("5", "5-5", (5, 5)),
        ("3-6", "3-6", (3, 6)),
        (" 3 - 6 ", "3-6", (3, 6)),
        (5, "5-5", (5, 5)),
        ("off", "off", None),
    ],
)
def test_lengths_of_ngrams(given, kept, lengths):
    settings = load_settings(given={"ngrams": given})
    assert (settings.ngrams, settings.ngram_lengths) == (kept, lengths)
    assert settings.with_ngrams(["a1"]) == settings


@pytest.mark.parametrize(
    "given",
    [
        "6-3",
        "0-3",
        "0",
        "3-51",
        "-3",
        "3-",
        "on",
        "",
        "3-6-9",
        "auto:",
        "auto:6-3",
        "auto5",
        "３",
        2.5,
        True,
        None,
        [3, 6],
    ],
)
def test_other_ngrams_are_refused(given):
    with pytest.raises(
        InputError, match=r"^Setting ngrams cannot be .*: it should be lengths such as 3-6 or 5, from 1"
    ):
        load_settings(given={"ngrams": given})


def test_yaml_off_is_off(tmp_path):
    (tmp_path / "s.yaml").write_text("ngrams: off\n")
    settings = load_settings(tmp_path / "s.yaml")
    assert settings.ngrams == "off"
    (tmp_path / "again.yaml").write_text(settings.to_yaml())
    assert load_settings(tmp_path / "again.yaml") == settings


def test_automatic_ngrams_follow_the_words():
    auto = load_settings()
    language, items = ["rose"] * 9 + ["item1"], ["rose"] * 8 + ["item1", "item2"]
    assert [auto.with_ngrams(words).ngrams for words in (language, items)] == ["5-5", "off"]
    chosen = load_settings(given={"ngrams": "auto: 4 - 5"})
    assert chosen.ngrams == "auto:4-5"
    assert [chosen.with_ngrams(words).ngrams for words in (language, items)] == ["4-5", "off"]


def test_the_automatic_rate_of_cbow_is_twice_that_of_skipgram_within_what_rounds_stand():
    rates = [
        load_settings(given={"model": model, "deterministic": rounds}).resolved().lr
        for rounds in (False, True)
        for model in ("skipgram", "cbow")
    ]
    assert rates == [0.05, 0.1, 0.071, 0.1]


def test_runs_of_earlier_versions_have_no_ngrams(tmp_path):
    (tmp_path / "config.yaml").write_text("dim: 20\n")
    assert settings_of_run(tmp_path / "config.yaml").ngrams == "off"
    assert settings_of_run({"dim": 20}, {"dim": 30}) == load_settings(given={"dim": 30, "ngrams": "off"})
    assert settings_of_run({"dim": 20}, {"ngrams": "4"}).ngrams == "4-4"
    assert settings_of_run({"ngrams": "3-6"}).ngrams == "3-6"


@pytest.mark.parametrize("text", ["soon", "0s", "0M", "-5s", "5T", "", "M", True, -3, "500000", "0.1", 90])
def test_other_checkpoint_intervals_are_refused(text):
    with pytest.raises(InputError, match="it should be a duration such as 30s or 5min, or a number of tokens"):
        load_settings(given={"checkpoint_every": text})


@pytest.mark.parametrize(
    ("given", "sentences"),
    [
        ({}, []),
        ({"deterministic": True}, []),
        ({"deterministic": True, "lr": 0.14, "round_tokens": 3780, "round_tau": 60}, []),
        ({"deterministic": True, "lr": 0.15}, ["lr is 0.15; rounds of 1,000 words are known to be stable up to 0.14"]),
        ({"deterministic": True, "lr": 3, "reduction": "mean"}, []),
        ({"deterministic": True, "round_tokens": 3781}, ["round_tokens is 3781; rounds of 1,000 words"]),
        ({"deterministic": True, "round_tau": 118}, []),
        (
            {"deterministic": True, "round_tau": 119},
            ["round_tau is 119; rounds of 1,000 words are known"],
        ),
        ({"deterministic": True, "lr": 0.14, "round_tau": 61}, ["round_tau is 61; "]),
        ({"deterministic": True, "lr": 3, "reduction": "mean", "round_tau": 120}, []),
        ({"round_tokens": 2700, "round_tau": 60, "shards": 8}, []),  # as a run's config.yaml has them
        ({"round_tokens": 5, "shards": 3}, ["Without --deterministic shards has", "Without --deterministic round_tok"]),
        ({"noise_reuse": 4}, []),
        ({"noise_reuse": 1, "unique": True}, []),
        ({"noise_reuse": 4, "unique": True}, ["With unique noise_reuse has no effect: each block draws all"]),
        ({"noise_reuse": 32}, []),
        ({"noise_reuse": 33}, ["noise_reuse is 33, but no noise sample serves more than num_sampled (32) blocks"]),
        ({"num_sampled": 1}, []),  # the default of noise_reuse is above it
        ({"lr": 0}, ["With lr 0 no parameter moves"]),
        ({"model": "cbow", "objective": "pairs"}, ["With model cbow objective has no effect"]),
        ({"sampler": "uniform", "distortion": 0.5}, ["With sampler uniform distortion has no effect"]),
        ({"sampler": "uniform"}, []),
        ({"distortion": 0.5}, []),
        ({"reduction": "mean"}, ["With reduction mean lr 0.05 is small"]),
        ({"model": "cbow", "lr": 0.03}, ["With model cbow lr 0.03 is small: lr auto is 0.1"]),
        ({"model": "cbow", "lr": 0.06}, []),
        ({"reduction": "mean", "lr": 1.0}, []),
        ({"reduction": "mean", "lr": 0}, ["With lr 0 no parameter moves"]),
    ],
)
def test_warnings_about_settings(given, sentences):
    found = load_settings(given=given).resolved().warnings(1000, 10**7)
    assert len(found) == len(sentences)
    assert all(sentence.startswith(begin) for sentence, begin in zip(found, sentences, strict=True))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("30s", (30.0, 0)),
        ("20M", (0.0, 20_000_000)),
        ("1epoch", (0.0, 1000)),
        ("2 epochs", (0.0, 2000)),
        ("0.25epochs", (0.0, 250)),
        ("0.0001epochs", (0.0, 1)),
        (None, None),
    ],
)
def test_intervals_between_evaluations(text, parsed):
    every = load_settings(given={"eval_every": text}).eval_every
    assert parsed == (None if every is None else parse_interval(every, epoch_tokens=1000))


@pytest.mark.parametrize("text", ["0epochs", "epoch", "1epoch 2s", "1ep", True])
def test_other_intervals_between_evaluations_are_refused(text):
    with pytest.raises(InputError, match=r"a number of tokens such as 20M or of epochs such as 1epoch\.$"):
        load_settings(given={"eval_every": text})


def test_checkpoints_are_not_written_by_epochs():
    with pytest.raises(InputError, match=r"a number of tokens such as 20M\.$"):
        load_settings(given={"checkpoint_every": "1epoch"})


def test_evaluation_sets_are_one_path_or_several(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("eval_every: 1epoch\neval_set: [a.txt, b.txt]\n")
    assert load_settings(file).eval_set == ["a.txt", "b.txt"]
    assert load_settings(file, {"eval_set": "c.txt"}).eval_set == ["c.txt"]
    assert load_settings(file, {"eval_set": (tmp_path / "c.txt", "d.txt")}).eval_set == [f"{tmp_path}/c.txt", "d.txt"]
    with pytest.raises(InputError, match=r"Setting eval_set .*list"):
        load_settings(file, {"eval_set": 5})


def test_the_settings_page_shows_the_settings_as_they_are():
    table = re.search(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", SETTINGS_PAGE.read_text(), re.DOTALL)
    assert table is not None
    assert table[1] == settings_table()


@pytest.mark.parametrize(("quota", "expected"), [(None, 64), (2.0, 2), (1.5, 2), (0.3, 1), (100.0, 64)])
def test_threads_are_the_cpus_of_the_affinity_or_of_the_control_group(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(64), raising=False)
    monkeypatch.setattr(settings_module, "cpu_quota", lambda: quota)
    assert usable_cpus() == expected
