"""`Phrases` beside gensim's: the same counts, scores and sentences."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError
from nce_train.gensim import ENGLISH_CONNECTOR_WORDS, FrozenPhrases, Phraser, Phrases

SENTENCES = [["new", "york", "is", "large"], ["bank", "of", "america"], ["the", "bank", "of", "america", "york"]] * 3
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_connectors_are_those_of_gensim(gensim):
    assert gensim.models.phrases.ENGLISH_CONNECTOR_WORDS == ENGLISH_CONNECTOR_WORDS


@pytest.mark.slow
@few
@given(
    sentences=st.lists(st.lists(st.sampled_from(["a", "b", "c", "the", "of", "a_b"]), max_size=7), max_size=8),
    scoring=st.sampled_from([("default", 0.1), ("default", 2.0), ("npmi", -0.5), ("npmi", 0.3)]),
    connectors=st.sampled_from([frozenset(), frozenset({"the", "of"})]),
    min_count=st.integers(1, 3),
    most=st.sampled_from([3, 40_000_000]),
)
def test_phrases_are_those_of_gensim(gensim, sentences, scoring, connectors, min_count, most):
    made = []
    for kind in (Phrases, gensim.models.Phrases):
        phrases = kind(
            sentences,
            min_count=min_count,
            threshold=scoring[1],
            scoring=scoring[0],
            connector_words=connectors,
            max_vocab_size=most,
        )
        frozen = phrases.freeze()
        joined = [phrases[sentence] for sentence in sentences]
        scores = (phrases.export_phrases(), phrases.find_phrases(sentences))
        made.append((dict(phrases.vocab), phrases.corpus_word_count, joined, [frozen[each] for each in sentences]))
        made[-1] += tuple(pytest.approx(each) if kind is Phrases else each for each in scores)
    assert made[0] == made[1]


def test_many_sentences_at_once(gensim):
    for kind in (Phrases, gensim.models.Phrases):
        phrases = kind(SENTENCES, min_count=1, threshold=0.1)
        frozen = phrases.freeze()
        for joining in (phrases, frozen):
            joined = joining[SENTENCES]
            assert list(joined) == list(joined) == [joining[sentence] for sentence in SENTENCES]
            assert list(joining[(each for each in SENTENCES[:2])]) == [joining[each] for each in SENTENCES[:2]]
            assert joining[[]] == []
    frozen = Phrases(SENTENCES, min_count=1, threshold=0.1).freeze()
    assert Phraser is FrozenPhrases and Phraser(frozen).phrasegrams == frozen.phrasegrams != {}


def test_saved(tmp_path):
    phrases = Phrases(SENTENCES, min_count=1, threshold=0.1, connector_words={"of"})
    for thing, kind in ((phrases, Phrases), (phrases.freeze(), FrozenPhrases)):
        thing.save(tmp_path / "phrases.json")
        loaded = kind.load(tmp_path / "phrases.json")
        assert loaded[SENTENCES[2]] == thing[SENTENCES[2]] and repr(loaded) == repr(thing)
    with pytest.raises(InputError, match="not what save of this class writes"):
        Phrases.load(tmp_path / "phrases.json")  # of the other class
    with pytest.raises(InputError, match="scoring is a function"):
        Phrases(SENTENCES, scoring=lambda *_: 1.0).save(tmp_path / "own.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_count": 0}, "min_count is 0"),
        ({"threshold": 0}, "threshold is 0"),
        ({"threshold": 2, "scoring": "npmi"}, "threshold is 2"),
        ({"scoring": "own"}, "scoring is 'own'"),
        ({"max_vocab_size": 0}, "max_vocab_size is 0"),
    ],
)
def test_wrong_numbers_are_refused(gensim, options, message):
    with pytest.raises(InputError, match=message):
        Phrases(SENTENCES, **options)
    if "max_vocab_size" not in options:
        with pytest.raises(ValueError):
            gensim.models.Phrases(SENTENCES, **options)
