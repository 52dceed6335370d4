"""Samplers with the nce_train stream: draws, expected counts, seeds, and state between calls."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nce_train import nce
from nce_train.nce.candidate_sampler import CandidateSampler

UNIGRAMS = [100.0, 50.0, 33.0, 25.0, 20.0, 17.0, 14.0, 12.0, 11.0, 10.0]
SAMPLERS = {
    "log-uniform": nce.log_uniform_candidate_sampler,
    "uniform": nce.uniform_candidate_sampler,
    "unigram": lambda *args, **options: nce.fixed_unigram_candidate_sampler(
        *args, unigrams=UNIGRAMS, distortion=0.75, **options
    ),
    "learned": nce.learned_unigram_candidate_sampler,
}
PROBABILITY = {
    "log-uniform": nce.log_uniform_probability(np.arange(10), 10),
    "uniform": nce.uniform_probability(np.arange(10), 10),
    "unigram": nce.unigram_probability(UNIGRAMS, 0.75),
    "learned": np.full(10, 0.1),
}


@pytest.mark.parametrize("rng", ["nce_train", "tensorflow"])
@pytest.mark.parametrize("kind", SAMPLERS)
def test_draws_follow_the_distribution(kind, rng):
    """Chi-square of 100,000 draws; a correct sampler fails with probability 1e-4 (fixed seed)."""
    sampled = SAMPLERS[kind]([[0]], 1, 100_000, False, 10, seed=2, rng=rng).sampled_candidates
    observed = np.bincount(sampled, minlength=10)
    assert stats.chisquare(observed, 100_000 * PROBABILITY[kind]).pvalue > 1e-4


@pytest.mark.parametrize("kind", SAMPLERS)
def test_counts_with_replacement_are_draws_times_probability(kind):
    true_classes = np.arange(10).reshape(5, 2)
    result = SAMPLERS[kind](true_classes, 2, 25, False, 10, seed=3)
    assert [array.dtype for array in result] == [np.int64, np.float32, np.float32]
    np.testing.assert_allclose(result.true_expected_count, 25 * PROBABILITY[kind][true_classes], rtol=3e-6)
    np.testing.assert_allclose(
        result.sampled_expected_count, 25 * PROBABILITY[kind][result.sampled_candidates], rtol=3e-6
    )


@pytest.mark.parametrize("kind", SAMPLERS)
@settings(max_examples=30, deadline=None)
@given(num_sampled=st.integers(1, 10), seed=st.integers(-(2**70), 2**70))
def test_unique_samples_differ_and_their_counts_agree(kind, num_sampled, seed):
    result = SAMPLERS[kind](np.arange(10)[:, None], 1, num_sampled, True, 10, seed=seed)
    sampled = result.sampled_candidates
    assert len(set(sampled.tolist())) == num_sampled
    assert ((sampled >= 0) & (sampled < 10)).all()
    np.testing.assert_array_equal(result.true_expected_count[sampled, 0], result.sampled_expected_count)


@pytest.mark.parametrize("kind", ["log-uniform", "unigram"])
def test_exact_inclusion_is_the_frequency_of_being_sampled(kind):
    """6 of 10 in 20,000 batches: every class within 4.5 standard errors (a correct sampler fails with 7e-5)."""
    batches, stream = 20_000, nce.SamplerStream(12)
    sampler = (
        CandidateSampler("log-uniform", 10)
        if kind == "log-uniform"
        else nce.sampler_from_counts(UNIGRAMS, "unigram", 0.75)
    )
    counts = np.zeros(10, np.int64)
    for _ in range(batches):
        counts += np.bincount(sampler.draw(6, True, stream)[0], minlength=10)
    exact = sampler(np.arange(10)[:, None], 1, 6, True, 1, inclusion="exact").true_expected_count[:, 0]
    error = np.sqrt(exact * (1 - exact) / batches)
    assert (np.abs(counts / batches - exact) < 4.5 * error).all()
    np.testing.assert_allclose(exact.sum(), 6, rtol=1e-6)


def test_exact_inclusion_changes_the_counts_and_not_the_samples():
    arguments = (np.arange(12)[:, None], 1, 6, True, 12, 4)
    exact = nce.log_uniform_candidate_sampler(*arguments, inclusion="exact")
    usual = nce.log_uniform_candidate_sampler(*arguments)
    np.testing.assert_array_equal(exact.sampled_candidates, usual.sampled_candidates)
    expected = nce.inclusion_probability(nce.log_uniform_probability(np.arange(12), 12), 6)
    np.testing.assert_allclose(exact.true_expected_count[:, 0], expected, rtol=1e-6)
    assert (exact.true_expected_count != usual.true_expected_count).any()
    with_replacement = nce.log_uniform_candidate_sampler(np.arange(12)[:, None], 1, 6, False, 12, 4, inclusion="exact")
    np.testing.assert_allclose(
        with_replacement.true_expected_count[:, 0],
        6 * nce.log_uniform_probability(np.arange(12), 12),
        rtol=1e-6,
    )


def inclusion_by_enumeration(probability, num_sampled):
    probability = np.asarray(probability) / np.sum(probability)
    inclusion = np.zeros(probability.size)
    for order in itertools.permutations(range(probability.size), num_sampled):
        left, chance = 1.0, 1.0
        for class_id in order:
            chance *= probability[class_id] / left
            left -= probability[class_id]
        inclusion[list(order)] += chance
    return inclusion


@settings(max_examples=40, deadline=None)
@given(
    weights=st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=6),
    data=st.data(),
)
def test_inclusion_probability_equals_the_sum_over_all_orders(weights, data):
    num_sampled = data.draw(st.integers(1, len(weights)))
    result = nce.inclusion_probability(weights, num_sampled)
    np.testing.assert_allclose(result, inclusion_by_enumeration(weights, num_sampled), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("classes", "num_sampled"), [(200, 190), (3000, 64), (1000, 500)])
def test_inclusion_probabilities_of_many_classes_sum_to_the_samples(classes, num_sampled):
    probability = nce.log_uniform_probability(np.arange(classes), classes)
    result = nce.inclusion_probability(probability, num_sampled)
    np.testing.assert_allclose(result.sum(), num_sampled, rtol=1e-10)
    assert (np.diff(result) <= 1e-12).all()


def test_classes_of_weight_zero_are_never_drawn_nor_expected():
    assert nce.inclusion_probability([0, 1, 0, 1], 2).tolist() == [0, 1, 0, 1]
    result = nce.fixed_unigram_candidate_sampler(
        [[0], [1], [2]], 1, 500, False, 5, unigrams=[3.0, 0.0, 1.0], num_reserved_ids=2, seed=1
    )
    assert set(result.sampled_candidates.tolist()) == {2, 4}
    assert result.true_expected_count[:2, 0].tolist() == [0, 0]


def test_distortion_zero_makes_classes_of_count_zero_drawable():
    result = nce.fixed_unigram_candidate_sampler([[0]], 1, 200, False, 2, unigrams=[5.0, 0.0], distortion=0.0, seed=1)
    assert set(result.sampled_candidates.tolist()) == {0, 1}


def test_true_classes_do_not_influence_what_is_drawn():
    first, second = (
        nce.log_uniform_candidate_sampler([[label]], 1, 5, True, 30, 9).sampled_candidates for label in (0, 29)
    )
    np.testing.assert_array_equal(first, second)


def test_ragged_true_classes_get_flat_counts():
    expected = nce.log_uniform_candidate_sampler([[3], [1], [2]], 1, 4, True, 9, 1).true_expected_count
    for ragged in ([[3, 1], [2]], ([3, 1, 2], [0, 2, 3])):
        result = nce.log_uniform_candidate_sampler(ragged, 1, 4, True, 9, 1)
        assert result.true_expected_count.shape == (3,)
        np.testing.assert_array_equal(result.true_expected_count, np.ravel(expected))


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("rows", [[[1, 2], [3, 4]], [[1, 2, 3]], [(1, 2), (3, 4)], [np.array([1, 2])], [[], []]])
def test_a_list_of_equally_long_rows_is_ragged_unless_num_true_long(kind, rows):
    flat = [label for row in rows for label in row]
    splits = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    result = SAMPLERS[kind](rows, 1, 4, False, 10, seed=1)
    expected = SAMPLERS[kind]((np.array(flat, int), splits), 1, 4, False, 10, seed=1)
    assert result.true_expected_count.shape == (len(flat),)
    np.testing.assert_array_equal(result.true_expected_count, expected.true_expected_count)
    if len(rows[0]):
        as_matrix = SAMPLERS[kind](rows, len(rows[0]), 4, False, 10, seed=1)
        assert as_matrix.true_expected_count.shape == (len(rows), len(rows[0]))


@pytest.mark.parametrize("labels", [[[1, 2], [3, 4]], [[1], [2]], [[1, 2], [3]]])
@pytest.mark.parametrize("num_true", [1, 2])
def test_losses_accept_the_counts_that_samplers_return_for_a_list(labels, num_true):
    values = nce.uniform_candidate_sampler(labels, num_true, 4, False, 10, seed=1)
    problem = {"weights": np.ones((10, 3)), "biases": np.zeros(10), "inputs": np.ones((2, 3))}
    result = nce.nce_loss(
        **problem, labels=labels, num_sampled=4, num_classes=10, num_true=num_true, sampled_values=values
    )
    assert np.isfinite(result).all()


def test_accidental_hits_of_a_list_of_equally_long_rows():
    result = nce.compute_accidental_hits([[1, 2], [3, 4]], [4, 9, 1], 1)
    assert [part.tolist() for part in result[:2]] == [[0, 1], [2, 0]]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_an_empty_batch(kind):
    result = SAMPLERS[kind](np.zeros((0, 2), np.int64), 2, 3, True, 10, seed=1)
    assert result.true_expected_count.shape == (0, 2)


@pytest.mark.parametrize("rng", ["nce_train", "tensorflow"])
def test_a_stream_continues_and_a_seed_starts_again(rng):
    stream = nce.SamplerStream((5, 6), rng)

    def draw(seed):
        values = nce.uniform_candidate_sampler([[0]], 1, 20, False, 10**6, seed, rng=rng)
        return values.sampled_candidates.tolist()

    first, second = draw(stream), draw(stream)
    assert first == draw((5, 6))
    assert first != second
    assert not set(first) & set(second)


def test_the_nce_train_stream_skips_no_block():
    """Two calls of 2 uniform draws use the words that one call of 4 does (2 words each, no rejection)."""
    stream = nce.SamplerStream(3)
    halves = [nce.uniform_candidate_sampler([[0]], 1, 2, False, 2**40, stream) for _ in range(2)]
    whole = nce.uniform_candidate_sampler([[0]], 1, 4, False, 2**40, 3)
    joined = np.concatenate([half.sampled_candidates for half in halves])
    np.testing.assert_array_equal(joined, whole.sampled_candidates)


def test_ids_of_the_nce_train_stream_never_change():
    """Known answers: a change breaks the repetition of recorded runs."""
    known = {
        "log-uniform": [2, 0, 1, 9, 6, 5],
        "uniform": [8, 4, 1, 7, 6, 5],
        "unigram": [0, 4, 1, 9, 3, 7],
        "learned": [2, 6, 7, 4, 1, 9],
    }
    for kind, ids in known.items():
        result = SAMPLERS[kind]([[0]], 1, 6, True, 10, seed=1)
        assert result.sampled_candidates.tolist() == ids, kind


def test_philox_block_equals_its_published_known_answer():
    """Counter and key all ones, from the known-answer file of Random123 (Salmon et al. 2011)."""
    from nce_train.nce.kernels import philox_block

    ones = np.uint64(2**64 - 1)
    words = philox_block(ones, ones, ones)
    assert [int(word) for word in words] == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    words = philox_block(np.uint64(0), np.uint64(0), np.uint64(0))
    assert [int(word) for word in words] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def test_philox_block_equals_a_twin_in_plain_integers():
    """On random counters and keys."""
    from nce_train.nce.kernels import philox_block

    def twin(counter, key):
        low = 0xFFFFFFFF
        for _ in range(10):
            first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
            counter = [
                (second >> 32) ^ counter[1] ^ key[0],
                second & low,
                (first >> 32) ^ counter[3] ^ key[1],
                first & low,
            ]
            key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
        return counter

    rng = np.random.default_rng(1)
    for _ in range(50):
        words = [int(word) for word in rng.integers(0, 2**32, 6)]
        pairs = [np.uint64(words[i] | words[i + 1] << 32) for i in (0, 2, 4)]
        assert [int(word) for word in philox_block(*pairs)] == twin(words[:4], words[4:])


def test_an_int_is_tensorflows_op_seed():
    first = nce.uniform_candidate_sampler([[0]], 1, 5, False, 99, 7, rng="tensorflow")
    pair = nce.uniform_candidate_sampler([[0]], 1, 5, False, 99, (87654321, 7), rng="tensorflow")
    np.testing.assert_array_equal(first.sampled_candidates, pair.sampled_candidates)


@pytest.mark.parametrize("seed", [-3, 2**31, 2**40 + 7, 2**31 - 1])
def test_an_op_seed_counts_modulo_tensorflows_largest(seed):
    stream, expected = nce.SamplerStream(seed, "tensorflow"), (87654321, seed % (2**31 - 1))
    assert (stream.seed, stream.seed2) == expected
    raw = nce.SamplerStream((5, 2**31), "tensorflow")  # of a raw operation
    assert (raw.seed, raw.seed2) == (5, 2**31)


@pytest.mark.parametrize(("seed", "rng"), [(None, "nce_train"), (None, "tensorflow"), ((0, 0), "tensorflow")])
def test_no_seed_is_a_random_seed(seed, rng):
    draws = [nce.uniform_candidate_sampler([[0]], 1, 5, False, 10**9, seed, rng=rng) for _ in range(2)]
    assert (draws[0].sampled_candidates != draws[1].sampled_candidates).any()


def test_learned_unigram_copies_the_weights_assigned_to_it():
    saved = np.array([1, 5, 2])
    sampler, other = (nce.LearnedUnigramCandidateSampler(3, seed=1) for _ in range(2))
    sampler.weights, other.weights = saved, [1, 5, 2.0]
    result, expected = (each([[0]], 1, 2, True) for each in (other, sampler))
    for array, same in zip(result, expected, strict=True):
        np.testing.assert_array_equal(array, same)
    assert other.weights.tolist() == sampler.weights.tolist() == [2, 5, 2]
    assert saved.tolist() == [1, 5, 2]


def test_a_stream_keeps_its_generator_when_rng_is_left_out():
    drawn = [
        nce.uniform_candidate_sampler([[0]], 1, 20, False, 10**6, nce.SamplerStream((5, 6), "tensorflow"), **named)
        for named in ({}, {"rng": "tensorflow"})
    ]
    expected = nce.uniform_candidate_sampler([[0]], 1, 20, False, 10**6, (5, 6), rng="tensorflow")
    for values in drawn:
        np.testing.assert_array_equal(values.sampled_candidates, expected.sampled_candidates)


def test_learned_unigram_refuses_more_distinct_ids_than_have_a_weight():
    sampler = nce.LearnedUnigramCandidateSampler(3, seed=1)
    sampler.weights = [5, 0, 2]
    assert sorted(sampler([[0]], 1, 2, True).sampled_candidates) == [0, 2]
    with pytest.raises(ValueError, match="num_sampled 3 distinct ids cannot be drawn from 2 classes of weight above 0"):
        sampler([[0]], 1, 3, True)


def test_learned_unigram_counts_after_it_has_sampled():
    sampler = nce.LearnedUnigramCandidateSampler(4, seed=1)
    first = sampler([[2], [2], [2]], 1, 2, False)
    np.testing.assert_allclose(first.true_expected_count, 0.5)
    second = sampler([[2, 0]], 2, 7, False)
    np.testing.assert_allclose(second.true_expected_count, [[4, 1]])
    assert sampler.weights.tolist() == [2, 1, 5, 1]


def test_a_range_that_does_not_divide_the_words_is_still_uniform():
    """Without rejection, 0.75 instead of 2/3 of the draws would fall below 2/3 of this range."""
    range_max = 3 * 2**61
    sampled = nce.uniform_candidate_sampler([[0]], 1, 5000, False, range_max, 2).sampled_candidates
    share = (sampled < 2**62).mean()
    assert abs(share - 2 / 3) < 0.03  # 4.5 standard deviations


def test_learned_unigram_draws_by_weights_beyond_32_bits():
    sampler = nce.LearnedUnigramCandidateSampler(3, seed=1)
    sampler.weights[:] = [2**40, 1, 2**40]
    sampled = sampler([[0]], 1, 2000, False).sampled_candidates
    counts = np.bincount(sampled, minlength=3)
    assert abs(counts[0] - 1000) < 150  # 6.7 standard deviations
    assert counts[1] == 0


def test_all_candidates():
    result = nce.all_candidate_sampler([[1, 4]], 2, 5, True, seed=3)
    assert result.sampled_candidates.tolist() == [0, 1, 2, 3, 4]
    assert result.true_expected_count.tolist() == [[1, 1]]
    assert result.sampled_expected_count.tolist() == [1] * 5


@pytest.mark.parametrize("text", ["a,3\nb,1\nx,y,6\n", "a,3\r\n\r\nb, 1 \r\n  \n6"])
def test_vocab_file(text, tmp_path):
    path = tmp_path / "vocab"
    path.write_text(text)
    result = nce.fixed_unigram_candidate_sampler([[0], [1], [2]], 1, 10, False, 3, path, seed=1)
    np.testing.assert_allclose(result.true_expected_count[:, 0], [3, 1, 6])
    as_text = nce.fixed_unigram_candidate_sampler([[0]], 1, 10, False, 3, str(path), seed=1)
    np.testing.assert_array_equal(as_text.sampled_candidates, result.sampled_candidates)


def test_shards_split_the_ids():
    held = [
        nce.fixed_unigram_candidate_sampler(
            np.arange(size)[:, None],
            1,
            5,
            False,
            size,
            unigrams=UNIGRAMS,
            num_shards=3,
            shard=shard,
            seed=1,
        ).true_expected_count[:, 0]
        for shard, size in ((0, 4), (1, 3), (2, 3))
    ]
    for shard, counts in enumerate(held):
        own = np.array(UNIGRAMS[shard::3])
        np.testing.assert_allclose(counts, 5 * own / own.sum(), rtol=1e-6)


def test_sampler_from_counts_warns_only_of_unsorted_log_uniform():
    with pytest.warns(UserWarning, match=r"class 2 has count 9 and class 1 only 3 \(1 such pairs\)"):
        nce.sampler_from_counts([5, 3, 9, 1], "log-uniform")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("counts", "kind"),
    [([9, 5, 5, 1], "log-uniform"), ([5, 3, 9, 1], "unigram"), ([5, 3, 9, 1], "uniform")],
)
def test_sampler_from_counts_is_silent_where_the_order_does_not_matter(counts, kind):
    sampler = nce.sampler_from_counts(counts, kind)
    values = sampler([[0], [1], [2], [3]], 1, 8, False, seed=1)
    expected = {
        "log-uniform": nce.log_uniform_probability(np.arange(4), 4),
        "unigram": nce.unigram_probability(counts, 0.75),
        "uniform": np.full(4, 0.25),
    }[kind]
    np.testing.assert_allclose(values.true_expected_count[:, 0], 8 * expected, rtol=1e-6)


@pytest.mark.parametrize("range_max", [1, 2, 3, 1000, 10**6])
def test_probabilities_sum_to_one(range_max):
    ids = np.arange(range_max)
    np.testing.assert_allclose(nce.log_uniform_probability(ids, range_max).sum(), 1, rtol=1e-9)
    np.testing.assert_allclose(nce.uniform_probability(ids, range_max).sum(), 1, rtol=1e-9)
    np.testing.assert_allclose(nce.unigram_probability(ids + 1.0, 0.5).sum(), 1, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expected_count_formula_dtype_and_broadcasting(dtype):
    p = np.array([0.0, 0.1, 0.5, 1.0], dtype)
    assert nce.expected_count(p, 3, 3).tolist() == (p * dtype(3)).tolist()
    result = nce.expected_count(p, 3, np.array([[3], [7]]))
    assert result.dtype == dtype
    np.testing.assert_allclose(result[0], p * 3)
    np.testing.assert_allclose(result[1], 1 - (1 - p) ** 7, rtol=1e-6)


def test_importing_the_room_does_not_import_numba():
    code = "import sys, nce_train.nce; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_none_stands_for_the_defaults_of_fixed_unigrams():
    arguments = ([[0]], 1, 6, False, 3)
    expected = nce.fixed_unigram_candidate_sampler(*arguments, unigrams=[60, 30, 10], seed=3)
    names = ("vocab_file", "distortion", "num_reserved_ids", "num_shards", "shard")
    drawn = nce.fixed_unigram_candidate_sampler(*arguments, unigrams=[60, 30, 10], seed=3, **dict.fromkeys(names))
    np.testing.assert_array_equal(drawn.sampled_candidates, expected.sampled_candidates)
