"""The vector tiles against NumPy."""

import numpy as np
import pytest
from numba import njit

from nce_train.training import tiles

PANEL = tiles.PANEL

# the tiles have no Python wrappers of their own
compiled = njit(_nrt=False)


@compiled
def pack(centres, first, packed):
    tiles.pack_centres(centres, first, packed)


@compiled
def logits_of(table, rows, count, packed, offsets, log_ratio, logits):
    tiles.panel_logits(table, rows, count, packed, offsets, log_ratio, logits)


@compiled
def steps_of(logits, weights, count, rate):
    return tiles.logits_to_steps(logits, weights, count, rate)


@compiled
def to_centres(table, rows, ahead, count, steps, centre_table, centre_ids, first):
    tiles.add_to_centres(table, rows, ahead, count, steps, centre_table, centre_ids, first)


@compiled
def to_rows(table, bias, rows, ahead, count, steps, centres, first):
    tiles.add_to_rows(table, bias, rows, ahead, count, steps, centres, first)


@compiled
def weights_of(count, offset, radius, weights):
    tiles.context_weights(count, offset, radius, weights)


@compiled
def prefetch(table, row):
    tiles.prefetch_row(table, row)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


def close(got, want):
    tolerance = 2e-5 if got.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("width", [16, 32, 48, 128])
@pytest.mark.parametrize("count", [1, 4, 5, 8, 11, 50])
def test_products(dtype, width, count):
    generator = np.random.default_rng(width + count)
    table, centre_table = generator.normal(size=(2, 60, width)).astype(dtype)
    bias = generator.normal(size=60).astype(dtype)
    rows = generator.integers(0, 60, count + 8).astype(np.int32)  # with repetitions
    centre_ids = generator.integers(0, 60, 2 * PANEL).astype(np.int32)
    ahead = rows[::-1].copy()
    centres = generator.normal(size=(2 * PANEL, width)).astype(dtype)
    panel = centres[PANEL:]

    packed = np.zeros(width * PANEL, dtype)
    pack(centres, PANEL, packed)
    np.testing.assert_array_equal(packed.reshape(-1, PANEL, 2), panel.reshape(PANEL, -1, 2).transpose(1, 0, 2))

    offsets, log_ratio = (
        generator.normal(size=count + 8).astype(dtype),
        generator.normal(size=PANEL).astype(dtype),
    )
    logits = np.zeros((count + 8, PANEL), dtype)
    logits_of(table, rows, count, packed, offsets, log_ratio, logits)
    close(logits[:count], table[rows[:count]] @ panel.T + offsets[:count, None] + log_ratio)

    steps = generator.normal(size=(count + 8, PANEL)).astype(dtype)
    want = centre_table.astype(np.float64)
    np.add.at(want, centre_ids[PANEL:], steps[:count].T @ table[rows[:count]])
    to_centres(table, rows, ahead, count, steps, centre_table, centre_ids, PANEL)
    close(centre_table, want)

    want, want_bias = table.astype(np.float64), bias.astype(np.float64)
    np.add.at(want, rows[:count], steps[:count] @ panel)
    np.add.at(want_bias, rows[:count], steps[:count].sum(1))
    to_rows(table, bias, rows, ahead, count, steps, centres, PANEL)
    close(table, want)
    close(bias, want_bias)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_logits_to_steps(dtype, count):
    generator = np.random.default_rng(count)
    logits = np.concatenate([generator.normal(0, 8, (count, PANEL)), np.full((1, PANEL), 3.0)]).astype(dtype)
    logits[0, :4] = [0.0, -0.0, 100.0, -100.0]
    weights = generator.integers(-3, 2, (count + 1, PANEL)).astype(dtype)
    weights[count] = 0
    exact, signed = logits.astype(np.float64)[:count], weights.astype(np.float64)[:count]
    size, data = np.abs(signed), np.maximum(signed, 0)
    loss = (size * np.logaddexp(0, exact) - data * exact).sum()
    steps = 0.25 * (data - size / (1 + np.exp(-exact)))
    got = steps_of(logits, weights, count, 0.25)
    np.testing.assert_allclose(got, loss, rtol=2e-6 if dtype == np.float32 else 1e-13)
    np.testing.assert_allclose(logits[:count], steps, atol=3e-7 if dtype == np.float32 else 1e-14)


def test_logistic_error_over_its_range():
    logits = np.linspace(-90, 90, 80_000).astype(np.float32).reshape(-1, PANEL)
    exact = logits.astype(np.float64)
    steps = logits.copy()
    steps_of(steps, np.full_like(steps, -1), len(steps), 1.0)
    sigma = 1 / (1 + np.exp(-exact))
    assert np.abs(-steps - sigma).max() < 2e-7
    loss = steps_of(logits.copy(), np.full_like(logits, -1), len(logits), 1.0)
    np.testing.assert_allclose(loss, np.logaddexp(0, exact).sum(), rtol=1e-6)


def test_context_weights(dtype):
    radius = np.array([0, 1, 2, 3, 5, 5, 1, 2], np.int32)
    weights = np.full((20, PANEL), 7, dtype)
    weights_of(18, -5, radius, weights)
    distance = np.abs(-5 + np.arange(18)[:, None] - np.arange(PANEL))
    np.testing.assert_array_equal(weights[:18], (distance <= radius) & (distance > 0))
    assert (weights[18:] == 7).all()


def test_prefetch_changes_nothing(dtype):
    table = np.arange(32, dtype=dtype).reshape(2, 16)
    prefetch(table, 1)
    np.testing.assert_array_equal(table, np.arange(32, dtype=dtype).reshape(2, 16))
