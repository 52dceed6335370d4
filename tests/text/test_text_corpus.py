"""Encoding whole corpora: compared with the slow twin, and every failure as one sentence."""

import gzip
import hashlib
import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError, RunError
from nce_train.text import counter_pool, token_file
from nce_train.text.corpus import count_corpus, encode_corpus
from nce_train.text.vocabulary import Vocabulary

TEXT = b"the cat sat on the mat\n\nthe dog saw the cat\n   \nrare words\nthe cat ran"

FILES = st.lists(
    st.lists(
        st.sampled_from(
            [b" ", b" ", b"\n", b"\n\n", b"\t", b"\r\n", b"\v", b"\f", b"a", b"b", b"A", b"c", b"dd", b"-", b"."]
            + [
                "ΑΣ".encode(),
                "ας".encode(),
                b"longer-than-8",
                b"x" * 40,
                b"\xff",
                b"\xc3",
                b"\xef\xbb\xbf",
                b"\x1c",
                b"\x7f",
            ]
            + [b"_", b"\n\xef\xbb\xbf", b"\r", b"\r\xef\xbb\xbf\xef\xbb\xbf"]
            + [c.encode() for c in "éÉßİΣ\u0301\u0307\u00a0\u2028日\u00ad\u200c\u200d\u2060"]
        ),
        max_size=40,
    ).map(b"".join),
    min_size=1,
    max_size=3,
)


def result_of(encoded):
    return encoded.vocabulary.words, encoded.vocabulary.counts.tolist(), encoded.stream.tolist()


@pytest.mark.slow
@given(
    files=FILES,
    tokens=st.sampled_from(["whitespace", "words"]),
    lowercase=st.booleans(),
    normalize=st.sampled_from(["none", "nfc"]),
    line_breaks=st.sampled_from(["sentence", "ignore"]),
    min_count=st.integers(1, 3),
    max_vocab=st.none() | st.integers(2, 6),
    unknown=st.sampled_from([None, None, "<unk>", "a"]),
    block_bytes=st.sampled_from([1, 2, 7, 50, 1 << 20]),
    words_in_memory=st.sampled_from([1, 2, 5, 20, 1 << 20]),
)
@settings(max_examples=250, deadline=None)
@example([b"a b ", b"c a"], "whitespace", False, "none", "sentence", 1, None, None, 1, 1)
def test_any_text_is_encoded_as_by_plain_python_with_any_number_of_threads(
    twin,
    tmp_path_factory,
    files,
    tokens,
    lowercase,
    normalize,
    line_breaks,
    min_count,
    max_vocab,
    unknown,
    block_bytes,
    words_in_memory,
):
    directory = tmp_path_factory.mktemp("corpus")
    paths = [directory / f"{number}.txt" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    choice = {"min_count": min_count, "max_vocab": max_vocab, "unknown": unknown}
    choice |= {"tokens": tokens, "lowercase": lowercase, "normalize": normalize}
    expected = twin.encode_slowly(twin.sentences_of(files, tokens), line_breaks=line_breaks, **choice)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_file, "BLOCK_BYTES", block_bytes)
        all_warnings = set()
        for threads, memory in ((1, 1 << 20), (1, words_in_memory), (2, words_in_memory), (5, words_in_memory)):
            patch.setattr(counter_pool, "words_per_counter", lambda threads, words=memory: words)
            options = {"threads": threads, **choice}
            if expected is None:
                with pytest.raises(InputError, match=r"distinct word|no token"):
                    encode_corpus(paths, directory / "out", line_breaks=line_breaks, cache=False, **options)
                assert os.listdir(directory / "out") == []
            else:
                encoded = encode_corpus(paths, directory / "out", line_breaks=line_breaks, cache=False, **options)
                assert result_of(encoded) == expected
                assert encoded.token_count == sum(i >= 0 for i in expected[2])
                assert os.listdir(directory / "out") == ["tokens.npy"]
                assert count_corpus(paths, **options)[0].fingerprint == encoded.vocabulary.fingerprint
                all_warnings.add(tuple(encoded.warnings))
        assert len(all_warnings) == (expected is not None)


