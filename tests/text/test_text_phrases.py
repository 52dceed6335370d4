"""Phrases: compared with gensim's Phrases on any text, in little memory or much."""

import itertools
import lzma
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nce_train
from nce_train import memory
from nce_train.errors import InputError, RunError
from nce_train.text import pair_counts
from nce_train.text import phrases as phrases_module
from nce_train.text.pair_counts import count_neighbours
from nce_train.text.phrases import Rule, join_corpus
from nce_train.text.vocabulary import LINE_END

SAMPLE = Path(__file__).parents[2] / "data" / "sample.txt.xz"
SENTENCES = st.lists(st.lists(st.sampled_from(["a", "b", "c", "dd", "é", "\udcff", "."]), max_size=12), max_size=12)
# No score of small counts equals one of these; the last bit of a logarithm would then decide.
THRESHOLDS = {"word2vec": [0.0123, 0.51, 1.77, 3.3, 10.1], "npmi": [-0.3217, 0.1234, 0.4321, 0.777]}
GENSIM_SCORES = {"word2vec": "default", "npmi": "npmi"}


def lines_of(text):
    return [line.split(" ") for line in text.decode("utf-8", "surrogateescape").splitlines()]


def join(corpus, directory, rule, **options):
    pieces = []
    joined = join_corpus(corpus, lambda piece: pieces.append(bytes(piece)), directory, rule, **options)
    return joined, b"".join(pieces)


def join_with_gensim(gensim, sentences, rule, passes):
    """The result of gensim. Its words must not contain the delimiter, or it would confuse a_b + c with a + b_c."""
    models = []
    for _ in range(passes):
        model = gensim.models.Phrases(
            sentences,
            min_count=rule.min_count,
            threshold=rule.threshold,
            delimiter=rule.delimiter,
            scoring=GENSIM_SCORES[rule.score],
        )
        sentences = [[word.replace(rule.delimiter, "+") for word in model[sentence]] for sentence in sentences]
        models.append(model)
    return models, [sentence for sentence in sentences if sentence]


def assert_equals_gensim(joined, models, rule):
    for number, model in enumerate(models, start=1):
        ours = [phrase for phrase in joined.phrases if phrase.number_of_pass == number]
        by_name = {
            rule.delimiter.join(word.replace(rule.delimiter, "+") for word in (it.first, it.second)): it for it in ours
        }
        expected = {name: score for name, score in model.export_phrases().items() if score > rule.threshold}
        assert by_name.keys() == expected.keys()
        for name, it in by_name.items():
            first, second = name.split(rule.delimiter)
            assert (it.count, it.first_count, it.second_count) == tuple(model.vocab[w] for w in (name, first, second))
            assert it.score == pytest.approx(expected[name], rel=1e-12)


@given(
    sentences=SENTENCES,
    score=st.sampled_from(["word2vec", "npmi"]),
    choice=st.integers(0, 3),
    min_count=st.integers(1, 3),
    passes=st.integers(1, 3),
    threads=st.integers(1, 3),
    at_once=st.integers(1, 6),
)
@settings(max_examples=40, deadline=None)
def test_any_text_is_joined_as_by_gensim(
    tmp_path_factory, gensim, sentences, score, choice, min_count, passes, threads, at_once
):
    sentences = [*sentences, ["x", "y", "x"]]  # two different words at least
    rule = Rule(score, THRESHOLDS[score][choice], min_count)
    models, expected = join_with_gensim(gensim, sentences, rule, passes)
    with pytest.MonkeyPatch.context() as patch:
        for module in (phrases_module, pair_counts):
            patch.setattr(module, "_IDS_AT_ONCE", at_once)
        patch.setattr(phrases_module, "_BYTES_AT_ONCE", at_once)
        joined, text = join(sentences, tmp_path_factory.mktemp("ids"), rule, passes=passes, threads=threads)
    assert [[word.replace("_", "+") for word in line] for line in lines_of(text)] == expected
    assert_equals_gensim(joined, models, rule)
    assert joined.tokens_read == sum(map(len, sentences))
    assert joined.tokens_written == sum(map(len, expected))


