"""Unit length and all-but-the-top follow their definitions."""

import tracemalloc

import numpy as np
import pytest

from nce_train.embeddings.postprocess import all_but_the_top, unit_length
from nce_train.errors import InputError


def test_unit_length():
    vectors = np.array([[3, 4], [0, 0], [-1e-30, 0], [1e30, 1e30]], np.float32)
    scaled = unit_length(vectors)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0, 0], [-1, 0], [np.sqrt(0.5)] * 2], rtol=1e-6)


def test_a_length_beyond_float32_keeps_the_direction():
    (scaled,) = unit_length(np.array([[3e38, -3e38]], np.float32))
    assert scaled[0] == -scaled[1] and 0.5 < scaled[0] < 1


@pytest.mark.parametrize("block_rows", [1 << 14, 90], ids=["one block", "many blocks"])
@pytest.mark.parametrize(("dim", "removed"), [(2, 1), (40, 1), (128, 1), (160, 2), (300, 3)])
def test_the_mean_and_the_top_components_are_removed(dim, removed, block_rows, monkeypatch):
    monkeypatch.setattr("nce_train.embeddings.postprocess._BLOCK_ROWS", block_rows)
    rng = np.random.default_rng(dim)
    spread = np.linspace(5, 0.5, dim)
    vectors = (rng.standard_normal((400, dim)) * spread + 3).astype(np.float32)

    # The definition, by singular values in float64.
    centred = vectors.astype(np.float64) - vectors.astype(np.float64).mean(axis=0)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    top = components[:removed]
    expected = centred - centred @ top.T @ top

    treated = all_but_the_top(vectors)
    assert treated.dtype == np.float32
    np.testing.assert_allclose(treated, expected, atol=2e-3)
    np.testing.assert_allclose(treated.mean(axis=0), 0, atol=1e-5)
    assert np.linalg.matrix_rank(treated, tol=0.1) == dim - removed


def test_many_rows_are_copied_once():
    vectors = np.random.default_rng(0).standard_normal((200_000, 10)).astype(np.float32)
    tracemalloc.start()
    treated = all_but_the_top(vectors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert treated.nbytes <= peak < 2 * vectors.nbytes


def test_numbers_too_large_to_be_centred_are_refused():
    with pytest.raises(InputError, match="abtt cannot centre these vectors"):
        all_but_the_top(np.array([[3e38, 1], [-3e38, 1], [-3e38, 1]], np.float32))