def test_a_larger_text_is_encoded_as_by_plain_python_with_any_number_of_threads(twin, encode, monkeypatch):
    random = np.random.default_rng(3)
    ids = np.minimum(random.zipf(1.3, 200_000), 50_000)
    text = b"".join(b"w%d%s" % (i, b"\n" if place % 13 == 0 else b" ") for place, i in enumerate(ids))
    expected = twin.encode_slowly(twin.sentences_of([text]), min_count=3)
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 5000)
    for threads in (1, 2, 5):
        assert result_of(encode(text, min_count=3, threads=threads)) == expected


def test_the_result_describes_itself(encode):
    encoded = encode(TEXT, min_count=2)
    assert encoded.vocabulary.words == ["the", "cat"]
    assert encoded.stream.tolist() == [0, 1, 0, -1, 0, 0, 1, -1, 0, 1, -1]
    assert encoded.stream.dtype == np.int32
    assert isinstance(encoded.stream, np.memmap)
    assert not encoded.stream.flags.writeable
    assert encoded.path.name == "tokens.npy"
    assert np.array_equal(np.load(encoded.path), encoded.stream)
    assert encoded.token_count == 8
    [source] = encoded.sources
    assert source["name"].endswith("corpus.txt")
    assert (source["bytes"], source["sha256"]) == (len(TEXT), hashlib.sha256(TEXT).hexdigest())
    assert set(encoded.timings) == {"vocabulary", "encode"}
    assert not encoded.from_cache
    assert encoded.text == (10, 16)
    (warning,) = encoded.warnings
    assert warning.startswith("50% of the 16 tokens are left out, because their words occur less than 2 times")
    assert [path.name for path in encoded.path.parent.iterdir()] == ["tokens.npy"]


def test_ignored_line_breaks_give_one_sentence(encode):
    encoded = encode(TEXT, min_count=2, line_breaks="ignore")
    assert encoded.stream.tolist() == [0, 1, 0, 0, 0, 1, 0, 1, -1]


def test_the_size_of_the_header_does_not_depend_on_the_length():
    sizes = {len(token_file._header(length)) for length in (0, 1, 10**6, 10**12, 2**62)}
    assert len(sizes) == 1


def test_a_given_vocabulary_keeps_its_rows_and_counts(encode):
    given_rows = Vocabulary(["cat", "the", "none"], np.array([9, 4, 0]))
    encoded = encode(TEXT, vocabulary=given_rows, min_count=100, max_vocab=2)
    assert encoded.vocabulary is given_rows
    assert encoded.stream.tolist() == [1, 0, 1, -1, 1, 1, 0, -1, 1, 0, -1]

    with_unknown = Vocabulary(["UNK", "cat", "the"], np.array([1, 9, 4]), "UNK")
    encoded = encode(TEXT, vocabulary=with_unknown, lowercase=True)
    assert encoded.stream.tolist() == [2, 1, 0, 0, 2, 0, -1, 2, 0, 0, 2, 1, -1, 0, 0, -1, 2, 1, 0, -1]
    assert encoded.token_count == 16

    with pytest.raises(InputError, match="none of the 2 words"):
        encode(TEXT, vocabulary=Vocabulary(["x", "y"], np.array([2, 1])))
    with pytest.raises(InputError, match="has 1 rows"):
        encode(TEXT, vocabulary=Vocabulary(["the"], np.array([2])))
    with pytest.raises(InputError, match="--unknown is 'UNK', but"):
        encode(TEXT, vocabulary=given_rows, unknown="UNK")


def test_counting_gives_the_same_vocabulary_as_encoding(tmp_path, encode):
    encoded = encode(TEXT, min_count=2, unknown="UNK")
    progress = []
    vocabulary, text, sources, warnings = count_corpus(
        tmp_path / "corpus.txt",
        min_count=2,
        unknown="UNK",
        threads=2,
        progress=lambda *call: progress.append(call),
    )
    assert vocabulary.words == encoded.vocabulary.words
    assert vocabulary.counts.tolist() == encoded.vocabulary.counts.tolist()
    assert vocabulary.unknown == "UNK"
    assert (text, sources, warnings) == (encoded.text, encoded.sources, [])
    assert progress[-1] == (len(TEXT), len(TEXT), "vocabulary")


def test_progress_increases_to_the_total_in_both_phases(encode, monkeypatch):
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 16)
    calls = {"vocabulary": [], "encode": []}
    encode(TEXT, progress=lambda done, total, phase: calls[phase].append((done, total)))
    for readings in calls.values():
        done = [reading[0] for reading in readings]
        assert done == sorted(done)
        assert len(done) > 2
        assert readings[-1][0] == readings[-1][1]
    assert calls["vocabulary"][-1] == (len(TEXT), len(TEXT))