@pytest.mark.parametrize(("score", "passes"), [("word2vec", 2), ("npmi", 1)])
def test_the_sample_is_joined_as_by_gensim(tmp_path, gensim, score, passes):
    sentences = [line.split() for line in lzma.decompress(SAMPLE.read_bytes()).decode().splitlines()]
    rule = Rule(score)
    models, expected = join_with_gensim(gensim, sentences, rule, passes)
    joined, text = join(SAMPLE, tmp_path, rule, passes=passes, threads=2)
    assert [[word.replace("_", "+") for word in line] for line in lines_of(text)] == expected
    assert_equals_gensim(joined, models, rule)
    assert len(joined.phrases) > 100
    keys = [(phrase.number_of_pass, -phrase.score) for phrase in joined.phrases]
    assert keys == sorted(keys)


@given(
    ids=st.lists(st.sampled_from([LINE_END, 0, 0, 1, 2, 3, 70_000, 2**31 - 1]), max_size=300),
    min_count=st.integers(1, 4),
    threads=st.integers(1, 4),
    slots=st.sampled_from([2, 4, 8, 64]),
    at_once=st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_pairs_are_counted_exactly_with_tables_of_any_size(ids, min_count, threads, slots, at_once):
    stream = np.array([*ids, LINE_END], np.int32)
    expected = Counter(pair for pair in itertools.pairwise(stream.tolist()) if LINE_END not in pair)
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_counts, "slots_per_table", lambda threads: slots)
        patch.setattr(pair_counts, "_FIRST_SLOTS", 2)
        patch.setattr(pair_counts, "_IDS_AT_ONCE", at_once)
        pairs = count_neighbours(stream, min_count, threads, lambda done, total: calls.append((done, total)))
    assert pairs.num_distinct == len(expected)
    assert len(pairs.counts) == sum(count >= min_count for count in expected.values())
    assert dict(
        zip(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True), pairs.counts.tolist(), strict=True)
    ) == {pair: count for pair, count in expected.items() if count >= min_count}
    assert calls[-1][0] == calls[-1][1]


def test_a_small_table_needs_several_scans(monkeypatch):
    random = np.random.default_rng(3)
    stream = np.minimum(random.zipf(1.3, 400_000), 50_000).astype(np.int32)
    stream[::17] = LINE_END
    stream[-1] = LINE_END
    keys = stream[:-1].astype(np.int64) << 32 | stream[1:]
    keys, counts = np.unique(keys[(stream[:-1] >= 0) & (stream[1:] >= 0)], return_counts=True)
    monkeypatch.setattr(pair_counts, "slots_per_table", lambda threads: 1 << 12)
    totals = set()
    pairs = count_neighbours(stream, 3, 2, lambda done, total: totals.add(total))
    assert max(totals) > 20 * len(stream)
    assert pairs.num_distinct == len(keys)
    order = np.lexsort((pairs.right, pairs.left))
    np.testing.assert_array_equal((pairs.left << 32 | pairs.right)[order], keys[counts >= 3])
    np.testing.assert_array_equal(pairs.counts[order], counts[counts >= 3])


def test_tables_stay_within_the_working_memory(monkeypatch):
    for threads in (1, 2, 7, 64):
        slots = pair_counts.slots_per_table(threads)
        assert 2 * 16 * slots * threads <= 2**30 and slots & (slots - 1) == 0
    monkeypatch.setattr(memory, "available_memory", lambda: 2**26)
    assert 2 * 16 * pair_counts.slots_per_table(2) * 2 <= 2**24
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    assert pair_counts.slots_per_table(2) == 1 << 12


def test_words_lines_and_bytes_are_preserved(tmp_path):
    text = b"\xef\xbb\xbfnew york\r\n\n \n  new\tyork  r\xe9sum\xe9 " + b"x" * 100_000 + b"\nnew york once new\nyork"
    (tmp_path / "corpus.txt").write_bytes(text)
    _, written = join(tmp_path / "corpus.txt", tmp_path, Rule(threshold=0.5, min_count=1))
    assert written == b"new_york\nnew_york r\xe9sum\xe9 " + b"x" * 100_000 + b"\nnew_york once new\nyork\n"


def test_tokens_lowercase_and_delimiter(tmp_path):
    (tmp_path / "corpus.txt").write_text("New York, it is. new york? That was", encoding="utf-8")
    options = {"tokens": "words", "lowercase": True}
    joined, written = join(
        tmp_path / "corpus.txt", tmp_path, Rule(threshold=0.5, min_count=1, delimiter="→"), **options
    )
    assert written.decode() == "new→york it is new→york that was\n"
    assert [(it.first, it.second, it.phrase, it.count) for it in joined.phrases] == [("new", "york", "new→york", 2)]


