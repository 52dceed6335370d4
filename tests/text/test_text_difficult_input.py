"""Difficult texts: invalid UTF-8, very long lines and words, binary files, files that change or cannot be read."""

import gzip
import lzma
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError, RunError
from nce_train.text import token_file
from nce_train.text.corpus import count_corpus, encode_corpus
from nce_train.text.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("content", "words", "stream"),
    [
        (b"a b\r\nb\r\n\r\na\r\n", [b"a", b"b"], [0, 1, -1, 1, -1, 0, -1]),
        (b"a b\rb\r\ra\r", [b"a", b"b"], [0, 1, -1, 1, -1, 0, -1]),
        (b"\xef\xbb\xbfa b\na\n", [b"a", b"b"], [0, 1, -1, 0, -1]),
        (
            b"\xef\xbb\xbfa\n\xef\xbb\xbf\xef\xbb\xbfa\r\xef\xbb\xbfa\n\xef\xbb\xbf\n \xef\xbb\xbfa\xef\xbb\xbf\n",
            [b"a", b"\xef\xbb\xbfa\xef\xbb\xbf"],
            [0, -1, 0, -1, 0, -1, 1, -1],
        ),
        (
            "a\u2028b c\u00a0d\u0085 a\u2028b\n".encode(),
            ["a\u2028b".encode(), "c\u00a0d\u0085".encode()],
            [0, 1, 0, -1],
        ),
        (b"caf\xe9 \xff\xfe caf\xe9 \xed\xa0\x80\n", [b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80"], [0, 1, 0, 2, -1]),
        (b"\x1c\x1d \x7f \x1c\x1d\n", [b"\x1c\x1d", b"\x7f"], [0, 1, 0, -1]),
        (b"-1 1e5 -1 nan </s> %_20\n", [b"-1", b"1e5", b"nan", b"</s>", b"%_20"], [0, 1, 0, 2, 3, 4, -1]),
    ],
    ids=[
        "crlf",
        "carriage-returns",
        "byte-order-mark",
        "byte-order-marks",
        "unicode-spaces",
        "invalid-utf-8",
        "controls",
        "numbers-and-markup",
    ],
)
def test_bytes_survive_encoding_and_the_vocabulary_file(tmp_path, encode, content, words, stream):
    encoded = encode(content)
    assert [word.encode("utf-8", "surrogateescape") for word in encoded.vocabulary.words] == words
    assert encoded.stream.tolist() == stream
    path = tmp_path / "vocab.tsv"
    encoded.vocabulary.save(path)
    counts = encoded.vocabulary.counts.tolist()
    assert path.read_bytes() == b"".join(b"%s\t%d\n" % line for line in zip(words, counts, strict=True))
    assert Vocabulary.load(path).words == encoded.vocabulary.words


@given(
    texts=st.lists(
        st.lists(st.sampled_from([b"word", b" ", b"\n", b"\xff", b"y" * 30, b"\xc3"])).map(b"".join), min_size=1
    ),
    place=st.integers(0, 10**6),
    nuls=st.integers(1, 3),
    tokens=st.sampled_from(["whitespace", "words"]),
    compress=st.sampled_from([bytes, gzip.compress, lzma.compress]),
    start=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    block_bytes=st.sampled_from([1, 7, 100, 1 << 20]),
)
@settings(max_examples=100, deadline=None)
def test_a_nul_byte_is_refused_anywhere(tmp_path_factory, texts, place, nuls, tokens, compress, start, block_bytes):
    directory = tmp_path_factory.mktemp("corpus")
    number = place % len(texts)
    offset = place % (len(texts[number]) + 1)
    texts[number] = texts[number][:offset] + b"\0" * nuls + texts[number][offset:]
    paths = [directory / f"{i}.txt" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(compress(start + text))
    message = rf"{number}\.txt contains a NUL byte at offset {len(start) + offset}: if it is text"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_file, "BLOCK_BYTES", block_bytes)
        for threads in (1, 3):
            with pytest.raises(InputError, match=message):
                encode_corpus(paths, directory / "out", tokens=tokens, min_count=1, threads=threads, cache=False)
    assert list((directory / "out").iterdir()) == []


def test_a_nul_character_in_a_token_is_reported_with_its_sentence(tmp_path):
    with pytest.raises(InputError, match=r"sentence 2 of the corpus: the token 'b\\x00c' contains a NUL character"):
        encode_corpus([["a"], ["b\0c", "d"]], tmp_path)


def test_a_binary_file_in_a_directory_is_reported(tmp_path):
    (tmp_path / "texts" / "b").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_bytes(b"some words\n" * 1000)
    shutil.copy(sys.executable, tmp_path / "texts" / "b" / "program")
    with pytest.raises(InputError, match=r"texts/b/program: this is a program, not UTF-8 text; leave it out"):
        encode_corpus(tmp_path / "texts", tmp_path / "out", threads=2)
    assert list((tmp_path / "out").iterdir()) == []


def test_one_repeated_word_can_be_encoded_with_a_given_vocabulary(encode):
    encoded = encode(b"word " * 100_000, vocabulary=Vocabulary(["other", "word"], np.array([5, 3])))
    assert encoded.token_count == 100_000
    assert encoded.stream.tolist() == [1] * 100_000 + [-1]


def test_words_are_those_of_people(encode):
    """Joiners are part of a word, invisible characters are not; a word neither begins nor ends with a connector."""
    text = (
        "می\u200cخواهم क्\u200dष ජන්\u200dම New_York _emphasis_ __init__ a_ _\u200d \u200d Co\u00adop\u00ad coop "
        "\ufeffmid\u2060dle \u200fשלום\u200f \u2067م\u200eن\u2069 virama्\u200d km\u200bcut"
    )
    words = (
        "می\u200cخواهم क्\u200dष ජන්\u200dම New_York emphasis init a Co\u00adop coop middle שלום من virama्\u200d km cut"
    )
    words = words.replace("\u00ad", "").split()
    assert encode(text.encode(), tokens="words").vocabulary.words == words
    encoded = encode(text.encode() * 2, tokens="words", lowercase=True)
    assert encoded.vocabulary.words[0] == "coop" and encoded.vocabulary.counts[0] == 4


def test_spellings_of_one_word_are_one_row(encode):
    text = "İzmir izmir I\u0307zmir ΟΔΟΣ οδος Ångström ångström Straße"
    assert encode(text.encode(), lowercase=True).vocabulary.words == ["izmir", "οδος", "ångström", "straße"]
    accents = "caf\u00e9 cafe\u0301 \u1e9b\u0323 \u017f\u0323\u0307 J\u030c \u01f0"
    assert len(encode(accents.encode()).vocabulary) == 6
    assert encode(accents.encode(), normalize="nfc").vocabulary.words[:2] == ["caf\u00e9", "\u1e9b\u0323"]
    assert len(encode(accents.encode(), normalize="nfc", lowercase=True).vocabulary) == 3
    with pytest.raises(InputError, match="--normalize is 'nfd': it must be none or nfc"):
        encode(b"a b", normalize="nfd")


def test_words_that_differ_in_their_encoding_only_are_reported(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("cafe\u0301 the caf\u00e9 re\u0301el\n" * 5)
    *_, (warning,) = count_corpus(text)
    assert warning.startswith("1 of the 4 words are there twice, ") and warning.endswith(
        "such as 'caf\u00e9'; --normalize nfc makes one word of both"
    )
    assert count_corpus(text, normalize="nfc")[-1] == []


def test_a_million_empty_lines_are_skipped(encode):
    assert encode(b"a" + b"\n" * 1_000_000 + b"b a\n").stream.tolist() == [0, -1, 1, 0, -1]


def test_one_line_is_one_sentence_with_any_line_end(encode):
    for end in (b"", b"\n", b" ", b"\r\n", b"\r", b"\r\r", b"\n\n \n"):
        assert encode(b"a b a" + end).stream.tolist() == [0, 1, 0, -1]


@pytest.mark.slow
def test_a_line_of_a_hundred_megabytes_is_one_sentence(encode):
    encoded = encode(b"seven words in a line without end " * 3_000_000)
    assert len(encoded.vocabulary) == 7
    assert (encoded.token_count, len(encoded.stream)) == (21_000_000, 21_000_001)
    assert encoded.stream[-1] == -1
    assert np.array_equal(encoded.stream[:-1].reshape(-1, 7), np.tile(np.arange(7), (3_000_000, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("tokens", ["whitespace", "words"])
def test_a_word_of_a_hundred_megabytes_stays_whole(encode, tokens):
    word = b"x" * 50_000_000 + "é".encode() + b"y" * 50_000_000
    encoded = encode(b"a b " + word + b" a " + word[:-1] + b" b " + word, tokens=tokens)
    assert encoded.stream.tolist() == [0, 1, 2, 0, 3, 1, 2, -1]
    assert encoded.vocabulary.words[2] == word.decode()


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("left", [0.3, 0.99])
def test_a_compressed_file_truncated_while_it_is_read_is_reported_as_changed(tmp_path, monkeypatch, compress, left):
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 1000)
    path = tmp_path / "corpus.txt"
    content = compress(np.random.default_rng(1).integers(32, 120, 1_000_000, np.uint8).tobytes())
    path.write_bytes(content)

    def cut(done, total, phase):
        os.truncate(path, int(left * len(content)))

    with pytest.raises(RunError, match=r"corpus\.txt changed while it was read"):
        encode_corpus(path, tmp_path / "out", progress=cut)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_another_process_writes_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 1000)
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"some words and more\n" * 10_000)
    writer = subprocess.Popen(["sh", "-c", f"while echo more words; do :; done >> '{path}'"])

    def wait_for_more(done, total, phase):
        while path.stat().st_size == total:
            pass

    try:
        with pytest.raises(RunError, match=r"changed while it was read \(\d+ bytes at first, \d+ read\)"):
            encode_corpus(path, tmp_path / "out", progress=wait_for_more)
    finally:
        writer.kill()
        writer.wait()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_once_and_not_cached(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for content in (b"a b a", gzip.compress(b"b c c b")):  # the second text must not come from the cache
        writer = threading.Thread(target=path.write_bytes, args=(content,))
        writer.start()
        encoded = encode_corpus(path, tmp_path / "out", min_count=1)
        writer.join()
        assert not encoded.from_cache
        assert encoded.sources[0]["bytes"] == len(content)
    assert encoded.vocabulary.words == ["b", "c"]


def test_a_token_file_that_cannot_be_written_is_reported_before_reading(tmp_path):
    (tmp_path / "corpus.txt").write_bytes(b"a b")
    (tmp_path / "tokens.npy").mkdir()
    calls = []
    with pytest.raises(InputError, match=r"cannot write .*tokens\.npy: Is a directory"):
        encode_corpus(tmp_path / "corpus.txt", tmp_path, progress=lambda *call: calls.append(call))
    assert calls == []


@pytest.fixture
def unprivileged():
    """Run a program that is bound by file permissions, even as root."""
    command = [sys.executable, "-c"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read everything, and setpriv is not installed")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]

    def run(program, *arguments):
        done = subprocess.run([*command, program, *map(str, arguments)], capture_output=True, timeout=60, check=True)
        return done.stdout.decode()

    return run


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
@pytest.mark.parametrize("closed", ["texts", "texts/inner", "texts/inner/a.txt"])
def test_a_directory_or_file_without_read_permission_is_reported(tmp_path, unprivileged, closed):
    (tmp_path / "texts" / "inner").mkdir(parents=True)
    (tmp_path / "texts" / "inner" / "a.txt").write_bytes(b"a b")
    (tmp_path / closed).chmod(0)
    program = (
        "import sys; from nce_train.text.sources import list_sources\n"
        "try: list_sources(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    try:
        output = unprivileged(program, tmp_path / "texts")
    finally:
        (tmp_path / closed).chmod(0o700)
    assert output == f"InputError cannot read the corpus {tmp_path / closed}: Permission denied\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
def test_a_read_only_corpus_is_encoded(tmp_path, unprivileged):
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_bytes(b"a b a")
    (texts / "a.txt").chmod(0o400)
    texts.chmod(0o500)
    program = (
        "import sys; from nce_train.text.corpus import encode_corpus\n"
        "print(encode_corpus(sys.argv[1], sys.argv[2], min_count=1).stream.tolist())\n"
        "try: encode_corpus(sys.argv[1], sys.argv[1] + '/out')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "try: encode_corpus(sys.argv[1], sys.argv[1], cache=False)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    try:
        output = unprivileged(program, texts, tmp_path / "out").splitlines()
    finally:
        texts.chmod(0o700)
    assert output[0] == "[0, 1, 0, -1]"
    assert output[1] == f"InputError cannot make the directory {texts}/out: Permission denied"
    assert output[2] == f"InputError cannot write {texts}/tokens.npy: Permission denied"


def test_counting_refuses_the_same_input(tmp_path):
    path = tmp_path / "corpus.txt"
    for content, message in [(b"a b \0", "NUL byte at offset 4"), (b"", "no token"), (b"a a", "one distinct word")]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            count_corpus(path, min_count=1)
