"""The vector tiles against NumPy."""

import numpy as np
import pytest
from numba import njit

from nce_train.kernel.draws import RANDOM_STRIDE, draw_words, merge_repeats, mix
from nce_train.kernel.logistic import logits_to_deltas
from nce_train.kernel.products import add_to_centres, add_to_rows, pack_centres, panel_logits
from nce_train.kernel.row_sums import add_to_each, scale_change, sum_rows
from nce_train.kernel.rows import move_words, prefetch_row
from nce_train.kernel.sizes import COLUMNS, DRAWS, HALF, PANEL
from nce_train.kernel.vectors import LANES
from nce_train.kernel.weights import context_weights, noise_weights, remove_hits

PANEL = PANEL

# the tiles have no Python wrappers of their own
compiled = njit(_nrt=False)


@compiled
def pack(table, ids, first, centres, packed):
    pack_centres(table, ids, first, centres, packed)


@compiled
def logits_of(table, rows, low_end, both_end, count, packed, offsets, log_ratio, logits):
    panel_logits(table, packed.shape[0] // PANEL, rows, low_end, both_end, count, packed, offsets, log_ratio, logits)


@compiled
def deltas_of(logits, weights, count, rate):
    return logits_to_deltas(logits, weights, count, rate)


@compiled
def to_centres(table, width, rows, ahead, ahead_count, low_end, both_end, count, deltas, centre_table, ids, first):
    add_to_centres(table, width, rows, ahead, ahead_count, low_end, both_end, count, deltas, centre_table, ids, first)


@compiled
def to_rows(table, bias, rows, ahead, low_end, both_end, count, deltas, centres, first):
    add_to_rows(table, bias, centres.shape[1], rows, ahead, low_end, both_end, count, deltas, centres, first)


@compiled
def sum_of(source, rows, begin, end, skipped, factor, target, place):
    sum_rows(source, rows, begin, end, skipped, factor, target, place)


@compiled
def to_each(target, rows, begin, end, skipped, source, place):
    add_to_each(target, rows, begin, end, skipped, source, place)


@compiled
def scale(after, before, factor, place):
    scale_change(after, before, factor, place)


@compiled
def weights_of(first, last, place, before, after, weights):
    context_weights(first, last, place, before, after, weights)


@compiled
def noise_weights_of(first, last, times, centre_weights, weights):
    noise_weights(first, last, times, centre_weights, weights)


@compiled
def remove_hits_of(rows, first, last, count, times, subtract, weights):
    remove_hits(rows, first, last, count, times, subtract, weights)


@compiled
def merge(draws, draw_count, words, times, count):
    return merge_repeats(draws, draw_count, words, times, count)


@compiled
def draw(columns, state, count, words, start):
    draw_words(columns, state, count, words, start)


@compiled
def mixed(state):
    return mix(state)


@compiled
def move(words, first, count, bound, shift, target, start):
    move_words(words, first, count, bound, shift, target, start)


@compiled
def prefetch(table, row):
    prefetch_row(table, row)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


def close(got, want):
    tolerance = 2e-5 if got.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("width", [16, 32, 48, 112, 128])
@pytest.mark.parametrize(
    ("low_end", "both_end", "count"),
    [(0, 1, 1), (0, 8, 8), (4, 40, 44), (1, 6, 7), (0, 5, 11), (3, 16, 16), (7, 7, 7), (4, 4, 8), (3, 21, 50)],
)
def test_products(dtype, width, low_end, both_end, count):
    generator = np.random.default_rng(width + count)
    table, centre_table = generator.normal(size=(2, 60, width + 16)).astype(dtype)  # more than is looked at
    before, centres_before = table.copy(), centre_table.copy()
    bias = generator.normal(size=60).astype(dtype)
    rows = generator.integers(0, 60, count + 8).astype(np.int32)  # with repetitions
    ends = (low_end, both_end, count)
    concerned = np.ones((count, PANEL), bool)
    concerned[:low_end, HALF:] = False
    concerned[both_end:, :HALF] = False
    ids = generator.permutation(60)[: 2 * PANEL].astype(np.int32)
    ahead, ahead_count = rows[::-1].copy(), count + 5

    centres, packed = np.zeros((2 * PANEL, width), dtype), np.zeros(width * PANEL, dtype)
    pack(centre_table, ids, PANEL, centres, packed)
    panel = centre_table[ids[PANEL:], :width]
    np.testing.assert_array_equal(centres[PANEL:], panel)
    by_columns = panel.reshape(PANEL, -1, COLUMNS).transpose(1, 0, 2)
    np.testing.assert_array_equal(packed.reshape(-1, PANEL, COLUMNS), by_columns)

    offsets, log_ratio = (
        generator.normal(size=count + 8).astype(dtype),
        generator.normal(size=PANEL).astype(dtype),
    )
    logits = np.zeros((count + 8, PANEL), dtype)
    logits_of(table, rows, *ends, packed, offsets, log_ratio, logits)
    want = table[rows[:count], :width] @ panel.T + offsets[:count, None] + log_ratio
    close(logits[:count][concerned], want[concerned])
    assert np.isfinite(logits).all()

    deltas = generator.normal(size=(count + 8, PANEL)).astype(dtype)
    deltas[:count][~concerned] = 0
    want = centre_table[:, :width].astype(np.float64)
    np.add.at(want, ids[PANEL:], deltas[:count].T @ table[rows[:count], :width])
    to_centres(table, width, rows, ahead, ahead_count, *ends, deltas, centre_table, ids, PANEL)
    close(centre_table[:, :width], want)
    np.testing.assert_array_equal(centre_table[:, width:], centres_before[:, width:])

    want, want_bias = table[:, :width].astype(np.float64), bias.astype(np.float64)
    np.add.at(want, rows[:count], deltas[:count] @ panel)
    np.add.at(want_bias, rows[:count], deltas[:count].sum(1))
    to_rows(table, bias, rows, ahead, *ends, deltas, centres, PANEL)
    close(table[:, :width], want)
    np.testing.assert_array_equal(table[:, width:], before[:, width:])
    close(bias, want_bias)


def test_a_centre_may_occur_twice_in_a_panel(dtype):
    generator = np.random.default_rng(1)
    table, centre_table = generator.normal(size=(2, 20, 32)).astype(dtype)
    rows, ids = np.arange(20, dtype=np.int32), np.array([3, 3, 5, 3, 5, 1, 2, 3], np.int32)
    deltas = generator.normal(size=(20, PANEL)).astype(dtype)
    want = centre_table.astype(np.float64)
    np.add.at(want, ids, deltas[:12].T @ table[:12])
    to_centres(table, 32, rows, rows, 0, 0, 12, 12, deltas, centre_table, ids, 0)
    close(centre_table, want)


# begin, end, skipped: none skipped; the first, one between, the last; no row at all
@pytest.mark.parametrize("part", [(0, 1, 1), (2, 17, 17), (2, 17, 2), (2, 17, 8), (2, 17, 16), (3, 4, 3), (5, 5, 5)])
@pytest.mark.parametrize("vectors", [1, 2, 3, 7, 8, 19])
def test_sum_rows_and_add_to_each(dtype, vectors, part):
    begin, end, skipped = part
    width = vectors * LANES
    generator = np.random.default_rng(vectors)
    table = generator.normal(size=(6, width + 16)).astype(dtype)  # 17 rows of 6: some are there several times
    rows = generator.integers(0, 6, 17).astype(np.int32)
    target = generator.normal(size=(4, width)).astype(dtype)
    used = [rows[r] for r in range(begin, end) if r != skipped]

    want = target.astype(np.float64)
    want[2] = 0.25 * table[used, :width].astype(np.float64).sum(0)
    sum_of(table, rows, begin, end, skipped, 0.25, target, 2)
    close(target, want)

    want = table.astype(np.float64)
    np.add.at(want[:, :width], used, target[3])
    to_each(table, rows, begin, end, skipped, target, 3)
    close(table, want)


def test_scale_change(dtype):
    after, before = np.random.default_rng(3).normal(size=(2, 4, 3 * LANES)).astype(dtype)
    want = after.astype(np.float64)
    want[1] = 0.3 * (want[1] - before[1])
    scale(after, before, 0.3, 1)
    close(after, want)


@pytest.mark.parametrize(("draw_count", "classes"), [(1, 3), (5, 3), (31, 40), (32, 4), (32, 1), (32, 10**6)])
def test_merge_repeats(dtype, draw_count, classes):
    generator = np.random.default_rng(classes)
    draws = generator.integers(0, classes, DRAWS).astype(np.int32)
    words, times = np.full(40, -1, np.int32), np.zeros(40, dtype)
    count = merge(draws, draw_count, words, times, 4)
    different, how_often = np.unique(draws[:draw_count], return_counts=True)
    assert count == 4 + len(different)
    order = np.argsort(words[4:count])
    np.testing.assert_array_equal(words[4:count][order], different)
    np.testing.assert_array_equal(times[4:count][order], how_often)


def test_random_numbers_are_those_of_splitmix64():
    # the first outputs of seed 1234567, as published with its implementations
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    states = [np.uint64((1234567 + (i + 1) * RANDOM_STRIDE) % 2**64) for i in range(4)]
    assert [int(mixed(state)) for state in states] == published


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 37])
@pytest.mark.parametrize("classes", [1, 2, 1000, 2**20 + 7])
def test_draw_words(count, classes):
    generator = np.random.default_rng(count + classes)
    stays = generator.integers(0, 2**32, classes, dtype=np.uint64)
    stays[: classes // 2] |= np.uint64(0xFF000000)  # nearly always
    aliases = generator.integers(0, classes, classes, dtype=np.uint64)
    columns = stays << np.uint64(32) | aliases
    state = 2**64 - 3 * RANDOM_STRIDE % 2**64  # it runs over
    words = np.full(count + 12, -7, np.int32)
    draw(columns, np.uint64(state), count, words, 3)
    wanted = []
    for number in range(1, count + 1):
        bits = int(mixed(np.uint64((state + number * RANDOM_STRIDE) % 2**64)))
        word = (bits >> 32) * classes >> 32
        wanted.append(word if bits & 0xFFFFFFFF <= int(stays[word]) else int(aliases[word]))
    assert words.tolist() == [-7] * 3 + wanted + [-7] * 9


@pytest.mark.parametrize("count", [0, 1, 7, 8, 15, 16, 17, 40])
@pytest.mark.parametrize(("bound", "shift"), [(0, 0), (500, 70_000)])
def test_move_words(count, bound, shift):
    words = np.random.default_rng(count).integers(0, 1000, 5 + count).astype(np.int32)
    target = np.full(count + 25, -7, np.int32)
    move(words, 5, count, bound, shift, target, 2)
    moved = np.where(words[5:] < bound, words[5:] + shift, words[5:])
    assert target.tolist() == [-7] * 2 + moved.tolist() + [-7] * 23
    move(words, 5, count, bound, shift, words, 5)  # in its own place
    assert words[5:].tolist() == moved.tolist()


def test_noise_weights(dtype):
    weights = np.full((6, PANEL), 7, dtype)
    times, centre_weights = np.array([1, 3], dtype), -np.arange(PANEL).astype(dtype)
    noise_weights_of(2, 4, times, centre_weights, weights)
    np.testing.assert_array_equal(weights[2:4], times[:, None] * centre_weights)
    assert (weights[[0, 1, 4, 5]] == 7).all()


@pytest.mark.parametrize("subtract", [False, True])
def test_remove_hits(dtype, subtract):
    generator = np.random.default_rng(4)
    first, last, count = 5, 12, 17
    rows = generator.integers(0, 6, 20).astype(np.int32)
    times = generator.integers(1, 4, last - first).astype(dtype)
    weights = generator.integers(0, 2, (20, PANEL)).astype(dtype)
    weights[first:last] = generator.integers(-4, 0, (last - first, PANEL))
    want = weights.copy()
    for s in range(first, last):
        for r in [*range(first), *range(last, count)]:
            if rows[r] == rows[s] and subtract:
                want[s] += times[s - first] * weights[r]
            elif rows[r] == rows[s]:
                want[s][weights[r] > 0] = 0
    assert (want != weights).any()
    remove_hits_of(rows, first, last, count, times, subtract, weights)
    np.testing.assert_array_equal(weights, want)


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
    deltas = 0.25 * (data - size / (1 + np.exp(-exact)))
    got = deltas_of(logits, weights, count, 0.25)
    np.testing.assert_allclose(got, loss, rtol=2e-6 if dtype == np.float32 else 1e-13)
    np.testing.assert_allclose(logits[:count], deltas, atol=3e-7 if dtype == np.float32 else 1e-14)


def test_logistic_error_over_its_range():
    logits = np.linspace(-90, 90, 80_000).astype(np.float32).reshape(-1, PANEL)
    exact = logits.astype(np.float64)
    deltas = logits.copy()
    deltas_of(deltas, np.full_like(deltas, -1), len(deltas), 1.0)
    sigma = 1 / (1 + np.exp(-exact))
    assert np.abs(-deltas - sigma).max() < 2e-7
    loss = deltas_of(logits.copy(), np.full_like(logits, -1), len(logits), 1.0)
    np.testing.assert_allclose(loss, np.logaddexp(0, exact).sum(), rtol=1e-6)


def test_context_weights(dtype):
    before = np.array([0, 1, 2, 3, 5, 5, 1, 2], np.int32)
    after = np.array([0, 1, 2, 3, 5, 0, 4, 1], np.int32)
    weights = np.full((20, PANEL), 7, dtype)
    weights_of(1, 18, -5, before, after, weights)
    distance = -5 + np.arange(18)[:, None] - np.arange(PANEL)
    want = (-before <= distance) & (distance <= after) & (distance != 0)
    np.testing.assert_array_equal(weights[1:18], want[1:])
    assert (weights[[0, 18, 19]] == 7).all()


def test_prefetch_changes_nothing(dtype):
    table = np.arange(32, dtype=dtype).reshape(2, 16)
    prefetch(table, 1)
    np.testing.assert_array_equal(table, np.arange(32, dtype=dtype).reshape(2, 16))