def test_a_generator_that_was_read_before():
    sentences = iter([["a", "b"]])
    list(sentences)
    with pytest.raises(InputError, match="holds no token: a generator can be read once only; make it anew"):
        count_corpus(sentences)
    with pytest.raises(InputError, match=r"holds no token$"):
        count_corpus([[], []])


def test_an_iterable_is_encoded(tmp_path):
    sentences = [["the", "cat", "don't"], [], ["The", "", "cat"]]
    encoded = encode_corpus(iter(sentences), tmp_path, min_count=1, tokens="words", lowercase=True)
    assert encoded.vocabulary.words == ["the", "cat", "don't"]
    assert encoded.stream.tolist() == [0, 1, 2, -1, 0, 1, -1]
    assert encoded.sources[0]["name"] == "iterable"


def test_standard_input_is_encoded(tmp_path):
    program = (
        "import sys; from nce_train.text.corpus import encode_corpus\n"
        "e = encode_corpus('-', sys.argv[1], min_count=2, threads=2)\n"
        "print(e.vocabulary.words, e.stream.tolist(), e.sources[0]['name'], e.sources[0]['bytes'])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    content = gzip.compress(TEXT)
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    assert done.stdout.decode().strip() == (f"['the', 'cat'] [0, 1, 0, -1, 0, 0, 1, -1, 0, 1, -1] - {len(content)}")


def test_a_word_of_a_megabyte_and_a_line_of_many_blocks_stay_whole(encode, monkeypatch):
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 1 << 16)
    word = b"x" * (1 << 20)
    encoded = encode(b"a " * 300_000 + word + b" b " * 100_000 + word, threads=2)
    assert encoded.vocabulary.words == ["a", "b", word.decode()]
    assert np.flatnonzero(encoded.stream == 2).tolist() == [300_000, 400_001]
    assert encoded.stream.tolist().count(-1) == 1


def test_memory_does_not_grow_with_the_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 1 << 16)
    path = tmp_path / "corpus.gz"
    path.write_bytes(gzip.compress(b"a few words again and again\n" * 1_000_000))
    tracemalloc.start()
    encode_corpus(path, tmp_path / "out", threads=2, cache=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000  # the ids alone are 28 million bytes


@pytest.mark.parametrize(
    ("text", "warns"),
    [
        (b"Hello, world. " * 10, True),
        ("«Wie geht’s?» … „Gut.“ ".encode() * 10, True),
        ("你好，世界。 再见。 ".encode() * 10, True),
        (b"well split text , with marks . of its own ! " * 10, False),
        (b"a " * 19 + b"end.", False),  # 5 % is not over 5 %
        (b"a " * 18 + b"end.", True),
        (b"a-b c_d e/f .g " * 10, False),
    ],
)
def test_punctuation_attached_to_words_is_reported(encode, text, warns):
    warnings = encode(text).warnings
    assert bool(warnings) == warns
    assert all("--tokens words" in warning for warning in warnings)
    assert encode(b"Hello, world.", tokens="words").warnings == []


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "a b\u00a0c d e " * 10,
            "25% of the tokens hold blanks such as U+00A0 (no-break space); --tokens words splits",
        ),
        ("a\u3000b a\u3000b\n" * 10 + "c\u00a0d ", "100% of the tokens hold blanks such as U+3000 (ideographic space)"),
        ("a b\u0085 " * 10, "50% of the tokens hold blanks such as U+0085 (next line)"),
        ("a b\u200bc " * 10, "50% of the tokens hold blanks such as U+200B (zero width space)"),
        ("a " * 98 + "b b\u00a0c", None),  # 1 % is not over 1 %
    ],
)
def test_blanks_inside_tokens_are_reported(encode, text, warning):
    (*found,) = encode(text.encode()).warnings
    assert len(found) == (warning is not None)
    assert warning is None or found[0].startswith(warning)
    assert encode(text.encode(), tokens="words").warnings == []


def test_the_error_for_too_few_words_tells_why_they_may_be_few(tmp_path, encode):
    lines = "".join(f"今天\u3000天气{i}\n" for i in range(50)).encode()
    hint = r"100% of the tokens hold blanks such as U\+3000 \(ideographic space\); --tokens words splits at them"
    with pytest.raises(InputError, match="only 0 of 50 distinct words occur 5 times or more.*; " + hint):
        encode(lines, min_count=5)
    with pytest.raises(InputError, match="only one distinct word; at least two are needed: " + hint):
        encode(lines.splitlines()[0])


