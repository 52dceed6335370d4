"""nce-report as a real process: its files, its messages and its exit codes."""

import json
import os
import resource
import struct
import subprocess
import sys

import numpy as np
import pytest
from command_case import run_command

from nce_train.embeddings import Embeddings


@pytest.fixture
def here(tmp_path):
    rng = np.random.default_rng(4)
    words = [f"$w_{{{row}}}^" for row in range(30)]  # what matplotlib could take for mathematics
    words[0], words[1] = "日本", "x" * 500
    Embeddings(words, rng.standard_normal((30, 8))).save(tmp_path / "model.txt")
    run = tmp_path / "run.nce"
    run.mkdir()
    np.save(run / "input.npy", rng.standard_normal((30, 8)).astype(np.float32))
    (run / "vocab.tsv").write_text("".join(f"{word}\t{30 - row}\n" for row, word in enumerate(words)))
    (run / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": n, "tokens": 10 * n, "seconds": n, "loss": 1 / n}) + "\n" for n in (1, 2, 3))
    )
    (run / "manifest.json").write_text('{"format": 1}')
    (tmp_path / "pairs.tsv").write_text("日本\t$w_{2}^\t9\n$w_{3}^\t$w_{4}^\t2.5\n")
    return tmp_path


def run(here, *arguments, **options):
    return run_command("report", *arguments, cwd=here, text=True, **options)


def size_of_png(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def test_a_page_and_pictures(here):
    done = run(here, "run.nce", "--set", "pairs.tsv", "--compare", "model.txt", "--words", "20", "--png")
    assert done.returncode == 0 and done.stdout == ""
    files = ["run-report.html", "run-report.loss.png", "run-report.map.png"]
    lines = [line for line in done.stderr.splitlines() if "font cache" not in line]  # of matplotlib, when it is slow
    assert [line.split(":")[0] for line in lines] == files
    assert lines[1].endswith(f" {(here / files[1]).stat().st_size / 1e3:.0f} kB")
    page = (here / files[0]).read_text(encoding="utf-8")
    content = json.loads(page.split('id="content">')[1].split("</script>")[0])
    assert [model["name"] for model in content["models"]] == ["run.nce", "model.txt"]
    assert content["map"]["mapped"] == 20
    assert content["models"][0]["evaluation"]["similarity"]["pairs"]["pairs"] == 2
    for name in files[1:]:
        width, height = size_of_png(here / name)
        assert 300 < height < width < 1000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent.nce"], "absent.nce: no such file; check the path"),
        (["run.nce", "-o", "run.nce"], "run.nce: this is a directory; name a file to write"),
        (["run.nce", "--layout", "tsne"], "--layout"),
        ([], "MODEL"),
    ],
)
def test_wrong_usage_and_bad_input_exit_with_2(here, arguments, sentence):
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    done = run(here, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("missing", "arguments", "sentence"),
    [
        ("plotly", [], "a report needs plotly: pip install 'nce-train[report]'"),
        ("matplotlib", ["--png"], "pictures need matplotlib: pip install 'nce-train[report]'"),
        ("umap", ["--layout", "umap"], "the layout umap needs umap-learn: pip install 'nce-train[umap]'"),
    ],
)
def test_a_missing_extra_is_reported_and_nothing_is_written(here, missing, arguments, sentence):
    code = (  # and numba is not needed for a report
        f"import sys; sys.modules[{missing!r}] = sys.modules['numba'] = None\n"
        "from nce_train.cli.report import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "model.txt", "-o", "page.html", *arguments],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, f"Error: {sentence}\n")
    assert not list(here.glob("page*"))


@pytest.mark.skipif(os.name != "posix", reason="limits as POSIX has them")
def test_no_space_leaves_the_old_page(here):
    (here / "page.html").write_text("old")
    done = run(
        here,
        "run.nce",
        "-o",
        "page.html",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Error: page.html: it could not be written (File too large); an existing file there is unchanged; "
        "fix this or choose another place\n"
    )
    assert (here / "page.html").read_text() == "old"
    assert not list(here.glob(".page*"))
