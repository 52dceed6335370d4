"""The threads' own vectors of words: trained as one row, merged into the rows of the words' bags."""

import numpy as np
import pytest
from kernel_case import KernelCase, plan, random_lines
from twin import merge_words

from nce_train.kernel.state import BLOCKS
from nce_train.kernel.train import MERGE_ONLY

CLASSES, DIM, NGRAMS = 40, 16, 30
HOT = 24
# each word's own row, and up to five rows of n-grams, of which words have many in common; one may occur twice
BAGS = [
    [word, *np.random.default_rng(word).integers(CLASSES, CLASSES + NGRAMS, word % 6).tolist()]
    for word in range(CLASSES)
]
ROWS = sum(map(len, BAGS[:HOT]))
LINES = random_lines(np.random.default_rng(14), CLASSES, [700, 1, 90])


def case(**changes):
    return KernelCase(LINES, CLASSES, DIM, plan(), bags=BAGS, scale=0.1, **changes)


def shares_by_word(shares):
    return np.split(shares, np.cumsum([len(bag) for bag in BAGS[:HOT]])[:-1])


def test_words_merged_after_each_block_change_nothing():
    plain, merged = case(), case(word_tiers=[(HOT, 10**6)])
    plain.run(10**6, lr=0.05)
    while merged.run(1, lr=0.05):
        merged.run(MERGE_ONLY)
        merged.run(MERGE_ONLY)  # a word is composed before those behind it have added their changes
    assert plain.thread.loss[0] == pytest.approx(merged.thread.loss[0], rel=1e-10)
    for left, right in zip(plain.parameters(), merged.parameters(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-11)


def test_words_merged_later_learn_nearly_the_same():
    # not the same: words see later what others have added to the rows that they have in common
    plain, merged = case(), case(word_tiers=[(8, 4), (HOT, 12)])
    for run in (plain, merged):
        run.run(10**6, lr=0.05)
        run.run(MERGE_ONLY)
    assert plain.thread.loss[0] == pytest.approx(merged.thread.loss[0], rel=0.01)
    assert plain.thread.loss[0] != pytest.approx(merged.thread.loss[0], rel=1e-6)


@pytest.mark.parametrize("ones", [True, False])
def test_a_merge_is_that_of_the_twin(ones):
    generator = np.random.default_rng(3)
    shares = np.ones(ROWS, np.float32) if ones else generator.random(ROWS).astype(np.float32)
    run = case(word_tiers=[(HOT, 1000)], shares=shares)
    own = slice(run.input_rows, run.input_rows + HOT)
    before = run.tables.input[: run.input_rows, :DIM].copy()
    vectors = np.array([before[bag].mean(axis=0) for bag in BAGS[:HOT]])
    np.testing.assert_allclose(run.tables.input[own, :DIM], vectors, rtol=1e-13)  # as a thread begins
    changes = generator.normal(0, 0.1, vectors.shape)
    run.tables.input[own, :DIM] += changes
    others = generator.normal(0, 0.1, before.shape)  # what other threads have added meanwhile
    run.tables.input[: run.input_rows, :DIM] += others
    run.run(MERGE_ONLY)
    table, composed = merge_words(before + others, BAGS[:HOT], vectors, vectors + changes, shares_by_word(shares))
    np.testing.assert_allclose(run.tables.input[: run.input_rows, :DIM], table, rtol=1e-12, atol=1e-14)
    for number, vector in enumerate(run.thread.hot_words.vectors[:, :DIM]):
        np.testing.assert_allclose(run.tables.input[run.input_rows + number, :DIM], vector)
    np.testing.assert_allclose(run.thread.hot_words.vectors[:, :DIM], composed, rtol=1e-12, atol=1e-14)
    run.run(MERGE_ONLY)  # nothing has moved
    np.testing.assert_allclose(run.tables.input[: run.input_rows, :DIM], table, rtol=1e-12, atol=1e-14)


def test_shares_that_sum_to_the_bag_leave_a_word_where_it_is():
    bags = [[0, 2, 3], [1, 2]]
    moved = [np.array([0.25]), np.array([0.0])]
    shares = [[2.5, 0.25, 0.25], [1.0, 1.0]]
    table, composed = merge_words(np.zeros((4, 1)), bags, [np.zeros(1)] * 2, moved, shares)
    assert table[:, 0].tolist() == [0.625, 0, 0.0625, 0.0625]
    assert composed[0] == 0.25


def test_words_of_a_tier_take_turns():
    run = case(word_tiers=[(8, 4), (HOT, 12)])  # checked every 4 blocks
    merges = np.zeros(HOT)
    for _ in range(72):
        run.tables.input[: run.input_rows, :DIM] += 1e-3  # so that every merge shows
        last = run.thread.hot_words.vectors.copy()
        run.run(1, lr=0.05)
        merged = (run.thread.hot_words.vectors != last).any(axis=1)
        merges += merged
        if run.thread.cursor[BLOCKS] % 4:
            assert not merged.any()
        assert merged[8:].sum() <= 6  # a third of the tier
    assert merges[:8].tolist() == [18] * 8
    assert merges[8:].tolist() == [6] * (HOT - 8)


def test_words_without_vectors_of_their_own_are_trained_by_their_rows():
    run = case(word_tiers=[(8, 10**6)])
    before = run.parameters()[0]
    run.run(10**6, lr=0.05)
    after = run.tables.input[: run.input_rows, :DIM]
    assert (after[:8] == before[:8]).all()  # waiting
    assert (after[8:CLASSES] != before[8:CLASSES]).any(axis=1).all()
