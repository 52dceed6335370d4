"""Wrong arguments from Python are refused in one sentence that names the argument and its value."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import nce_train
from nce_train.api import count_words, export, report
from nce_train.embeddings.spelling import UnknownWordError
from nce_train.errors import InputError, NceTrainWarning
from nce_train.evaluation.classifier import Model

WORDS = ["red", "blue", "paris"]
ROWS = [[1, 0], [1, 0.1], [0, 1]]


@pytest.fixture
def model():
    return nce_train.Embeddings(WORDS, ROWS)


@pytest.fixture
def classifier():
    rows = np.array(ROWS, np.float32)
    return Model(WORDS, np.array([3, 2, 1]), (rows, rows, np.zeros(3, np.float32)), {})


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m: m.most_similar("red", topn=1.5), "topn is 1.5, of type float; give a whole number, or None"),
        (lambda m: m.most_similar("red", topn="3"), "topn is '3', of type str"),
        (lambda m: m.most_similar("red", restrict_vocab="3"), "restrict_vocab is '3'"),
        (lambda m: m.most_similar_cosmul("red", topn="3"), "topn is '3'"),
        (lambda m: m.neighbours(["red"], topn=None), "topn is None, of type NoneType; give a whole number"),
        (lambda m: m.neighbours(3), "words is 3, of type int; give a list of words"),
        (lambda m: m.doesnt_match(5), "words is 5, of type int; give a list of words"),
        (lambda m: m.doesnt_match(["red", 1.5]), "1.5 is of type float; give a word"),
    ],
)
def test_wrong_arguments_of_embeddings(model, call, sentence):
    with pytest.raises(TypeError, match=sentence):
        call(model)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda c: c.predict(["red"]), r"\['red'\] is of type list; give a word \(str\)"),
        (lambda c: c.predict("red", topn="3"), "topn is '3'"),
        (lambda c: c.log_probability("red", 3), "contexts is 3"),
        (lambda c: c.log_probability("red", [3]), "3 is of type int; give a word"),
    ],
)
def test_wrong_arguments_of_a_classifier(classifier, call, sentence):
    with pytest.raises(TypeError, match=sentence):
        call(classifier)


@pytest.mark.parametrize("path", [None, 5, ["v.txt"]])
def test_values_that_are_not_paths(model, path):
    for use in (nce_train.Embeddings.load, nce_train.Model.load, model.save):
        with pytest.raises(InputError, match=r"path is .*, of type \w+; give a path"):
            use(path)
    for name in ("output", "config", "resume", "tensorboard"):
        if path is not None:
            with pytest.raises(InputError, match=f"{name} is .*; give a path"):
                nce_train.train("corpus.txt", **{name: path})


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("path", lambda model: nce_train.Embeddings.load("")),
        ("path", lambda model: nce_train.Model.load("")),
        ("path", lambda model: model.save("")),
        ("out", lambda model: export(model, "")),
        ("out", lambda model: report("m.nce", "")),
        ("model", lambda model: report("")),
        ("a model", lambda model: nce_train.evaluate("")),
        ("a model", lambda model: nce_train.evaluate(model, compare="")),
        ("a set or model", lambda model: nce_train.evaluate(model, "")),
        ("heldout", lambda model: nce_train.evaluate(model, heldout="")),
        ("output", lambda model: nce_train.phrases("c.txt", "")),
        ("list_file", lambda model: nce_train.phrases("c.txt", "o.txt", list_file="")),
        ("output", lambda model: count_words("c.txt", "")),
        *(
            (name, lambda model, name=name: nce_train.train("c.txt", **{name: ""}))
            for name in ("output", "config", "resume", "init", "continue_from", "log_file", "tensorboard")
        ),
    ],
)
def test_an_empty_path(model, name, use):
    with pytest.raises(InputError, match=f"^{name} is an empty str; give a path"):
        use(model)


@pytest.mark.parametrize("name", ["vocab", "heldout", "eval_set"])
def test_a_setting_that_names_no_file(name):
    with pytest.raises(InputError, match=rf"Setting {name} cannot be '': it names no file \(is a variable unset\?\)"):
        nce_train.train("c.txt", **{name: ""})


@pytest.mark.parametrize(
    ("output", "sentence"), [("-", "give '/dev/stdout'"), (Path(""), "give a name, or the str '.'")]
)
def test_an_output_that_has_no_name(model, output, sentence):
    for use in (
        model.save,
        lambda path: export(model, path),
        lambda path: report("m.nce", path),
        lambda path: nce_train.phrases("c.txt", path),
        lambda path: count_words("c.txt", path),
        lambda path: nce_train.train("c.txt", output=path),
        lambda path: nce_train.train("c.txt", log_file=path),
        lambda path: nce_train.train("c.txt", tensorboard=path),
    ):
        with pytest.raises(InputError, match=sentence):
            use(output)


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ({"model": 5}, InputError, "a model is 5, of type int; give Embeddings, a Model, or the path of one"),
        ({"compare": 5}, InputError, "a model is 5"),
        ({"sets": 5}, InputError, "is 5, of type int; give a path"),
        ({"heldout": 5}, InputError, "heldout is 5"),
        ({"heldout_pairs": "a"}, TypeError, "heldout_pairs is 'a'"),
        ({"restrict_vocab": 1.5}, TypeError, "restrict_vocab is 1.5"),
    ],
)
def test_wrong_arguments_of_evaluate(model, arguments, kind, sentence):
    with pytest.raises(kind, match=sentence):
        nce_train.evaluate(**{"model": model, **arguments})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"threshold": "a"}, "threshold is 'a', of type str; give a number"),
        ({"min_count": "a"}, "min_count is 'a'"),
        ({"passes": 1.5}, "passes is 1.5"),
        ({"threads": "a"}, "threads is 'a'"),
    ],
)
def test_wrong_arguments_of_phrases(tmp_path, arguments, sentence):
    with pytest.raises(TypeError, match=sentence):
        nce_train.phrases(tmp_path / "c.txt", tmp_path / "o.txt", **arguments)


@pytest.mark.parametrize(
    ("corpus", "sentence"),
    [
        ([], "the corpus is an empty list; give the path of a text, a list of paths, or an iterable of sentences"),
        ("", "the corpus is an empty str; give the path"),
        (["a b c"] * 50, r"holds 'a b c', which is no file; if it is a sentence, give .*line.split\(\)"),
        ("the cat sat", "holds 'the cat sat', which is no file"),
        ([""], "the name of the corpus is empty; name a file"),
        (["the", "cat"], r"the list \['the', 'cat'\], none of which is a file; if these are words, give an iterable"),
        (["missing.txt"], "cannot read the corpus missing.txt: no such file"),
        (["texts/missing"], "cannot read the corpus texts/missing: no such file"),
    ],
)
def test_values_that_are_not_a_corpus(corpus, sentence):
    with pytest.raises(InputError, match=sentence):
        nce_train.train(corpus, progress=False)


@pytest.mark.parametrize(
    ("words", "vectors", "counts", "kind", "sentence"),
    [
        (["a"], np.array([[1j, 0]]), None, TypeError, "vectors are of type complex128; give real numbers"),
        (["a"], [["x", "y"]], None, TypeError, "vectors are of type <U1; give real numbers"),
        (["a", "b"], [[1], [0, 1]], None, TypeError, "vectors cannot be taken as an array of numbers"),
        ("ab", [[1], [2]], None, TypeError, "index_to_key is 'ab', of type str; give a list of words"),
        (None, [[1], [2]], None, TypeError, "index_to_key is None"),
        (["a", "b"], [[1], [2]], [2.5, 1], InputError, "counts hold a number that is negative or not whole"),
        (["a", "b"], [[1], [2]], [2, -1], InputError, "counts hold a number that is negative or not whole"),
    ],
)
def test_wrong_arguments_of_the_constructor(words, vectors, counts, kind, sentence):
    with pytest.raises(kind, match=sentence):
        nce_train.Embeddings(words, vectors, counts)


def test_real_numbers_of_any_type_are_accepted():
    for vectors in ([[1], [2]], [[True], [False]], np.array([[1], [2]], np.float16), np.array([[1], [2]], object)):
        assert nce_train.Embeddings(["a", "b"], vectors, [2.0, 1.0]).vectors.dtype == np.float32


def test_an_unknown_word_is_reported_with_similar_words(model, classifier):
    for call in (
        lambda: model["pariss"],
        lambda: model.similarity("red", "pariss"),
        lambda: model.most_similar(positive=["red"], negative=["pariss"]),
        lambda: classifier.predict("pariss"),
    ):
        with pytest.raises(KeyError) as caught:
            call()
        assert str(caught.value) == "'pariss' is not in the vocabulary; nearest spellings: paris"
        assert str(pickle.loads(pickle.dumps(caught.value)).args[0]) == str(caught.value)


def test_similar_words_are_searched_only_when_printed(model, monkeypatch):
    monkeypatch.setattr(UnknownWordError, "__str__", lambda _: pytest.fail("spellings were looked up"))
    with pytest.raises(KeyError):
        model["pariss"]


def test_doesnt_match_warns_of_unknown_words(model):
    with pytest.warns(NceTrainWarning, match="leaves a word out: 'pariss' is not in the vocabulary; nearest .*: paris"):
        assert model.doesnt_match(["red", "blue", "pariss", "paris"]) == "paris"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.doesnt_match(iter(["red", "blue", "paris"])) == "paris"


def test_path_objects_are_accepted(model, tmp_path):
    model.save(Path(tmp_path / "v.txt"))
    assert nce_train.Embeddings.load(Path(tmp_path / "v.txt")).index_to_key == WORDS
