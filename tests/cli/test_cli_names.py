"""Names that are not UTF-8: what prints them has their bytes, what must be UTF-8 shows them escaped."""

import json
import os

import pytest
from command_case import run_command

from nce_train import Embeddings
from nce_train.api import report
from nce_train.embeddings.approximate import ApproximateIndex
from nce_train.errors import NceTrainWarning

NAME = os.fsdecode(b"caf\xe9")
TEXT = "a b c d\nb c d a\nc d a b\n" * 30


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A directory with a model that was trained and then given a further epoch."""
    here = tmp_path_factory.mktemp("names")
    for kind in ("txt", "held"):
        (here / f"{NAME}.{kind}").write_text(TEXT)
    (here / f"{NAME}.set").write_text("a b c d\nb c d a\n")
    settings = {"dim": 4, "subsample": 0, "epochs": 1, "heldout": f"{NAME}.held", "eval_set": f"{NAME}.set"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in {**settings, "eval_every": "1epoch"}.items()]
    environment = {**os.environ, "XDG_CACHE_HOME": str(here / "cache")}
    for arguments in (
        [f"{NAME}.txt", *options, "--keep-checkpoint", "--log-file", f"{NAME}.log", "--tensorboard", f"{NAME}.board"],
        ["--resume", f"{NAME}.nce", "--epochs", "2"],
    ):
        done = run_command("train", *arguments, cwd=here, env=environment)
        assert (done.returncode, done.stdout) == (0, b"caf\xe9.nce\n"), done.stderr
    assert b"tokens: caf\xe9 " in done.stderr
    return here


@pytest.mark.slow
def test_json_is_what_every_reader_takes(here):
    model = here / f"{NAME}.nce"
    manifest, *metrics = map(json.loads, [(model / "manifest.json").read_text(), *(model / "metrics.jsonl").open()])
    json.dumps([manifest, metrics], ensure_ascii=False).encode()  # refuses lone surrogates
    assert {"caf\\xe9"} == {name for line in metrics for name in line.get("evaluation", {}).get("analogies", {})}
    assert manifest["corpus"][0]["name"] == "caf\\xe9.txt"
    assert manifest["config"]["heldout"] == "caf\\xe9.held"
    done = run_command("eval", f"{NAME}.nce", f"{NAME}.set", "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["model"] == "caf\\xe9.nce"
    assert list(found["analogies"]) == ["caf\\xe9"]


def test_the_log_has_the_bytes_of_the_name(here):
    assert b"tokens: caf\xe9 " in (here / f"{NAME}.log").read_bytes()


def test_the_settings_are_read_again(here):
    config = here / f"{NAME}.nce" / "config.yaml"
    done = run_command("train", "--print-config", "--config", config)
    assert done.stdout == config.read_bytes()


def test_a_report_also_of_a_model_of_an_earlier_version(here, monkeypatch):
    pytest.importorskip("plotly")
    monkeypatch.chdir(here)
    manifest = here / f"{NAME}.nce" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("\\\\xe9", "\\udce9"))
    (page,) = report(f"{NAME}.nce")
    assert os.fsencode(page) == b"caf\xe9-report.html"
    assert "<title>caf\\xe9.nce: nce-train report</title>" in page.read_text(encoding="utf-8")


def test_vectors_and_an_index(here):
    pytest.importorskip("usearch")
    model = Embeddings.load(here / f"{NAME}.nce")
    with pytest.warns(NceTrainWarning, match=r"caf\udce9\.vec: unknown words stay behind"):
        model.save(here / f"{NAME}.vec")
    assert Embeddings.load(here / f"{NAME}.vec").index_to_key == model.index_to_key
    ApproximateIndex.build(model.vectors).save(here / f"{NAME}.index")
    ApproximateIndex.load(here / f"{NAME}.index", model.vectors)
