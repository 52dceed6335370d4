"""Points and neighbours of the map, against SciPy and a sort of all similarities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.embeddings import Embeddings
from nce_train.embeddings.postprocess import unit_length
from nce_train.errors import InputError
from nce_train.report.word_map import map_words, principal_components


@settings(deadline=None)
@given(words=st.integers(1, 40), rows=st.integers(1, 900), number=st.integers(1, 12), seed=st.integers(0, 99))
def test_neighbours_match_a_full_sort(words, rows, number, seed):
    vectors = np.random.default_rng(seed).normal(size=(rows, 6)).astype(np.float32)
    found = map_words(Embeddings([f"w{row}" for row in range(rows)], vectors), words, neighbours=number)
    words = min(words, rows)
    expected = unit_length(vectors[:words]) @ unit_length(vectors).T
    expected[np.arange(words), np.arange(words)] = -np.inf
    order = np.argsort(-expected, axis=1)[:, : min(number, rows - 1)]
    np.testing.assert_allclose(found.similarities, np.take_along_axis(expected, order, axis=1), atol=1e-6)
    np.testing.assert_allclose(found.similarities, np.take_along_axis(expected, found.neighbours, axis=1), atol=1e-6)
    assert all(len(set(row)) == len(row) for row in found.neighbours.tolist())


def test_points_are_the_first_two_principal_components():
    vectors = np.random.default_rng(3).normal(size=(50, 7)) * np.arange(1, 8)
    _, sizes, directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    points = principal_components(vectors.astype(np.float32))
    expected = (vectors - vectors.mean(axis=0)) @ directions[:2].T
    np.testing.assert_allclose(np.abs(points), np.abs(expected), rtol=1e-4, atol=1e-4)
    assert sizes[0] > sizes[1]
    for axis in points.T:
        assert axis[np.abs(axis).argmax()] > 0


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (3, 2)])
def test_a_map_of_very_few_words(shape):
    model = Embeddings([f"w{row}" for row in range(shape[0])], np.eye(*shape))
    found = map_words(model, 5000)
    assert found.points.shape == (shape[0], 2) and np.isfinite(found.points).all()
    assert found.neighbours.shape == (shape[0], shape[0] - 1)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [3, 60])
def test_umap_separates_groups(rows):
    rng = np.random.default_rng(5)
    group = np.arange(rows) % 2
    vectors = np.eye(8)[group] * 5 + rng.normal(size=(rows, 8)) * 0.1
    points = map_words(Embeddings([f"w{row}" for row in range(rows)], vectors), rows, "umap").points
    assert points.shape == (rows, 2) and np.isfinite(points).all()
    if rows > 10:
        centres = np.array([points[group == one].mean(axis=0) for one in (0, 1)])
        spread = max(points[group == one].std() for one in (0, 1))
        assert np.linalg.norm(centres[0] - centres[1]) > spread


def test_umap_of_two_words_is_refused():
    with pytest.raises(InputError, match="at least 3 words"):
        map_words(Embeddings(["a", "b"], np.eye(2)), 2, "umap")


def test_unknown_layouts_and_no_words_are_refused():
    model = Embeddings(["a", "b"], np.eye(2))
    with pytest.raises(InputError, match="'tsne'"):
        map_words(model, 2, "tsne")
    with pytest.raises(InputError, match="at least 1 word"):
        map_words(model, 0)
