"""fastText's `.bin`: files that fastText wrote are read as it reads them, and gensim reads ours."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from nce_train.api import export
from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats import fasttext
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError, NceTrainWarning
from nce_train.text.ngrams import ngram_buckets

THEIRS = Path(__file__).parent / "fasttext"
EXPECTED = json.loads((THEIRS / "vectors.json").read_text())

WORDS = ["river", "rivers", "œuvre", "日本語", "हिन्दी", "a", "straße", "<x>", "new york"]
UNKNOWN = ["riverside", "日本人", "хорошо", "straßen", "œuvres", "newt york"]
HEADER = 4 + struct.calcsize("<i12id")


def some_model(least=3, most=6, buckets=2000, dim=7, words=WORDS, settings=None):
    _, found = ngram_buckets(words, least, most, buckets)
    rows = np.random.default_rng(1).permutation(np.unique(found)).astype(np.int32)
    numbers = np.random.default_rng(2).standard_normal((len(rows) + len(words), dim)).astype(np.float32)
    subwords = SubWords(least, most, buckets, rows, numbers[: len(rows)])
    return Embeddings(words, numbers[len(rows) :], np.arange(90, 90 - len(words), -1), settings, subwords)


def assert_same_model(read, model):
    assert read.index_to_key == model.index_to_key
    np.testing.assert_allclose(read.vectors, model.vectors, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(read.counts, model.counts)
    ours, theirs = read.subwords, model.subwords
    assert (ours.least, ours.most, ours.buckets) == (theirs.least, theirs.most, theirs.buckets)
    order = np.argsort(theirs.rows)
    np.testing.assert_array_equal(ours.rows, theirs.rows[order])
    np.testing.assert_array_equal(ours.vectors, theirs.vectors[order])


@pytest.mark.parametrize("name", ["subwords.bin", "words.bin"])
def test_vectors_are_those_that_fasttext_gives(name):
    model, expected = Embeddings.load(THEIRS / name), EXPECTED[name]
    assert model.index_to_key == list(expected["words"]) and "caf\udce9" in model
    assert model.counts.tolist() == expected["counts"]
    for word, vector in expected["words"].items():
        np.testing.assert_allclose(model[word], vector, rtol=1e-5, atol=1e-7)
    for word, vector in expected["unknown"].items():
        if any(vector):
            np.testing.assert_allclose(model[word], vector, rtol=1e-5, atol=1e-7)
        else:
            with pytest.raises(KeyError):
                model[word]
    assert (model.subwords is None) == (name == "words.bin")


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("lengths", [(3, 6), (5, 5), (1, 2)])
def test_a_model_with_subwords_is_read_back(tmp_path, monkeypatch, ending, lengths):
    monkeypatch.setattr(fasttext, "_BLOCK_ROWS", 7)
    model = some_model(*lengths)
    model.save(tmp_path / f"v.fasttext.bin{ending}")
    assert_same_model(Embeddings.load(tmp_path / f"v.fasttext.bin{ending}"), model)


def test_the_file_of_fasttext_is_written_back_the_same(tmp_path):
    model = Embeddings.load(THEIRS / "subwords.bin")
    model.save(tmp_path / "v", "fasttext")
    assert_same_model(Embeddings.load(tmp_path / "v"), model)


@pytest.mark.parametrize("lengths", [(3, 6), (5, 5), (1, 2), None])
@pytest.mark.parametrize("whole", [True, False])
def test_gensim_gives_the_same_vectors(tmp_path, gensim, lengths, whole):
    model = some_model(*lengths) if lengths else Embeddings(WORDS, some_model().vectors)
    model.save(tmp_path / "v.fasttext.bin")
    if whole:
        theirs = gensim.models.fasttext.load_facebook_model(tmp_path / "v.fasttext.bin").wv
    else:
        theirs = gensim.models.fasttext.load_facebook_vectors(tmp_path / "v.fasttext.bin")
    assert theirs.index_to_key == WORDS
    for word in WORDS:
        np.testing.assert_allclose(theirs[word], model[word], atol=1e-5)
    for word in UNKNOWN:
        if lengths and model.subwords.known_ngrams(word):
            np.testing.assert_allclose(theirs[word], model[word], atol=1e-5)


def test_a_file_of_gensim_is_read(tmp_path, gensim):
    sentences = [["a", "river", "runs"], ["the", "river", "straße", "日本"]] * 20
    theirs = gensim.models.FastText(sentences, vector_size=5, min_count=1, bucket=100, workers=1, epochs=2)
    gensim.models.fasttext.save_facebook_model(theirs, str(tmp_path / "v.bin"))
    ours = Embeddings.load(tmp_path / "v.bin")
    assert ours.index_to_key == theirs.wv.index_to_key
    for word in [*ours, "rivers", "straßen"]:
        np.testing.assert_allclose(ours[word], theirs.wv[word], atol=1e-6)


def test_settings_and_output_vectors_of_a_model_directory(tmp_path, gensim):
    model = some_model()
    directory = tmp_path / "m.nce"
    directory.mkdir()
    output = np.random.default_rng(3).standard_normal(model.vectors.shape).astype(np.float32)
    np.save(directory / "input.npy", model.vectors)
    np.save(directory / "output.npy", output)
    np.save(directory / "ngrams.npy", model.subwords.vectors)
    np.save(directory / "ngram_buckets.npy", model.subwords.rows)
    (directory / "vocab.tsv").write_text("".join(f"{word}\t{90 - row}\n" for row, word in enumerate(WORDS)))
    settings = "ngrams: 3-6\nbuckets: 2000\nwindow: 3\nepochs: 7\nnum_sampled: 32\nsubsample: 0.001\nmodel: cbow\n"
    (directory / "config.yaml").write_text(settings)
    (directory / "manifest.json").write_text("{}")
    Embeddings.load(directory).save(tmp_path / "v.fasttext.bin")
    theirs = gensim.models.fasttext.load_facebook_model(tmp_path / "v.fasttext.bin")
    np.testing.assert_array_equal(theirs.syn1neg, output)
    assert (theirs.window, theirs.epochs, theirs.negative, theirs.sample, theirs.sg) == (3, 7, 32, 0.001, 0)
    export(directory, tmp_path / "first.fasttext.bin", top=4)
    first = gensim.models.fasttext.load_facebook_model(tmp_path / "first.fasttext.bin")
    np.testing.assert_array_equal(first.syn1neg, output[:4])
    with pytest.warns(NceTrainWarning, match="unknown words stay behind"):
        export(directory, tmp_path / "unit.fasttext.bin", normalize=True)
    assert not gensim.models.fasttext.load_facebook_model(tmp_path / "unit.fasttext.bin").syn1neg.any()
    (directory / "output.npy").unlink()
    Embeddings.load(directory).save(tmp_path / "v.fasttext.bin")
    theirs = gensim.models.fasttext.load_facebook_model(tmp_path / "v.fasttext.bin")
    assert theirs.syn1neg.shape == output.shape and not theirs.syn1neg.any()
    np.save(directory / "output.npy", output[:-1])
    with pytest.raises(InputError, match=r"output.npy: the shape \(8, 7\) is not that of the input vectors, \(9, 7\)"):
        Embeddings.load(directory).save(tmp_path / "v.fasttext.bin")


def test_words_that_entries_cannot_hold(tmp_path):
    """An escaped word has other n-grams than the word itself, and still its vector."""
    model = some_model(words=["a\0b", "%_a%00b", "\0", "%_%00", "", "new\0 york", "100%", "%_", "</s>"])
    model.save(tmp_path / "v.fasttext.bin")
    assert b"%_a%00b\0" in (tmp_path / "v.fasttext.bin").read_bytes()
    assert_same_model(Embeddings.load(tmp_path / "v.fasttext.bin"), model)


@pytest.mark.parametrize("counts", [None, [3, 0, 1]])
def test_counts_that_are_unknown_or_zero_are_falling_ones(tmp_path, gensim, counts):
    Embeddings(WORDS[:3], np.eye(3), counts).save(tmp_path / "v.fasttext.bin")
    theirs = gensim.models.fasttext.load_facebook_vectors(tmp_path / "v.fasttext.bin")
    assert [theirs.get_vecattr(word, "count") for word in WORDS[:3]] == [3, 2, 1]
    assert Embeddings.load(tmp_path / "v.fasttext.bin").counts is None


def test_a_dim_whose_byte_is_a_brace(tmp_path):
    """At this place a safetensors file has the brace by which it is recognised."""
    model = Embeddings(["a", "b"], np.ones((2, 123)), [5, 4])
    model.save(tmp_path / "v.fasttext.bin")
    np.testing.assert_array_equal(Embeddings.load(tmp_path / "v.fasttext.bin").vectors, model.vectors)


def test_an_own_row_beyond_float32_is_refused(tmp_path):
    model = some_model()
    largest = np.full_like(model.vectors, np.finfo(np.float32).max)
    with pytest.raises(InputError, match="the own row of a word is beyond the range of float32"):
        Embeddings(WORDS, largest, subwords=model.subwords).save(tmp_path / "v.fasttext.bin")
    assert list(tmp_path.iterdir()) == []


def changed(place, form, *numbers):
    """A function that replaces numbers at a place in a file."""
    return lambda raw: raw[:place] + struct.pack(form, *numbers) + raw[place + struct.calcsize(form) :]


def of_input(place, form, *numbers):
    """The same at a place after the beginning of the first table, for a file without buckets."""
    start = len((THEIRS / "words.bin").read_bytes()) - 2 * (17 + 19 * 4 * 4)
    return changed(start + place, form, *numbers)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (changed(4, "<i", 13), "a fastText model of version 13, and versions that can be read are 11, 12"),
        (changed(4 + 4 * 8, "<i", 3), "a fastText classifier"),
        (changed(4 + 4 * 8, "<i", 9), "a fastText model of kind 9"),
        (changed(8, "<i", 0), "vectors of 0 numbers; it is damaged"),
        (changed(4 + 4 * 9, "<i", -1), "-1 buckets"),
        (changed(HEADER, "<i", 18), "its header states 18 words, 19 without labels"),
        (changed(HEADER, "<2i", 2**30, 2**30), "1073741824 words, for which the file is too small"),
        (changed(HEADER + 8, "<i", 2), "a fastText classifier"),
        (changed(HEADER + 20, "<q", 5), "a pruned fastText model"),
        (changed(HEADER + 28 + 12, "<b", 1), "row 0: 'the' is of kind 1"),
        (of_input(0, "<b", 1), "a quantised fastText model"),
        (of_input(1, "<q", 2**40), "a table of 1099511627776 rows of 4 numbers for 19 words, 0 buckets"),
        (of_input(9, "<q", 3), "a table of 19 rows of 3 numbers"),
        (of_input(17 + 19 * 16 + 1, "<q", 18), "does not end with the output vectors that it states .18 rows of 4"),
        (of_input(17 + 19 * 16 + 1, "<2q", -1, -1), "does not end with the output vectors"),
        (of_input(17, "<f", np.nan), "row 0: the vector of 'the' holds a number that is not finite"),
        (lambda raw: raw + b"\0", "does not end with the output vectors"),
        (lambda raw: raw[:-1], "does not end with the output vectors"),
        (lambda raw: raw[:300], "the file ends too early; it is cut short"),
    ],
)
def test_damage_is_refused_with_one_sentence(tmp_path, change, sentence):
    (tmp_path / "v.bin").write_bytes(change((THEIRS / "words.bin").read_bytes()))
    with pytest.raises(InputError, match=rf"v\.bin.*{sentence}"):
        Embeddings.load(tmp_path / "v.bin")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bits", [0x7F800000, 0x7FA00000, 0x7FC00000])  # infinity, and both kinds of NaN
def test_an_ngram_row_that_is_not_finite_is_refused(tmp_path, bits):
    raw = (THEIRS / "subwords.bin").read_bytes()
    ngrams = len(raw) - 17 - 19 * 16 - 50 * 16
    (tmp_path / "v.bin").write_bytes(changed(ngrams + 10 * 16, "<I", bits)(raw))
    with pytest.raises(InputError, match=r"v\.bin.* holds a number that is not finite"):
        Embeddings.load(tmp_path / "v.bin")


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    whole = (THEIRS / "subwords.bin").read_bytes()
    for length in range(5, len(whole)):
        (tmp_path / "v.bin").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut short|damaged"):
            Embeddings.load(tmp_path / "v.bin")


def test_a_classifier_of_fasttext_is_refused():
    with pytest.raises(InputError, match=r"classifier.bin: a fastText classifier \(supervised\)"):
        Embeddings.load(THEIRS / "classifier.bin")