def test_joined_phrases_stay_joined_where_words_are_tokens(tmp_path, encode):
    (tmp_path / "corpus.txt").write_text("New York, (cafe\u0301). New York\rNew caf\u00e9", encoding="utf-8")
    options = {"tokens": "words", "normalize": "nfc"}
    _, written = join(tmp_path / "corpus.txt", tmp_path, Rule(threshold=0.5, min_count=1), **options)
    assert written.decode() == "New_York caf\u00e9 New_York\nNew caf\u00e9\n"
    assert encode(written, **options).vocabulary.words == ["New_York", "caf\u00e9", "New"]
    _, again = join(tmp_path / "corpus.txt", tmp_path, Rule(threshold=0.5, min_count=1), **options)
    assert again == written


def test_a_word_with_the_spelling_of_a_phrase_is_that_phrase(tmp_path):
    sentences = [["a", "b", "c"]] * 4 + [["a_b"]] * 4
    joined, text = join(sentences, tmp_path, Rule(threshold=0.1, min_count=1), passes=2)
    assert text == b"a_b_c\n" * 4 + b"a_b\n" * 4
    second = [phrase for phrase in joined.phrases if phrase.number_of_pass == 2]
    assert [(it.first, it.second, it.count, it.first_count) for it in second] == [("a_b", "c", 4, 8)]


def test_scores_are_the_formulas(tmp_path):
    sentences = [["a", "b"]] * 3 + [["a", "c"]] * 2 + [["c"]]
    joined, _ = join(sentences, tmp_path, Rule(threshold=0.01, min_count=1))
    # 3 words and 2 pairs of neighbours
    assert {it.phrase: it.score for it in joined.phrases} == {
        "a_b": (3 - 1) / (5 * 3) * 5,
        "a_c": (2 - 1) / (5 * 3) * 5,
    }
    joined, _ = join(sentences, tmp_path, Rule(threshold=(3 - 1) / (5 * 3) * 5, min_count=1))
    assert joined.phrases == []  # above the threshold, not at it
    joined, _ = join(sentences, tmp_path, Rule("npmi", -1, min_count=3))
    assert [it.phrase for it in joined.phrases] == ["a_b"]
    assert joined.phrases[0].score == pytest.approx(math.log(3 / 11 / (5 / 11 * 3 / 11)) / -math.log(3 / 11))


def test_from_python(tmp_path):
    sentences = [["new", "york"], ["rain"], []] * 6 + [["new"]]
    phases = set()
    joined = nce_train.phrases(
        sentences,
        tmp_path / "out.txt",
        threshold=0.05,
        list_file=tmp_path / "list.tsv",
        progress=lambda done, total, phase: phases.add(phase),
    )
    assert joined.tokens_written == 13
    assert (tmp_path / "out.txt").read_text() == "new_york\nrain\n" * 6 + "new\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.tsv", "out.txt"]
    assert phases == {"vocabulary", "encode", "pairs", "joining"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_the_text_is_not_written_when_the_list_cannot_be_written(tmp_path):
    (tmp_path / "out.txt").write_text("before")
    with pytest.raises(RunError, match="/dev/full: it could not be written"):
        nce_train.phrases([["new", "york"]] * 9, tmp_path / "out.txt", threshold=0.05, list_file="/dev/full")
    assert (tmp_path / "out.txt").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_wrong_numbers_from_python_are_refused(tmp_path):
    for arguments in ({"passes": 0}, {"threads": 0}):
        with pytest.raises(InputError, match="at least 1"):
            nce_train.phrases([["a", "b"]], tmp_path / "out.txt", **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0}, "--threshold is 0: with the score word2vec it must be above 0"),
        ({"threshold": math.nan}, "--threshold is nan"),
        ({"score": "npmi", "threshold": 10}, "--threshold is 10: with the score npmi it must lie between -1 and 1"),
        ({"score": "pmi"}, "--score is 'pmi'"),
        ({"min_count": 0}, "--min-count is 0"),
        ({"delimiter": ""}, "--delimiter is ''"),
        ({"delimiter": "a b"}, "--delimiter is 'a b'"),
    ],
)
def test_a_wrong_rule_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Rule(**arguments)
