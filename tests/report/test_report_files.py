"""Where a report may be written; what is refused leaves all files as they were."""

import pytest

from nce_train.api import report
from nce_train.errors import InputError


@pytest.fixture
def here(model, vectors_file, tmp_path, monkeypatch):
    """A directory with a link to the model, a vectors file and a set."""
    (tmp_path / "run.nce").symlink_to(model)
    (tmp_path / "pairs.tsv").write_text("w1\tw2\t9\nw3\tw4\t2.5\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sets": "absent.txt"}, "absent.txt: the set cannot be read"),
        ({"compare": "absent.nce"}, "absent.nce: no such file"),
        ({"compare": "./run.nce"}, "./run.nce: this model is given twice"),
        ({"out": "run.nce/page.html"}, "run.nce/page.html: this is inside the model directory"),
        ({"out": "run.nce/metrics.jsonl"}, "run.nce/metrics.jsonl: this is inside the model directory"),
        ({"out": "no/page.html"}, "no/page.html: there is no directory no; make it first"),
        ({"compare": "vectors.txt", "out": "vectors.txt"}, "vectors.txt: this file is read; write to another"),
        ({"sets": ["pairs.tsv"], "out": "pairs.tsv"}, "pairs.tsv: this file is read; write to another"),
        ({"sets": "pairs.tsv:2", "out": "pairs.tsv"}, "pairs.tsv: this file is read; write to another"),
        ({"words": 0}, "words is 0"),
    ],
)
def test_refused_arguments_change_no_file(here, arguments, sentence):
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    with pytest.raises(InputError) as refused:
        report("run.nce", **arguments)
    assert str(refused.value).startswith(sentence)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_a_directory_in_the_way_of_a_picture(here):
    (here / "page.map.png").mkdir()
    with pytest.raises(InputError, match=r"page\.map\.png: this is a directory"):
        report("run.nce", "page.html", pictures=True)
    assert not (here / "page.html").exists()


def test_the_same_model_gives_the_same_page(here):
    (first,) = report("run.nce")
    content = first.read_bytes()
    assert first.name == "run-report.html"
    assert report("run.nce") == [first] and first.read_bytes() == content


def test_a_vectors_file_has_no_loss_picture(here):
    files = report("vectors.txt", "page.html", pictures=True)
    assert [file.name for file in files] == ["page.html", "page.map.png"]
    assert {path.name for path in here.glob("page*")} == {"page.html", "page.map.png"}