def test_words_that_are_not_utf8_are_reported(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("café au lait, 你好 😀\n" * 5)
    assert "UTF-8" not in str(count_corpus(text)[3])
    text.write_bytes("café au lait noir où\n".encode("latin-1") * 5)
    *_, (warning,) = count_corpus(text)
    assert warning.startswith("40% of the 25 tokens hold bytes that are not UTF-8, such as b'caf\\xe9': perhaps ")
    assert f"(iconv -f CP1252 -t UTF-8 {text} | nce-train - -o …)" in warning


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, r"corpus\.txt\) holds no token"),
        (b" \n\t\r\n" * 100_000, {}, "holds no token"),
        (b"\xef\xbb\xbf", {}, "holds no token"),
        (b"... --- ...", {"tokens": "words"}, "holds no token"),
        (b"a b c d", {"min_count": 5}, "only 0 of 4 distinct words occur 5 times or more.*lower --min-count"),
        (b"word word\n" * 50_000, {}, "only one distinct word"),
        (b"some \0 text", {}, r"corpus\.txt contains a NUL byte at offset 5: if it is text"),
        (gzip.compress(b"\xef\xbb\xbfabc \0", mtime=0), {}, "NUL byte at offset 7"),
        (gzip.compress(TEXT, mtime=0)[:-9], {}, r"corpus\.txt is cut short"),
        (TEXT, {"tokens": "letters"}, "--tokens is 'letters'"),
        (TEXT, {"line_breaks": "keep"}, "--line-breaks is 'keep'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_leaves_no_file(tmp_path, encode, content, options, message):
    with pytest.raises(InputError, match=message) as failure:
        encode(content, threads=2, **options)
    assert failure.value.exit_code == 2
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_nul_byte_in_a_later_block_is_reported_with_its_offset(encode, monkeypatch):
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 1000)
    content = bytearray(b"word " * 20_000)
    content[70_003] = content[90_001] = 0
    with pytest.raises(InputError, match="at offset 70003:"):
        encode(content, threads=3)


def test_a_corpus_that_changes_while_it_is_counted_is_refused(tmp_path, encode, monkeypatch):
    monkeypatch.setattr(token_file, "BLOCK_BYTES", 16)

    def grow(done, total, phase):
        with (tmp_path / "corpus.txt").open("ab") as file:
            file.write(b".")

    with pytest.raises(RunError, match=r"corpus\.txt changed while it was read") as failure:
        encode(TEXT, progress=grow)
    assert failure.value.exit_code == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_a_directory_that_cannot_be_created_is_reported(tmp_path):
    (tmp_path / "corpus.txt").write_bytes(TEXT)
    with pytest.raises(InputError, match=r"cannot make the directory .*corpus\.txt/out"):
        encode_corpus(tmp_path / "corpus.txt", tmp_path / "corpus.txt" / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes")
def test_a_full_disk_is_reported(tmp_path):
    (tmp_path / "corpus.txt").write_bytes(b"a b c d e " * 100_000)
    program = (
        "import resource, sys; from nce_train.text.corpus import encode_corpus\n"
        "import nce_train.text.word_counter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: encode_corpus(sys.argv[1] + '/corpus.txt', sys.argv[1] + '/out', cache=False)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=True, env=os.environ | {"NUMBA_DISABLE_JIT": "0"})
    assert done.stdout.decode().startswith("RunError cannot write ")
    assert "File too large" in done.stdout.decode()
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupt_does_not_wait_for_the_threads():
    """They may be compiling for seconds."""
    release, ended = threading.Event(), threading.Event()

    def work():
        release.wait(20)
        ended.set()

    with pytest.raises(KeyboardInterrupt), token_file.thread_pool(1) as pool:
        pool.submit(work)
        raise KeyboardInterrupt
    assert not ended.is_set()
    release.set()
    assert ended.wait(20)


def test_an_error_waits_for_the_threads():
    ended = threading.Event()
    with pytest.raises(ValueError), token_file.thread_pool(1) as pool:
        pool.submit(ended.set)
        raise ValueError
    assert ended.is_set()
