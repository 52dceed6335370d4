"""`KeyedVectors` beside gensim's: the same calls give the same answers, types and kinds of errors."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nce_train
from nce_train.errors import InputError
from nce_train.gensim import KeyedVectors

DIM = 5
WORDS = ["war", "peace", "new york", "日本", "a", "b", "c", "d"]
VECTORS = np.random.default_rng(3).standard_normal((len(WORDS), DIM)).astype(np.float32)
COUNTS = np.arange(80, 0, -10)
no_fixture_check = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def filled(kind):
    vectors = kind(DIM)
    vectors.add_vectors(WORDS, VECTORS)
    for word, count in zip(WORDS, COUNTS.tolist(), strict=True):
        vectors.set_vecattr(word, "count", count)
    return vectors


@pytest.fixture(scope="module")
def both(gensim):
    return filled(KeyedVectors), filled(gensim.models.KeyedVectors)


def same(ours, theirs):
    if isinstance(theirs, list) and theirs and isinstance(theirs[0], tuple):
        assert [key for key, _ in ours] == [key for key, _ in theirs]
        np.testing.assert_allclose([value for _, value in ours], [value for _, value in theirs], atol=2e-6)
    elif isinstance(theirs, (list, str)):
        assert ours == theirs
    else:
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
        assert np.shape(ours) == np.shape(theirs)


CALLS = {
    "most_similar": lambda v: v.most_similar("war", topn=4),
    "most_similar, lists": lambda v: v.most_similar(positive=["war", "a"], negative=["b"], topn=3),
    "most_similar, weights": lambda v: v.most_similar(positive=[("war", 0.5), VECTORS[3]], topn=3),
    "most_similar, all": lambda v: v.most_similar("war", topn=None),
    "most_similar, none": lambda v: v.most_similar("war", topn=np.uint8(0)),
    "most_similar, restricted": lambda v: v.most_similar("war", restrict_vocab=3),
    "most_similar, clipped": lambda v: v.most_similar("war", clip_start=2, clip_end=6),
    "most_similar_cosmul": lambda v: v.most_similar_cosmul(positive=["war", "a"], negative=["b"], topn=3),
    "most_similar_to_given": lambda v: v.most_similar_to_given("war", ["a", "b", "peace"]),
    "similar_by_word": lambda v: v.similar_by_word(word="a", topn=2),
    "similar_by_vector": lambda v: v.similar_by_vector(VECTORS[0], topn=2),
    "similarity": lambda v: v.similarity("war", "peace"),
    "n_similarity": lambda v: v.n_similarity(["war", "a"], ["peace"]),
    "distance": lambda v: v.distance("war", "peace"),
    "distances": lambda v: v.distances("war"),
    "distances, some": lambda v: v.distances("war", ["a", "b"]),
    "doesnt_match": lambda v: v.doesnt_match(["war", "peace", "a"]),
    "rank": lambda v: v.rank("war", "a"),
    "closer_than": lambda v: sorted(v.closer_than("war", "a")),
    "relative_cosine_similarity": lambda v: v.relative_cosine_similarity("war", "a", 3),
    "rank_by_centrality": lambda v: [(word, score) for score, word in v.rank_by_centrality(WORDS)],
    "cosine_similarities": lambda v: v.cosine_similarities(VECTORS[0], VECTORS),
    "get_vector": lambda v: v.get_vector("war", norm=True),
    "a row": lambda v: v[3],
    "rows and words": lambda v: v[["war", 3]],
    "get_mean_vector": lambda v: v.get_mean_vector(["war", "a"], [1, 2]),
    "get_normed_vectors": lambda v: v.get_normed_vectors(),
    "get_index": lambda v: v.get_index("peace"),
    "get_index, unknown": lambda v: v.get_index("unknown", -1),
    "get_vecattr": lambda v: v.get_vecattr("peace", "count"),
    "contains": lambda v: ["war" in v, 3 in v, 99 in v, "unknown" in v],
    "vectors_for_all": lambda v: v.vectors_for_all(["peace", "unknown", "a"]).vectors,
    "length": lambda v: len(v),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_same_call_gives_the_same(both, name):
    same(*(CALLS[name](each) for each in both))


WRONG = {
    "unknown word": (KeyError, lambda v: v["unknown"]),
    "unknown row": (KeyError, lambda v: v.get_index(99)),
    "similarity of an unknown word": (KeyError, lambda v: v.similarity("war", "unknown")),
    "unknown attribute": (KeyError, lambda v: v.get_vecattr("war", "colour")),
    "empty sets": (ZeroDivisionError, lambda v: v.n_similarity([], ["war"])),
    "no known word": (ValueError, lambda v: v.rank_by_centrality(["unknown"])),
    "vocab": (AttributeError, lambda v: v.vocab),
    "index2word": (AttributeError, lambda v: v.index2word),
    "vectors_norm": (AttributeError, lambda v: v.vectors_norm),
    "analogies of another kind": (ValueError, lambda v: v.doesnt_match(["unknown"])),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore")
def test_the_same_mistake_raises_the_same(both, name):
    error, call = WRONG[name]
    for each in both:
        with pytest.raises(error):
            call(each)


KEYS = st.one_of(st.sampled_from(["a", "b", "new", "x y", "é"]), st.integers(100, 103))
ADDITIONS = st.lists(
    st.tuples(st.lists(KEYS, min_size=1, max_size=4, unique=True), st.booleans(), st.integers(0, 99)), max_size=4
)


@no_fixture_check
@given(additions=ADDITIONS, room=st.integers(0, 3))
def test_vectors_are_added_and_replaced_as_in_gensim(gensim, additions, room):
    ours, theirs = KeyedVectors(DIM, count=room), gensim.models.KeyedVectors(DIM, count=room)
    for keys, replace, seed in additions:
        new = np.random.default_rng(seed).standard_normal((len(keys), DIM)).astype(np.float32)
        for each in (ours, theirs):
            if len(keys) == 1 and replace and keys[0] not in each.key_to_index:
                each.add_vector(keys[0], new[0])
            else:
                each.add_vectors(keys, new, replace=replace)
    assert ours.key_to_index == theirs.key_to_index
    assert ours.index_to_key == [key or None for key in theirs.index_to_key]
    rows = list(theirs.key_to_index.values())
    np.testing.assert_array_equal(ours.vectors[rows], theirs.vectors[rows])


def test_neighbours_follow_what_was_added():
    vectors = filled(KeyedVectors)
    assert vectors.most_similar("war", topn=1)[0][0] != "twin"
    vectors["twin"] = VECTORS[0] * 2
    assert vectors.most_similar("war", topn=1)[0] == ("twin", pytest.approx(1, abs=1e-6))
    vectors["war"] = -VECTORS[0]
    assert vectors.similarity("war", "twin") == pytest.approx(-1, abs=1e-6)
    vectors.unit_normalize_all()
    np.testing.assert_allclose(np.linalg.norm(vectors.vectors, axis=1), 1, atol=1e-6)


def test_sorted_by_frequency():
    vectors = KeyedVectors(1)
    vectors.add_vectors(["rare", "often"], [[1], [2]], {"count": np.array([1, 9])})
    vectors.sort_by_descending_frequency()
    assert vectors.index_to_key == ["often", "rare"] and vectors["rare"].tolist() == [1]
    assert vectors.get_vecattr("often", "count") == 9


@pytest.mark.parametrize("binary", [True, False])
def test_word2vec_files_are_those_of_gensim(tmp_path, gensim, binary):
    ours = filled(KeyedVectors)
    plain = ours.vectors_for_all([word for word in WORDS if " " not in word], copy_vecattrs=True)
    plain.save_word2vec_format(tmp_path / "v", tmp_path / "counts", binary=binary)
    read = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "v", tmp_path / "counts", binary=binary)
    back = KeyedVectors.load_word2vec_format(tmp_path / "v", tmp_path / "counts", binary=binary, limit=3)
    assert read.index_to_key == plain.index_to_key and back.index_to_key == plain.index_to_key[:3]
    np.testing.assert_array_equal(read.vectors, plain.vectors)
    np.testing.assert_array_equal(back.vectors, plain.vectors[:3])
    assert read.get_vecattr("peace", "count") == back.get_vecattr("peace", "count") == 70


def test_saved_vectors_are_read_by_everyone(tmp_path):
    ours = filled(KeyedVectors)
    ours.save(tmp_path / "vectors.kv")
    ours.save(tmp_path / "vectors.kv")  # replaces
    for read in (KeyedVectors.load(tmp_path / "vectors.kv"), nce_train.Embeddings.load(tmp_path / "vectors.kv")):
        assert read.index_to_key == WORDS and read.counts.tolist() == COUNTS.tolist()
        np.testing.assert_array_equal(read.vectors, VECTORS)
    KeyedVectors.load(tmp_path / "vectors.kv")["new"] = VECTORS[0]  # can be changed
    assert not KeyedVectors.load(tmp_path / "vectors.kv", mmap="r").vectors.flags.writeable


def test_intersecting_takes_known_words_only(tmp_path):
    other = KeyedVectors(DIM)
    other.add_vectors(["peace", "elsewhere"], VECTORS[:2])
    other.save_word2vec_format(tmp_path / "v.txt")
    ours = filled(KeyedVectors)
    ours.intersect_word2vec_format(tmp_path / "v.txt")
    assert ours.index_to_key == WORDS
    np.testing.assert_array_equal(ours["peace"], VECTORS[0])


def test_what_is_refused_says_so(tmp_path):
    ours = filled(KeyedVectors)
    with pytest.raises(NotImplementedError, match="wmdistance needs a solver"):
        ours.wmdistance(["war"], ["peace"])
    with pytest.raises(NotImplementedError, match="an indexer of gensim is not supported"):
        ours.most_similar("war", indexer=object())
    with pytest.raises(AttributeError, match="vectors_lockf is not supported"):
        ours.vectors_lockf = np.ones(1)
    with pytest.raises(InputError, match=r"vectors of shape \(2, 5\) were given for 1 keys"):
        ours.add_vectors(["x"], VECTORS[:2])
    with pytest.raises(InputError, match="append is True"):
        ours.save_word2vec_format(tmp_path / "v", append=True)
    for key in (7, "tab\t"):
        ours = filled(KeyedVectors)
        ours[[key]] = VECTORS[:1]
        with pytest.raises(InputError, match="cannot be saved"):
            ours.save(tmp_path / "v.kv")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="a file is there"):
        filled(KeyedVectors).save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
