"""One synchronous gradient step for a block; `block_step` of `tests/kernel/twin.py` is its twin."""

import math

import numpy as np

from nce_train.kernel.bags import add_to_bags, centre_vectors
from nce_train.kernel.inlining import in_place, inner
from nce_train.kernel.logistic import logits_to_deltas
from nce_train.kernel.products import add_to_centres, add_to_rows, pack_centres, panel_logits
from nce_train.kernel.row_places import copy_new_rows
from nce_train.kernel.sizes import PANEL
from nce_train.kernel.state import (
    AFTER,
    BEFORE,
    BOTH_END,
    COUNT,
    FIRST_PLACE,
    LOW_END,
    NOISE_START,
    NUM_CENTRES,
    NUM_NOISE,
    NUM_PAIRS,
    NUM_TRIES,
)
from nce_train.kernel.weights import context_weights, noise_weights, remove_hits


@in_place
def block_step(tables, noise, plan, thread, side):
    """One synchronous gradient step for the block on side `side`."""
    blocks, scratch = thread.blocks, thread.scratch
    output, width = tables.output, scratch.centres.shape[1]
    copy_new_rows(thread.shard_rows, tables, noise, plan.unique, width, side)
    centres, pairs = blocks.counts[side, NUM_CENTRES], blocks.counts[side, NUM_PAIRS]
    vectors, places = centre_vectors(thread.bags, tables.input, side, blocks, scratch)
    panels = -(-centres // PANEL)
    rate = blocks.lr[side] / pairs if plan.mean else blocks.lr[side]
    loss = 0.0
    for panel in range(panels):
        rows, logits = blocks.rows[side, panel], scratch.logits[panel]
        low_end, both_end, count = _ends(blocks, side, panel)
        _constants(tables.bias, noise, plan, blocks, scratch, side, panel)
        pack_centres(vectors, places, panel * PANEL, scratch.centres, scratch.packed)
        panel_logits(
            output, width, rows, low_end, both_end, count, scratch.packed, scratch.offsets, scratch.log_ratio, logits
        )
        _weigh(plan, blocks, scratch, side, panel)
        loss += logits_to_deltas(logits, scratch.weights, count, rate)
    thread.loss[0] += loss
    for panel in range(panels):
        first = panel * PANEL
        rows, ahead, deltas = blocks.rows[side, panel], blocks.rows[1 - side, panel], scratch.logits[panel]
        ahead_count = blocks.parts[1 - side, panel, COUNT]
        low_end, both_end, count = _ends(blocks, side, panel)
        add_to_centres(
            output, width, rows, ahead, ahead_count, low_end, both_end, count, deltas, vectors, places, first
        )
    add_to_bags(thread.bags, tables.input, side, blocks, scratch)
    for panel in range(panels):
        first = panel * PANEL
        rows, ahead, deltas = blocks.rows[side, panel], blocks.rows[1 - side, panel], scratch.logits[panel]
        low_end, both_end, count = _ends(blocks, side, panel)
        add_to_rows(output, tables.bias, width, rows, ahead, low_end, both_end, count, deltas, scratch.centres, first)


@in_place
def _ends(blocks, side, panel):
    parts = blocks.parts[side, panel]
    return parts[LOW_END], parts[BOTH_END], parts[COUNT]


@inner
def _constants(bias, noise, plan, blocks, scratch, side, panel):
    """Write what is added to v·u: b − log Q for each row, log m (window) or 0 (pairs) for each centre.

    Q is S·q with replacement or where no draw was rejected, else 1 − (1 − q)^tries.
    """
    rows, count, tries = blocks.rows[side, panel], blocks.parts[side, panel, COUNT], blocks.counts[side, NUM_TRIES]
    if tries == plan.num_sampled:
        for r in range(count):
            row = np.uint32(rows[r])
            scratch.offsets[r] = bias[row] - noise.log_count[row]
    else:
        for r in range(count):
            row = np.uint32(rows[r])
            scratch.offsets[r] = bias[row] - math.log(-math.expm1(tries * noise.log_miss[row]))
    before, after = blocks.centre_numbers[side, BEFORE], blocks.centre_numbers[side, AFTER]
    for g in range(PANEL):
        scratch.log_ratio[g] = scratch.log_contexts[before[panel * PANEL + g] + after[panel * PANEL + g]]


@inner
def _weigh(plan, blocks, scratch, side, panel):
    """Write how often each (row, centre) counts: 1 for a context, minus the noise weight for noise, else 0."""
    weights, parts, times = scratch.weights, blocks.parts[side, panel], blocks.noise_times[side]
    noise, count = blocks.counts[side, NUM_NOISE], parts[COUNT]
    start, end = parts[NOISE_START], parts[NOISE_START] + noise
    before = blocks.centre_numbers[side, BEFORE, panel * PANEL :]
    after = blocks.centre_numbers[side, AFTER, panel * PANEL :]
    context_weights(0, start, parts[FIRST_PLACE], before, after, weights)
    context_weights(end, count, parts[FIRST_PLACE] - noise, before, after, weights)
    for g in range(PANEL):
        contexts = before[g] + after[g]
        scratch.noise_weights[g] = -contexts if plan.pairs else -min(contexts, 1)
        weights[count, g] = 0  # rows are worked on two at a time
    noise_weights(start, end, times, scratch.noise_weights, weights)
    if plan.remove_accidental_hits:
        remove_hits(blocks.rows[side, panel], start, end, count, times, plan.pairs, weights)
