"""The sum of the shards' changes: the order of the shards counts, the order of arrival does not."""

import itertools

import numpy as np

from nce_train.cluster.base import RoundSum
from nce_train.cluster.messages import RowValues
from nce_train.kernel.combine import RoundFactors
from nce_train.kernel.state import Tables

CLASSES, DIM, SHARDS = 7, 3, 3


def random_changes(generator):
    inputs, outputs = (np.flatnonzero(generator.random(CLASSES) < 0.6).astype(np.int32) for _ in range(2))
    shapes = (len(inputs), DIM), (len(outputs), DIM), len(outputs)
    return RowValues((inputs, outputs), tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes))


def test_the_sum_is_that_of_plain_numpy_in_any_order_of_arrival():
    generator = np.random.default_rng(3)
    shards = [random_changes(generator) for _ in range(SHARDS)]
    tables = Tables(*(generator.normal(size=shape).astype(np.float32) for shape in ((CLASSES, DIM),) * 2 + (CLASSES,)))
    factors = RoundFactors(*generator.random((2, CLASSES)), SHARDS, 4.0)
    expected = []
    for number, updates in enumerate((factors.input, factors.output, factors.output)):
        factor = (1 + (SHARDS - 1) / (1 + 4.0 * updates)) / SHARDS
        total = np.zeros_like(tables[number], np.float64)
        for changes in shards:
            total[changes.rows[min(number, 1)]] += changes.values[number]
        expected.append(tables[number] + (factor * total.T).T)
    results = []
    for order in itertools.permutations(range(SHARDS)):
        base = Tables(*(table.copy() for table in tables))
        round_sum = RoundSum(base, DIM)
        round_sum.add(1, random_changes(generator))  # of a round that was stopped
        round_sum.begin()
        for shard in order:
            round_sum.add(shard, shards[shard])
        changed = round_sum.combine(factors)
        for number in range(2):
            touched = np.unique(np.concatenate([changes.rows[number] for changes in shards]))
            assert changed.rows[number].tolist() == touched.tolist()
        for number, table in enumerate(base):
            np.testing.assert_allclose(table, expected[number], rtol=1e-5, atol=1e-6)
            assert changed.values[number].tolist() == table[changed.rows[min(number, 1)]].tolist()
        results.append([table.tobytes() for table in base])
    assert results == [results[0]] * len(results)
