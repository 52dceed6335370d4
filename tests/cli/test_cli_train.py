"""nce-train as a real process: its model directory, its messages and its exit codes."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from command_case import call_command, command
from command_case import run_training as run

TEXT = "\n".join(" ".join(f"w{(i * 7 + j * j) % 40}" for j in range(30)) for i in range(200)) + "\n"


def refused(*arguments, cwd, code=2):
    """Call a command that must be refused; returns its one sentence on stderr."""
    done = call_command("train", *arguments, cwd=cwd)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    sentences = done.stderr.splitlines()
    assert sentences, "no sentence"
    assert sentences[-1].startswith("Error: ")
    return " ".join(sentences)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path


def test_a_model_directory_is_complete(folder):
    code, out, err = run("corpus.txt", "--dim", 20, "--epochs", 2, cwd=folder)
    assert code == 0, err
    assert out == "corpus.nce\n"
    model = folder / "corpus.nce"
    names = {
        "input.npy",
        "output.npy",
        "bias.npy",
        "vocab.tsv",
        "config.yaml",
        "metrics.jsonl",
        "manifest.json",
    }
    assert {path.name for path in model.iterdir()} == names
    words = [line.split("\t") for line in (model / "vocab.tsv").read_text().splitlines()]
    for name, shape in (("input", (40, 20)), ("output", (40, 20)), ("bias", (40,))):
        array = np.load(model / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        assert array.shape == shape
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert np.abs(array).max() > 0
    assert [int(count) for _, count in words] == sorted((int(count) for _, count in words), reverse=True)

    manifest = json.loads((model / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["tokens"] == 6000
    assert manifest["tokens_trained"] == 12000
    assert manifest["vocabulary"] == 40
    assert manifest["text"] == {"distinct_words": 40, "tokens": 6000}
    assert manifest["epochs"] == 2
    assert manifest["seed"] == 1
    assert manifest["pairs"] > 1000
    assert manifest["peak_memory_bytes"] > 2**20
    assert manifest["tokens_per_second"] == pytest.approx(12000 / manifest["timings"]["train"])
    parts = {
        "vocabulary",
        "encode",
        "compile",
        "train",
        "heldout",
        "evaluation",
        "checkpoints",
        "save",
        "total",
    }
    assert set(manifest["timings"]) == parts
    timings = manifest["timings"]
    assert timings["train"] + timings["save"] + max(timings["compile"], timings["vocabulary"]) < timings["total"]
    assert timings["compile"] > 0.01
    assert manifest["corpus"][0]["name"] == "corpus.txt"
    assert manifest["corpus"][0]["bytes"] == len(TEXT)
    import hashlib

    assert manifest["corpus"][0]["sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert set(manifest["files"]) == names - {"manifest.json"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((model / name).read_bytes()).hexdigest() == digest

    config = yaml.safe_load((model / "config.yaml").read_text())
    assert config["dim"] == 20
    assert config["lr"] == 0.05
    assert "auto" not in config.values()
    readings = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    assert readings[-1]["tokens"] == 12000
    assert set(readings[-1]) == {
        "step", "epoch", "tokens", "loss", "learning_rate", "tokens_per_second", "seconds"
    }  # fmt: skip


def test_evaluation_and_tensorboard_while_training(folder):
    (folder / "asked.txt").write_text("w0 w1 w2 w3\nw4 w5 w6 w7\nw8 w9 w10 w110\n")
    (folder / "scored.tsv").write_text("w0\tw1\t3\nw4\tw5\t2\n")
    sets = ("--eval-set", "asked.txt", "--eval-set", "scored.tsv")
    code, out, err = run(
        "corpus.txt", "--epochs", 2, "--eval-every", "1epoch", *sets, "--tensorboard", "tb", cwd=folder
    )
    assert (code, out) == (0, "corpus.nce\n"), err
    lines = [json.loads(line) for line in (folder / "corpus.nce" / "metrics.jsonl").read_text().splitlines()]
    reports = [line["evaluation"] for line in lines if "evaluation" in line]
    assert [report["analogies"]["asked"]["coverage"] for report in reports] == [2 / 3, 2 / 3]
    correct = reports[-1]["analogies"]["asked"]["correct"]
    spearman = reports[-1]["similarity"]["scored"]["spearman"]
    lines = [line for line in err.splitlines() if line.startswith("evaluation")]
    assert lines[-1] == (
        f"evaluation after 12,000 tokens: asked {correct / 2:.3f} ({correct} of 2), scored {spearman:.3f} (2 pairs)"
    )
    names = sorted(path.name.split(".")[0] for path in (folder / "tb").iterdir())
    assert names == ["events", "projector", "projector_config"]
    yaml_sets = yaml.safe_load((folder / "corpus.nce" / "config.yaml").read_text())["eval_set"]
    assert yaml_sets == [str(folder / "asked.txt"), str(folder / "scored.tsv")]


def test_config_of_a_model_repeats_it(folder):
    assert run("corpus.txt", "--dim", 10, "--threads", 1, "--lr", 0.1, "-o", "first.nce", cwd=folder)[0] == 0
    code, _, err = run("corpus.txt", "--config", "first.nce/config.yaml", "-o", "second.nce", cwd=folder)
    assert code == 0, err
    for name in ("input.npy", "output.npy", "bias.npy", "vocab.tsv", "config.yaml"):
        assert (folder / "first.nce" / name).read_bytes() == (folder / "second.nce" / name).read_bytes()


@pytest.mark.parametrize(("given", "printed"), [("1000", 1000), ("auto", "auto")])
def test_round_tokens_are_a_number_or_auto(folder, given, printed):
    code, out, err = run("--print-config", "--round-tokens", given, cwd=folder)
    assert code == 0, err
    assert yaml.safe_load(out)["round_tokens"] == printed
    assert "'2K' is not a whole number or auto" in refused("--print-config", "--round-tokens", "2K", cwd=folder)


def test_deterministic_runs_are_the_same_on_any_number_of_threads(folder):
    for threads in (1, 3):
        options = ("--deterministic", "--threads", threads, "--dim", 10, "-o", f"{threads}.nce")
        code, _, err = run("corpus.txt", *options, cwd=folder)
        assert code == 0, err
    code, _, err = run("corpus.txt", "--config", "1.nce/config.yaml", "--threads", 2, "-o", "2.nce", cwd=folder)
    assert code == 0, err
    for name in ("input.npy", "output.npy", "bias.npy", "vocab.tsv"):
        assert len({(folder / f"{threads}.nce" / name).read_bytes() for threads in (1, 2, 3)}) == 1
    config = yaml.safe_load((folder / "1.nce" / "config.yaml").read_text())
    assert config["deterministic"] is True
    assert config["round_tokens"] == 75  # 6,000 tokens in 8 shards of 10 rounds
    assert "auto" not in config.values()


def test_a_printed_config_can_be_used(folder):
    code, printed, _ = run("--print-config", "--config", "tf_word2vec_basic", "--dim", 7, cwd=folder)
    assert code == 0
    (folder / "again.yaml").write_text(printed)
    assert run("--print-config", "--config", "again.yaml", cwd=folder)[1] == printed
    assert yaml.safe_load(printed)["dim"] == 7
    assert yaml.safe_load(printed)["num_sampled"] == 64


def test_standard_input_and_several_sources(folder):
    code, _, err = run("-", "-o", "in.nce", "--epochs", 1, cwd=folder, given=gzip.compress(TEXT.encode()))
    assert code == 0, err
    (folder / "texts").mkdir()
    (folder / "texts" / "b.txt").write_text(TEXT)
    (folder / "texts" / "a.gz").write_bytes(gzip.compress(TEXT.encode()))
    code, out, err = run("texts", "corpus.txt", "--epochs", 1, cwd=folder)
    assert code == 0, err
    assert out == "texts.nce\n"
    counts = [
        [int(line.split("\t")[1]) for line in (folder / name / "vocab.tsv").read_text().splitlines()]
        for name in ("in.nce", "texts.nce")
    ]
    assert counts[1] == [3 * count for count in counts[0]]


def test_compressed_standard_input_that_is_cut_short(folder):
    content = gzip.compress(TEXT.encode())[:-100]
    code, _, err = run("-", "-o", "in.nce", cwd=folder, given=content)
    assert code == 2
    assert "standard input is cut short" in err
    assert not (folder / "in.nce").exists()


def test_reuse_of_token_ids_is_reported(folder):
    assert "reused" not in run("corpus.txt", "-o", "a.nce", cwd=folder)[2]
    assert "reused" in run("corpus.txt", "-o", "b.nce", cwd=folder)[2]
    assert "reused" not in run("corpus.txt", "-o", "c.nce", "--no-cache", cwd=folder)[2]
    assert (folder / "a.nce" / "vocab.tsv").read_bytes() == (folder / "b.nce" / "vocab.tsv").read_bytes()


def test_vocabulary_of_another_run(folder):
    (folder / "mine.tsv").write_text("w1\t50\nw2\t20\nw3\t9\n")
    code, _, err = run("corpus.txt", "--vocab", "mine.tsv", "--epochs", 1, "--subsample", 0, cwd=folder)
    assert code == 0, err
    assert (folder / "corpus.nce" / "vocab.tsv").read_text() == "w1\t50\nw2\t20\nw3\t9\n"


def test_tensorflow_preset_on_a_small_text(folder):
    options = (
        "--config",
        "tf_word2vec_basic",
        "--max-vocab",
        30,
        "--num-sampled",
        8,
        "--log-every-steps",
        20,
    )
    code, _, err = run("corpus.txt", *options, cwd=folder)
    assert code == 0, err
    readings = [json.loads(line) for line in (folder / "corpus.nce" / "metrics.jsonl").read_text().splitlines()]
    assert [reading["step"] for reading in readings] == [20, 40, 60, 80, 94]  # 6000 centres, 64 a block
    words = (folder / "corpus.nce" / "vocab.tsv").read_text().splitlines()
    assert len(words) == 30
    assert words[0].startswith("UNK\t")


def test_dry_run_writes_nothing(folder):
    code, out, err = run("corpus.txt", "--dry-run", cwd=folder)
    assert code == 0, err
    assert "vocabulary        40 words" in out
    for name in ("pairs in all", "memory            at most", "training time"):
        assert name in out
    assert not (folder / "corpus.nce").exists()


def test_a_dry_run_says_how_many_ngrams_there_are_and_a_run_why(folder):
    code, out, err = run("corpus.txt", "--dry-run", "--ngrams", "3-4", cwd=folder)
    assert code == 0, err
    assert re.search(r"^n-grams +[1-9]\d*$", out, re.MULTILINE)
    assert "n-grams: " not in err  # it was chosen by the user
    code, out, err = run("corpus.txt", "--dry-run", cwd=folder)
    assert not re.search(r"^n-grams", out, re.MULTILINE)
    assert re.search(r"^n-grams: off, since fewer than nine tenths of the words are letters only \(\d+%\); ", err, re.M)
    assert "--ngrams 5 learns them" in err


def test_what_is_left_out_is_told(folder):
    for name, expected in (("vocabulary", "39 words of 40"), ("tokens an epoch", r"\d,\d{3} of 6,000 \(\d\d%\)")):
        code, out, err = run("corpus.txt", "--dry-run", "--max-vocab", 39, cwd=folder)
        assert code == 0, err
        assert re.search(rf"{name} +{expected}", out)
    assert re.search(r"vocabulary: 39 words of 40, \d,\d{3} of 6,000 tokens in it \(\d\d%; ", err)


def test_curves_among_the_texts_are_refused_and_left_out(folder):
    (folder / "c").mkdir()
    shutil.copy(folder / "corpus.txt", folder / "c" / "a.txt")
    (folder / "c" / "events.out.tfevents.1").write_bytes(b"\0\1\2")
    code, _, err = run("c", "-o", "m.nce", "--tensorboard", "c/tb", cwd=folder)
    assert (code, err) == (
        2,
        "Error: c/tb is inside the corpus directory c: the next run would read it as text; name another place\n",
    )
    code, out, err = run("c", "-o", "m.nce", "--tensorboard", "c/.tb", cwd=folder)
    assert (code, out) == (0, "m.nce\n"), err
    assert not (folder / "c" / "tb").exists()


def test_plain_lines_and_log_file(folder):
    code, _, err = run("corpus.txt", "--log-file", "log.txt", cwd=folder)
    assert code == 0
    assert "vocabulary: 40 words, 6,000 tokens" in err
    assert "loss" in err
    log = (folder / "log.txt").read_text()
    assert "vocabulary: 40 words" in log
    assert "trained 30,000 tokens" in log
    code, _, err = run("corpus.txt", "--overwrite", "--quiet", cwd=folder)
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "log", "what"),
    [
        (["corpus.txt"], "corpus.txt", "corpus"),
        ([".", "-o", "../out.nce"], "corpus.txt", "corpus"),
        ([".", "-o", "../out.nce"], "new.log", "corpus"),
        (["corpus.txt", "--heldout", "other.txt"], "other.txt", "held-out text"),
        (["corpus.txt", "--vocab", "other.txt"], "other.txt", "vocabulary"),
        (["corpus.txt", "--init", "other.txt"], "other.txt", "vectors"),
        (["corpus.txt", "--eval-set", "other.txt", "--eval-every", "1epoch"], "other.txt", "evaluation set"),
        (["corpus.txt", "--config", "heldout.yaml"], "other.txt", "held-out text"),
        (["corpus.txt", "--dry-run"], "link.txt", "corpus"),
    ],
)
def test_no_lines_are_logged_to_a_file_that_is_read(tmp_path, arguments, log, what):
    for name in ("corpus.txt", "other.txt"):
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "heldout.yaml").write_text("heldout: other.txt\n")
    (tmp_path / "link.txt").symlink_to("corpus.txt")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    message = refused(*arguments, "--log-file", log, cwd=tmp_path)
    assert f"{log}: this file is read as {what}; name another one to write" in message
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.slow
def test_a_resumed_run_does_not_log_to_a_file_that_it_reads(tmp_path):
    for name in ("corpus.txt", "other.txt"):
        (tmp_path / name).write_text(TEXT)
    code, _, err = run("corpus.txt", "--heldout", "other.txt", "-o", "m.nce", "--keep-checkpoint", cwd=tmp_path)
    assert code == 0, err
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for log, what in (("corpus.txt", "corpus"), ("other.txt", "held-out text")):
        message = refused("--resume", "../m.nce", "--epochs", 6, "--log-file", f"../{log}", cwd=elsewhere)
        assert f"{log}: this file is read as {what}; name another one to write" in message
        assert (tmp_path / log).read_text() == TEXT
    code, _, err = run("--resume", "m.nce", "--epochs", 6, "--log-file", "new.log", cwd=tmp_path)
    assert code == 0, err
    assert "resuming from step" in (tmp_path / "new.log").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.txt"], "none.txt"),
        (["empty.txt"], "empty"),
        (["blank.txt"], "blank.txt"),
        (["emptydir"], "emptydir"),
        (["rare.txt"], "min"),
        (["one.txt"], "only one distinct word"),
        (["binary.txt"], "NUL"),
        (["cut.gz"], "cut.gz"),
        (["corpus.txt", "--config", "unknown.yaml"], "did you mean window?"),
        (["corpus.txt", "--config", "type.yaml"], "dim in type.yaml cannot be many: it should be a valid integer"),
        (["corpus.txt", "--dim", "0"], "Setting dim cannot be 0: it should be greater than or equal to 1"),
        (["corpus.txt", "--dim", "x"], "'--dim': 'x' is not a valid integer"),
        (["corpus.txt", "--windwo", "3"], "No such option"),
        (["corpus.txt", "--lr", "-1"], "lr"),
        (["corpus.txt", "--lr", "soon"], "lr cannot be soon: it should be a number or auto"),
        (["corpus.txt", "--threads", "none"], "'--threads': 'none' is not a whole number or auto"),
        (["corpus.txt", "--config", "nope"], "There is no preset 'nope'"),
        (["corpus.txt", "-o", "corpus.txt/model"], "cannot be written: Not a directory"),
        (["corpus.txt", "-o", "corpus.txt"], "is a file"),
        (["corpus.txt", "-o", "other"], "holds something else (letter.txt)"),
        (["corpus.txt", "-o", "other", "--overwrite"], "holds something else (letter.txt)"),
        (["corpus.txt", "-o", "finished.nce"], "holds a finished model: give --overwrite"),
        (["corpus.txt", "-o", "interrupted.nce"], "holds an interrupted run: give --overwrite"),
        (["corpus.txt", "--vocab", "none.tsv"], "none.tsv"),
        (["corpus.txt", "--unique", "--num-sampled", "50"], "only 40 words can be drawn"),
        (["corpus.txt", "--log-file", "other/none/log.txt"], "log file"),
        (["corpus.txt", "--vocab", "zero.tsv"], "zero.tsv: all counts are 0"),
        (["corpus.txt", "--input-init", "zero"], "input_init cannot be zero where output_init is zero"),
        (["corpus.txt", "--config", "binary"], "There is no preset 'binary'"),
        (
            ["corpus.txt", "--subsample", "1e-15", "--dry-run", "--max-steps", "5"],
            "No word of the corpus has a context",
        ),
        (["corpus.txt", "--subsample", "1e-15"], "No word of the corpus has a context"),
        (["corpus.txt", "--sampler", "unigram", "--distortion", "100"], "distortion cannot be 100"),
        (["-"], "give -o DIR"),
        ([], "Name a text to train on"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(folder, arguments, message):
    (folder / "empty.txt").touch()
    (folder / "blank.txt").write_text(" \n\t\n")
    (folder / "emptydir").mkdir()
    (folder / "rare.txt").write_text("a b c d e f\n")
    (folder / "one.txt").write_text("a a a a a a a a\n")
    (folder / "binary.txt").write_bytes(TEXT.encode() + b"\0\1\2")
    (folder / "cut.gz").write_bytes(gzip.compress(TEXT.encode())[:-20])
    (folder / "unknown.yaml").write_text("windwo: 3\n")
    (folder / "type.yaml").write_text("dim: many\n")
    (folder / "zero.tsv").write_text("w1\t0\nw2\t0\n")
    (folder / "other").mkdir()
    (folder / "other" / "letter.txt").write_text("dear")
    (folder / "finished.nce").mkdir()
    (folder / "finished.nce" / "manifest.json").write_text("{}")
    (folder / "interrupted.nce" / "checkpoint").mkdir(parents=True)
    before = sorted(path for path in folder.rglob("*") if "cache" not in path.parts)
    sentence = refused(*arguments, cwd=folder)
    assert message in sentence
    assert sorted(path for path in folder.rglob("*") if "cache" not in path.parts) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_one_sentence(folder):
    (folder / "locked").mkdir(mode=0o500)
    assert "Permission denied" in refused("corpus.txt", "-o", "locked/model.nce", cwd=folder)


def test_overwrite_replaces_a_model(folder):
    assert run("corpus.txt", "--dim", 10, cwd=folder)[0] == 0
    assert run("corpus.txt", "--dim", 11, "--overwrite", cwd=folder)[0] == 0
    assert np.load(folder / "corpus.nce" / "input.npy", allow_pickle=False).shape[1] == 11


@pytest.mark.slow
def test_an_old_model_survives_a_failed_overwrite(folder):
    assert run("corpus.txt", "--dim", 10, cwd=folder)[0] == 0
    (folder / "corpus.txt").write_bytes(b"\0")
    refused("corpus.txt", "--overwrite", cwd=folder)
    assert np.load(folder / "corpus.nce" / "input.npy", allow_pickle=False).shape[1] == 10
    assert not (folder / "corpus.nce" / "checkpoint").exists()


def test_divergence_is_one_sentence_and_exit_code_1(folder):
    sentence = refused("corpus.txt", "--lr", "1e30", cwd=folder, code=1)
    assert "lower --lr" in sentence
    assert not (folder / "corpus.nce").exists()


def start_long_run(folder):
    """Start a run of many epochs, and wait until it trains."""
    process = subprocess.Popen(
        command("train", "corpus.txt", "--epochs", "10000000", "--log-every", "200ms"),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background ignore it
    )
    for line in process.stderr:
        if line.startswith("epoch"):
            break
    return process


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_training_soon(folder, number, code):
    process = start_long_run(folder)
    process.send_signal(number)
    started = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    assert time.monotonic() - started < 30


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no lock there")
def test_two_runs_into_one_output(folder):
    first = start_long_run(folder)
    for options in ([], ["--overwrite"]):
        sentence = refused("corpus.txt", *options, cwd=folder)
        assert f"Another run (process {first.pid} on " in sentence
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert "an interrupted run" in refused("corpus.txt", cwd=folder)
    assert run("corpus.txt", "--overwrite", cwd=folder)[0] == 0


def test_help_names_every_setting(folder):
    code, out, _ = run("--help", cwd=folder)
    assert code == 0
    from nce_train.training.settings import Settings

    for name in Settings.model_fields:
        assert "--" + name.replace("_", "-") in out


def test_many_epochs_end_with_max_steps(folder):
    code, _, err = run("corpus.txt", "--epochs", 10**6, "--max-steps", 10, "--log-every-steps", 5, cwd=folder)
    assert code == 0
    assert "50%" in err
    assert "100%" in err


def test_a_closed_stderr_does_not_end_the_run(folder):
    script = "import os, sys; os.close(2); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", script, "-m", "nce_train.cli.train", "corpus.txt", "--epochs", "1"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    finished = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, timeout=120, check=False)
    assert finished.returncode == 0
    assert (folder / "corpus.nce" / "manifest.json").exists()


def test_presets_are_listed(folder):
    code, out, _ = run("--list-presets", cwd=folder)
    assert code == 0
    assert out.split() == ["default", "fast", "longer", "quality", "tf_word2vec_basic"]
