"""Names of files: what an output is named after, and names that are not UTF-8."""

import os

import pytest

from nce_train.files import atomic_write
from nce_train.names import OWN_BYTES, own_name, readable
from nce_train.runs.model_directory import default_output


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts" / "old").mkdir(parents=True)
    (tmp_path / "link").symlink_to("texts/old")
    os.mkfifo("pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("texts/medium.txt", "medium.txt"),
        ("texts/", "texts"),
        ("texts/old/..", "texts"),
        ("link/..", "texts"),  # not this directory
        ("missing.txt", "missing.txt"),
        ("https://host/a/b.txt.gz?raw=1", "b.txt.gz"),
        ("s3://bucket/texts/", "texts"),
        ("/dev/shm/corpus.txt", "corpus.txt"),
        *((nameless, None) for nameless in ("-", "/", "pipe", "/dev/null", "/dev/stdin", "/dev/fd/63")),
        *(
            (nameless, None)
            for nameless in ("/proc/self/fd/0", "https://host", "https://host/", "https://host/?a=b.txt")
        ),
    ],
)
def test_what_an_output_is_named_after(here, path, name):
    assert own_name(path) == name


def test_this_directory_has_its_own_name(here):
    assert own_name(".") == here.name


def test_an_open_file_has_no_name(here):
    with atomic_write("text.txt") as file:
        file.write(b"a b")
    with open("text.txt") as file:
        assert own_name(f"/dev/fd/{file.fileno()}") is None
    with pytest.raises(ValueError, match="standard input has no name to name the output after: give -o DIR"):
        default_output("-")
    assert str(default_output("texts/.gz")) == ".gz.nce"


def test_names_in_their_own_bytes(here):
    with open("log", "w", encoding="utf-8", errors=OWN_BYTES) as file:
        file.write("é\udce9\udcff \ud800")
    assert (here / "log").read_bytes() == b"\xc3\xa9\xe9\xff \\ud800"
    with open("log", "w", encoding="ascii", errors=OWN_BYTES) as file:
        file.write("é\udce9")
    assert (here / "log").read_bytes() == b"\\xe9\xe9"


def test_names_for_readers_of_utf_8():
    assert readable({"a\udce9": ["é", ("\udcff", 1)], "b": None}) == {"a\\xe9": ["é", ["\\xff", 1]], "b": None}
    assert readable("\ud800") == "\\ud800"
