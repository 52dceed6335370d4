"""How the changes of a round's shards are combined: exactly the sums of plain NumPy, in the order of the shards."""

import numpy as np
import pytest

from nce_train.kernel.combine import RoundFactors, combine, new_shard_copies
from nce_train.kernel.sizes import row_length, table_width
from nce_train.kernel.state import Tables

DIM, SHARDS = 20, 5
WIDTH = table_width(DIM)


def filled(generator, shape):
    """Random numbers where the kernel works, zeros behind."""
    values = np.zeros(shape, np.float32)
    values[..., :WIDTH] = generator.normal(size=(*shape[:-1], min(WIDTH, shape[-1])))
    return values


def touched_copies(generator, base):
    """Copies of some rows, in any order; the second shard has touched none."""
    copies = new_shard_copies(base, SHARDS)
    for shard in range(SHARDS):
        for places in (copies.input_place, copies.output_place):
            rows = generator.permutation(places.shape[1])[: 0 if shard == 1 else places.shape[1] // 3]
            places[shard, rows] = np.arange(len(rows))
        for table in copies.tables(shard)[:2]:
            table[:] = filled(generator, table.shape)
        copies.tables(shard).bias[:] = generator.normal(size=len(base.bias))
    return copies


def combined(table, copies, places, updates, scale):
    """The table after the round, and the rows that some shard has touched."""
    result = table.copy()
    for row in range(len(table)):
        total = None
        for shard in range(SHARDS):
            if places[shard, row] >= 0:
                change = copies[shard][places[shard, row]] - table[row]
                total = change if total is None else total + change
        if total is not None:
            multiple = 1 + (SHARDS - 1) / (1 + scale * updates[row])
            result[row] = table[row] + np.float32(multiple / SHARDS) * total
    return result, (places >= 0).any(0)


@pytest.mark.parametrize(("inputs", "outputs"), [(70, 70), (90, 40), (40, 90)])
def test_combining_is_that_of_numpy_to_the_last_bit(inputs, outputs):
    """The tables may have different numbers of rows, and are cut at places that fit neither."""
    generator = np.random.default_rng(inputs)
    length = row_length(DIM)
    base = Tables(
        filled(generator, (inputs, length)),
        filled(generator, (outputs, length)),
        generator.normal(size=outputs).astype(np.float32),
    )
    copies = touched_copies(generator, base)
    factors = RoundFactors(generator.random(inputs), generator.random(outputs), SHARDS, 3.0)
    shards = [copies.tables(shard) for shard in range(SHARDS)]
    expected = []
    for number, places, updates in (
        (0, copies.input_place, factors.input),
        (1, copies.output_place, factors.output),
        (2, copies.output_place, factors.output),
    ):
        result, touched = combined(base[number], [shard[number] for shard in shards], places, updates, 3.0)
        assert 0 < touched.sum() < len(touched)
        assert ((result != base[number]).reshape(len(result), -1).any(1) == touched).all()
        expected.append(result)
    for first in range(0, max(inputs, outputs), 16):
        combine(base, copies, factors, WIDTH, first, first + 16)
    for got, want in zip(base, expected, strict=True):
        assert got.tobytes() == want.tobytes()
