"""Noise tables against the probabilities they stand for, and the numbers parameters start from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.errors import InputError
from nce_train.kernel.draws import alias_table
from nce_train.kernel.sizes import row_length, table_width
from nce_train.training.noise import merging_pays, noise_probability, noise_tables
from nce_train.training.parameters import initial_tables, keep_probability
from nce_train.training.settings import Settings


def probability_of_table(columns):
    threshold, alias = columns >> np.uint64(32), (columns & np.uint64(0xFFFFFFFF)).astype(np.int64)
    size = len(alias)
    stays = (threshold.astype(np.float64) + 1) / 2**32 / size
    drawn = stays.copy()
    np.add.at(drawn, alias, 1 / size - stays)
    return drawn


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=300), st.sampled_from([0.0, 0.75, 1.0]))
def test_alias_table_has_the_probabilities(counts, distortion):
    weights = np.array(counts, np.float64) ** distortion
    probability = weights / weights.sum()
    np.testing.assert_allclose(probability_of_table(alias_table(probability)), probability, rtol=0, atol=2e-9)


@pytest.mark.parametrize("sampler", ["log-uniform", "unigram", "uniform"])
def test_noise_probabilities(sampler):
    counts = np.array([900, 90, 9, 1])
    chosen = Settings(sampler=sampler, distortion=0.5)
    expected = {
        "log-uniform": np.log([2 / 1, 3 / 2, 4 / 3, 5 / 4]) / np.log(5),
        "unigram": np.sqrt(counts) / np.sqrt(counts).sum(),
        "uniform": np.full(4, 0.25),
    }[sampler]
    np.testing.assert_allclose(noise_probability(counts, chosen), expected, rtol=1e-12)
    tables = noise_tables(counts, chosen)
    np.testing.assert_allclose(np.exp(tables.log_count), 32 * expected, rtol=1e-6)  # float32
    np.testing.assert_allclose(np.expm1(tables.log_miss), -expected, rtol=1e-12)


def test_more_unique_samples_than_words_are_refused():
    with pytest.raises(InputError, match=r"num_sampled 5 .* only 4 words"):
        noise_tables(np.array([4, 3, 2, 1]), Settings(unique=True, num_sampled=5))


def test_words_that_are_never_noise_are_refused():
    with pytest.raises(InputError, match="1 word of the vocabulary has count 0"):
        noise_tables(np.array([4, 3, 0]), Settings(sampler="unigram", num_sampled=2))


def test_an_unknown_word_that_stands_for_none_is_refused():
    with pytest.raises(InputError, match=r"No word is dropped that 'UNK' could stand for, .* leave --unknown out"):
        noise_tables(np.array([0, 4, 3]), Settings(unknown="UNK", num_sampled=2))
    with pytest.raises(InputError, match="2 words of the vocabulary have count 0"):
        noise_tables(np.array([0, 4, 0]), Settings(unknown="UNK", num_sampled=2))


def test_keep_probability_is_the_formula():
    counts = np.array([800, 150, 50])
    share = counts / 1000
    expected = np.minimum(1, np.sqrt(0.01 / share) + 0.01 / share)
    np.testing.assert_allclose(keep_probability(counts, 0.01), expected)


@pytest.mark.parametrize(
    ("words", "settings", "pays"),
    [
        (74_000, {"sampler": "log-uniform"}, True),  # 2.7 of 32 are repeats
        (74_000, {"sampler": "uniform"}, False),
        (74_000, {}, False),  # Zipf counts to the power 0.75: 0.7 of 32
        (74_000, {"distortion": 1.0}, True),
        (300, {}, True),
        (300, {"unique": True}, False),
        (1, {}, True),
    ],
)
def test_repeated_noise_words_are_merged_where_there_are_many(words, settings, pays):
    counts = 10**6 // np.arange(1, words + 1) + 1
    assert merging_pays(counts, Settings(**settings)) == pays


def test_initial_tables():
    counts = np.array([50, 30, 20, 10, 5])
    tables = initial_tables(counts, Settings(dim=20, subsample=0.05))
    assert tables.input.shape == tables.output.shape == (5, row_length(20)) == (5, 32)
    assert (np.abs(tables.input[:, :20]) <= 0.5 / 20).all()
    assert np.unique(tables.input[:, :20]).size == 100
    assert not tables.input[:, 20:].any()
    assert not tables.output.any()
    kept = counts * keep_probability(counts, 0.05)
    np.testing.assert_allclose(tables.bias, np.log(kept / kept.sum()), rtol=1e-6)


@pytest.mark.parametrize(
    ("dim", "length"),
    [
        (1, 16),
        (16, 16),
        (17, 32),
        (100, 112),
        (112, 112),
        (113, 144),
        (128, 144),
        (129, 144),
        (256, 272),
        (300, 304),
        (512, 528),
    ],
)
def test_rows_are_whole_lines_and_not_a_multiple_of_eight(dim, length):
    assert row_length(dim) == length >= table_width(dim)


def test_initialisers_have_their_spread():
    # 128,000 draws: the spread is within 1 %; fails one seed in a thousand
    counts = np.full(1000, 7)
    tables = initial_tables(
        counts, Settings(input_init="uniform(1.0)", output_init="truncated-normal(0.1)", bias_init="zero")
    )
    inputs, outputs = tables.input[:, :128], tables.output[:, :128]
    assert abs(inputs.std() - 1 / np.sqrt(3)) < 0.006
    assert np.abs(inputs).max() <= 1
    assert np.abs(outputs).max() <= 0.2 + 1e-7
    assert abs(outputs.std() - 0.0880) < 0.0009  # a normal cut at two sigma has 0.8796 of its spread
    assert not tables.bias.any()


def test_seed_decides_the_start():
    counts = np.array([5, 4])
    first, same, other = (initial_tables(counts, Settings(seed=seed)).input for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first[:, :128] != other[:, :128]).all()
