"""The cache of encoded corpora: entries are reused when they match, never when damaged, and within limits."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from nce_train.text import token_cache
from nce_train.text.corpus import encode_corpus
from nce_train.text.vocabulary import Vocabulary

TEXT = b"the cat sat\nthe dog saw the cat\nwords, with. marks,\n" * 3


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache directory for this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nce-train"


@pytest.fixture
def encode(tmp_path, home):
    """Encode the file `name` into the directory `out`."""
    (tmp_path / "corpus.txt").write_bytes(TEXT)

    def run(name="corpus.txt", out="out", **options):
        return encode_corpus(tmp_path / name, tmp_path / out, **({"min_count": 2} | options))

    return run


def entries(home):
    return [path for path in home.iterdir() if not path.name.startswith(".")]


def is_same(first, second):
    return (
        first.vocabulary.words == second.vocabulary.words
        and first.vocabulary.counts.tolist() == second.vocabulary.counts.tolist()
        and first.vocabulary.unknown == second.vocabulary.unknown
        and first.stream.tolist() == second.stream.tolist()
        and first.token_count == second.token_count
        and first.sources == second.sources
        and first.warnings == second.warnings
    )


@pytest.mark.parametrize("unknown", [None, "UNK"])
def test_a_second_run_reuses_the_entry_of_the_first(encode, tmp_path, unknown):
    first = encode(unknown=unknown)
    second = encode(unknown=unknown, out="elsewhere", threads=3)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert first.warnings
    assert is_same(first, second)
    assert second.path == tmp_path / "elsewhere" / "tokens.npy"
    assert first.path.samefile(second.path)
    assert [path.name for path in second.path.parent.iterdir()] == ["tokens.npy"]
    first.path.unlink()
    assert encode(unknown=unknown).from_cache


def test_sources_have_the_names_given_to_this_run(encode, tmp_path, monkeypatch):
    encode()
    monkeypatch.chdir(tmp_path)
    encoded = encode_corpus("corpus.txt", "out", min_count=2)
    assert encoded.from_cache
    assert encoded.sources[0]["name"] == "corpus.txt"


@pytest.mark.parametrize(
    "options",
    [
        {"tokens": "words"},
        {"lowercase": True},
        {"normalize": "nfc"},
        {"line_breaks": "ignore"},
        {"min_count": 3},
        {"max_vocab": 3},
        {"unknown": "UNK"},
        {"vocabulary": Vocabulary(["cat", "the"], np.array([5, 4]))},
    ],
)
def test_other_settings_have_another_entry(encode, options):
    encode()
    encoded = encode(**options)
    assert not encoded.from_cache
    again = encode(**options)
    assert again.from_cache
    assert is_same(encoded, again)
    assert encode().from_cache


def test_another_given_vocabulary_has_another_entry(encode):
    encode(vocabulary=Vocabulary(["cat", "the"], np.array([5, 4])))
    assert not encode(vocabulary=Vocabulary(["cat", "the"], np.array([6, 4]))).from_cache


def test_a_changed_file_is_encoded_again(encode, tmp_path):
    path = tmp_path / "corpus.txt"
    encode()
    then = path.stat()
    path.write_bytes(TEXT.replace(b"cat", b"cow"))
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns + 1))
    encoded = encode()
    assert not encoded.from_cache
    assert "cow" in encoded.vocabulary.words
    path.write_bytes(TEXT + b"more")
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert not encode().from_cache
    path.rename(tmp_path / "other.txt")
    assert not encode("other.txt").from_cache


def test_nothing_is_stored_without_the_option_or_for_an_iterable(encode, home, tmp_path):
    encode(cache=False)
    encode_corpus([["a", "b"], ["a"]], tmp_path / "out", min_count=1)
    assert not home.exists()
    encode()
    assert not encode(cache=False).from_cache


def truncate(entry):
    os.truncate(entry / "tokens.npy", 140)


def overwrite(entry):
    with (entry / "tokens.npy").open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\xff" * 8)


def garble_header(entry):
    status = (entry / "tokens.npy").stat()
    (entry / "tokens.npy").write_bytes(b"\xff" * status.st_size)
    os.utime(entry / "tokens.npy", ns=(status.st_atime_ns, status.st_mtime_ns))


def change_vocabulary(entry):
    content = (entry / "vocab.tsv").read_bytes()
    (entry / "vocab.tsv").write_bytes(content.replace(b"cat", b"cow"))


def change_length(entry):
    content = json.loads((entry / "entry.json").read_text())
    (entry / "entry.json").write_text(json.dumps(content | {"token_count": 10**6}))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        overwrite,
        garble_header,
        change_vocabulary,
        change_length,
        lambda entry: (entry / "tokens.npy").unlink(),
        lambda entry: (entry / "vocab.tsv").write_bytes(b"cat"),
        lambda entry: (entry / "entry.json").write_bytes(b'{"token_count": 3'),
        lambda entry: (entry / "entry.json").write_bytes(b"[]"),
        lambda entry: (entry / "entry.json").unlink(),
    ],
)
def test_a_damaged_entry_is_replaced(encode, home, tmp_path, damage):
    first = encode()
    expected = first.stream.tolist()
    first.path.unlink()
    [entry] = entries(home)
    damage(entry)
    second = encode(out="second")
    assert not second.from_cache
    assert second.stream.tolist() == expected
    assert second.vocabulary.words == first.vocabulary.words
    assert len(entries(home)) == 1
    third = encode(out="third")
    assert third.from_cache
    assert is_same(second, third)
    assert [path for path in home.iterdir() if path.name.startswith(".")] == []


def test_the_least_recently_used_entries_are_removed_when_there_are_too_many(encode, home, monkeypatch):
    monkeypatch.setattr(token_cache, "MAX_ENTRIES", 2)
    encode(min_count=1)
    encode(min_count=2)
    assert encode(min_count=1).from_cache  # now the most recently used entry
    encode(min_count=3)
    assert len(entries(home)) == 2
    assert encode(min_count=1).from_cache
    assert not encode(min_count=2).from_cache


def test_the_least_recently_used_entries_are_removed_when_they_are_too_large(encode, home, monkeypatch):
    first = encode(min_count=1)
    monkeypatch.setattr(token_cache, "MAX_BYTES", first.path.stat().st_size + 10)
    encode(min_count=2)
    assert len(entries(home)) == 1
    assert encode(min_count=2).from_cache
    monkeypatch.setattr(token_cache, "MAX_BYTES", 10)
    assert not encode(min_count=3).from_cache
    assert not encode(min_count=3).from_cache


def test_leftovers_of_killed_runs_are_removed_after_a_day(encode, home):
    home.mkdir(parents=True)
    for name, age in (("old", 100_000), ("new", 100)):
        path = home / f".{name}.partial"
        path.mkdir()
        os.utime(path, (time.time() - age, time.time() - age))
    encode()
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == [".new.partial"]


def test_a_cache_directory_that_cannot_be_written_is_not_used(encode, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "corpus.txt"))
    assert not encode().from_cache
    assert not encode().from_cache


def test_a_relative_cache_home_is_ignored(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/somewhere")
    assert str(token_cache._cache_directory()) == "/somewhere/.cache/nce-train"


def test_tokens_are_copied_to_a_cache_on_another_file_system(encode, tmp_path, monkeypatch):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=memory) as other:
        monkeypatch.setenv("XDG_CACHE_HOME", other)
        first = encode()
        second = encode(out="second")
        assert second.from_cache
        assert not first.path.samefile(second.path)
        assert is_same(first, second)
        monkeypatch.setattr(token_cache, "MAX_COPY_BYTES", 10)
        assert not encode(min_count=1).from_cache
        assert not encode(min_count=1).from_cache


@pytest.mark.slow
def test_concurrent_processes_share_the_cache(encode, tmp_path, home):
    program = (
        "import sys, hashlib; from nce_train.text.corpus import encode_corpus\n"
        "for i in range(15):\n"
        "    e = encode_corpus(sys.argv[1], sys.argv[2], min_count=1 + i % 2)\n"
        "    print(len(e.vocabulary), hashlib.sha256(e.stream.tobytes()).hexdigest())\n"
    )
    expected = [encode(min_count=count, cache=False) for count in (1, 2)]
    command = [sys.executable, "-c", program, str(tmp_path / "corpus.txt")]
    running = [
        subprocess.Popen([*command, str(tmp_path / f"out{n}")], stdout=subprocess.PIPE, text=True) for n in range(3)
    ]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert outputs[0] == outputs[1] == outputs[2]
    assert [int(line.split()[0]) for line in outputs[0].splitlines()[:2]] == [
        len(encoded.vocabulary) for encoded in expected
    ]
    assert len(entries(home)) == 2


@pytest.mark.skipif(os.name != "posix", reason="needs the permissions of POSIX")
def test_the_cache_is_the_users_own(encode, home):
    encode()
    (entry,) = entries(home)
    assert [path.stat().st_mode & 0o777 for path in (home.parent, home, entry)] == [0o700] * 3


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_an_entry_of_another_user_is_not_read_and_nothing_is_stored_in_another_users_directory(encode, home):
    encode()
    (entry,) = entries(home)
    os.chown(entry, 65534, 65534)
    assert not encode(out="again").from_cache
    os.chown(home, 65534, 65534)
    encode("corpus.txt", out="third", min_count=1)
    assert len(entries(home)) == 1
