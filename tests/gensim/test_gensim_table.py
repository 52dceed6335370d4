"""docs/gensim.md: its tables name every public name of gensim's classes, and say of each what is true of ours."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from nce_train import gensim as ours
from nce_train.errors import InputError

PAGE = (Path(__file__).parents[2] / "docs/gensim.md").read_text(encoding="utf-8")
SENTENCES = [["a", "b", "c", "a_b"], ["b", "a", "c"]] * 6
SMALL = {"vector_size": 4, "min_count": 1, "workers": 1, "epochs": 1}
# Names that ours have beside gensim's: those of Embeddings, and what the page says elsewhere.
OWN = {"counts", "from_gensim", "is_known", "neighbours", "settings", "subwords", "to_gensim", "output_bias"}
OWN |= {"min_n", "max_n", "bucket"}  # of FastText: gensim has them in `wv` only


def rows_of(heading):
    """The verdict and note of each name in the table under a heading."""
    section = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]
    found = {}
    for names, verdict, note in re.findall(r"^\| (`.*?) \| (\w+) \| (.*?) ?\|$", section, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            assert name not in found, f"{heading}: {name} stands there twice"
            found[name] = (verdict, note)
    assert found and {verdict for verdict, _ in found.values()} <= {"yes", "differs", "refused"}
    return found


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def instances(package):
    phrases = package.Phrases(SENTENCES, min_count=1, threshold=0.1)
    word2vec, fasttext = package.Word2Vec(SENTENCES, **SMALL), package.FastText(SENTENCES, bucket=50, **SMALL)
    return {
        "Word2Vec": word2vec,
        "FastText": fasttext,
        "KeyedVectors": word2vec.wv,
        "FastTextKeyedVectors": fasttext.wv,
        "Phrases": phrases,
        "FrozenPhrases": phrases.freeze(),
    }


@pytest.fixture(scope="module")
def our_instances():
    return instances(ours)


@pytest.fixture(scope="module")
def their_instances(gensim):
    return instances(gensim.models)


def table_of(name):
    if name == "FastTextKeyedVectors":
        return {**rows_of("KeyedVectors"), **rows_of(name)}
    return rows_of(f"{name}: methods and attributes" if name in ("Word2Vec", "FastText") else name)


CLASSES = ["Word2Vec", "FastText", "KeyedVectors", "FastTextKeyedVectors", "Phrases", "FrozenPhrases"]


@pytest.mark.parametrize("name", CLASSES)
def test_the_table_has_all_of_gensims_names_and_no_others(name, their_instances):
    assert public(their_instances[name]) == set(table_of(name))


@pytest.mark.parametrize("name", CLASSES)
def test_what_the_table_says_of_a_name_is_true(name, our_instances):
    thing = our_instances[name]
    for member, (verdict, note) in table_of(name).items():
        is_there = member in public(thing)
        if verdict == "refused" and hasattr(thing, member):
            with pytest.raises((NotImplementedError, InputError)):
                getattr(thing, member)(["a"], ["b"])
        elif verdict == "refused":
            assert not (is_there and "not there" in note), f"{name}.{member} is there"
        else:
            assert is_there, f"{name}.{member} is not there"
    assert public(thing) - set(table_of(name)) <= OWN


@pytest.mark.parametrize("name", CLASSES)
def test_methods_take_gensims_arguments(name, our_instances, their_instances):
    for member, (verdict, note) in table_of(name).items():
        theirs, mine = (getattr(type(each[name]), member, None) for each in (their_instances, our_instances))
        if verdict == "refused" or not (callable(theirs) and callable(mine)):
            continue
        wanted, has = inspect.signature(theirs).parameters, inspect.signature(mine).parameters
        takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in has.values())
        lacking = {each for each in wanted if each not in has and each not in ("args", "kwargs")}
        assert takes_any or not lacking or "the parameter is" in note, f"{name}.{member} lacks {lacking}"


@pytest.mark.parametrize("name", ["Word2Vec", "FastText"])
def test_keywords(name, gensim):
    rows = rows_of(f"{name}: keywords")
    theirs = inspect.signature(getattr(gensim.models, name)).parameters
    mine = inspect.signature(getattr(ours, name)).parameters
    assert set(theirs) == set(rows)
    assert set(theirs) <= set(mine)
    assert {each: theirs[each].default for each in theirs} == {each: mine[each].default for each in theirs}
    for keyword, (verdict, note) in rows.items():
        if verdict == "refused":
            value = ast.literal_eval(re.match(rf"`{keyword}=(.*?)`", note)[1])
            with pytest.raises(InputError, match=rf"^{keyword}={value}"):
                getattr(ours, name)(**{keyword: value})


@pytest.mark.parametrize("name", ["Phrases", "KeyedVectors"])
def test_constructors_have_gensims_defaults(name, gensim):
    theirs, mine = (inspect.signature(getattr(each, name)).parameters for each in (gensim.models, ours))
    assert {each: value.default for each, value in theirs.items()} == {
        each: value.default for each, value in mine.items()
    }


@pytest.mark.parametrize("name", ["LineSentence", "PathLineSentences"])
def test_readers_of_sentences(name, gensim, tmp_path):
    (tmp_path / "a.txt").write_text("a b\n")
    theirs = getattr(gensim.models.word2vec, name)(str(tmp_path))
    assert public(theirs) == set(rows_of(name)) == public(getattr(ours, name)(str(tmp_path)))


def test_exported_names_are_on_the_page():
    missing = [name for name in ours.__all__ if f"`{name}`" not in PAGE]
    assert not missing
