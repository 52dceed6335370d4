"""Small runs of the training kernel for tests: random tables, a stream of sentences, one thread."""

import numpy as np
from twin import Block

from nce_train.kernel.draws import alias_table
from nce_train.kernel.hot_rows import with_hot_rows, without_copies
from nce_train.kernel.schedule import Schedule
from nce_train.kernel.sizes import PANEL, table_width
from nce_train.kernel.state import (
    AFTER,
    CENTRE,
    CENTRE_ID,
    CONTEXTS_AFTER,
    CONTEXTS_BEFORE,
    LINE_END,
    NUM_NOISE,
    RADIUS_PER_BLOCK,
    RANGE_END,
    Bags,
    ContextBags,
    ContextWords,
    Noise,
    Plan,
    Tables,
    aligned_zeros,
    context_shares,
    new_hot_words,
    new_thread_arrays,
)
from nce_train.kernel.train import MERGE_ONLY, train_blocks
from nce_train.training.parameters import ALWAYS_KEEP


def plan(**changes):
    values = {
        "window": 3,
        "radius_kind": RADIUS_PER_BLOCK,
        "block_size": 8,
        "num_sampled": 6,
        "merge_noise": True,
        "pairs": False,
        "mean": False,
        "unique": False,
        "remove_accidental_hits": False,
        "linear": False,
    }
    values.update(changes)
    values.setdefault("fresh_noise", -(-values["num_sampled"] // 3))
    return Plan(**values)


def stream_of(lines):
    return np.array([word for line in lines for word in [*line, LINE_END]], np.int32)


def probability_of(classes, kind="log-uniform"):
    weights = {"log-uniform": np.log1p(1 / (np.arange(classes) + 1.0)), "uniform": np.ones(classes)}[kind]
    return weights / weights.sum()


def packed_bags(bags, window, cbow=False):
    """Lists of rows by word, or None where each word has one, as the kernel has them."""
    if bags is None:
        return ContextWords(context_shares(window)) if cbow else None
    starts, rows = np.cumsum([0, *map(len, bags)]), np.array([row for bag in bags for row in bag], np.int32)
    return ContextBags(context_shares(window), starts, rows) if cbow else Bags(starts, rows)


class KernelCase:
    """Tables, noise and one thread over the given sentences.

    `tiers`: see `ThreadArrays.hot_tiers`; `word_tiers` and `shares`: see `HotWords`, all shares are 1 by default;
    `bags`: rows by word; `copies`: the thread trains as a shard of a round does, on
    copies of the rows that it touches.
    """

    def __init__(
        self,
        lines,
        classes,
        dim,
        chosen_plan,
        dtype=np.float64,
        seed=0,
        scale=0.5,
        kept_capacity=4096,
        tiers=(),
        bags=None,
        cbow=False,
        copies=False,
        word_tiers=(),
        shares=None,
    ):
        self.cbow = cbow
        self.bags = bags
        input_rows = classes if bags is None else 1 + max(max(bag) for bag in bags)
        self.input_rows = input_rows
        hot_rows = tiers[-1][0] if tiers else 0
        hot_words = word_tiers[-1][0] if word_tiers else 0
        generator = np.random.default_rng(seed)
        width = table_width(dim)
        self.dim, self.plan = dim, chosen_plan
        self.tables = Tables(
            aligned_zeros((input_rows + hot_words, width), dtype),
            aligned_zeros((classes + hot_rows, width), dtype),
            aligned_zeros((classes + hot_rows,), dtype),
        )
        self.tables.input[:input_rows, :dim] = generator.normal(0, scale, (input_rows, dim))
        self.tables.output[:classes, :dim] = generator.normal(0, scale, (classes, dim))
        self.tables.bias[:classes] = generator.normal(-3, 1, classes)
        self.probability = probability_of(classes)
        noise = Noise(
            alias_table(self.probability),
            np.log(chosen_plan.num_sampled * self.probability),
            np.log1p(-self.probability),
        )
        self.noise = with_hot_rows(noise, hot_rows, 1)
        self.keep = np.full(classes, ALWAYS_KEEP, np.uint32)
        self.stream = stream_of(lines)
        hot_tiers = np.array(tiers, np.int64).reshape(-1, 2)
        packed = packed_bags(bags, chosen_plan.window, cbow)
        copied = None
        if copies:
            copied = self.tables, self.noise
            self.tables = Tables(*map(np.zeros_like, self.tables))
            self.noise = Noise(noise.columns, np.zeros_like(noise.log_count), np.zeros_like(noise.log_miss))
        words = None
        if word_tiers:
            if shares is None:
                shares = np.ones(packed.starts[hot_words], np.float32)
            words = new_hot_words(width, dtype, np.array(word_tiers, np.int64), input_rows, shares)
        self.thread = new_thread_arrays(
            chosen_plan, width, dtype, seed + 1, hot_tiers, classes, kept_capacity, copied, packed, words
        )
        self.thread.cursor[RANGE_END] = len(self.stream)
        if tiers or word_tiers:
            self.run(MERGE_ONLY)

    def run(self, blocks, lr=1.0):
        schedule = Schedule(lr, 0, 1, 0, 1, 0)
        return train_blocks(self.tables, self.noise, self.keep, self.stream, self.plan, schedule, self.thread, blocks)

    def parameters(self):
        tables = without_copies(self.tables, self.input_rows, len(self.keep))
        if self.thread.shard_rows is not None:
            tables = self.with_copies()
        return tables.input[:, : self.dim].copy(), tables.output[:, : self.dim].copy(), tables.bias.copy()

    def with_copies(self):
        """The tables that were copied, with the rows as they are in the copies."""
        shard_rows = self.thread.shard_rows
        tables = Tables(*(table.copy() for table in shard_rows.base))
        places = shard_rows.input_place, shard_rows.output_place, shard_rows.output_place
        for table, changed, place in zip(tables, self.tables, places, strict=True):
            table[place >= 0] = changed[place[place >= 0]]
        return tables

    def block(self):
        """The block that the last call of one block was about, read from what the thread has kept of it."""
        thread = self.thread
        centres, _, tries, noise = (int(number) for number in thread.blocks.counts[0, : NUM_NOISE + 1])
        ids = thread.blocks.centre_numbers[0, CENTRE_ID, :centres]
        contexts = self.cbow_contexts(centres) if self.cbow else self.contexts(centres, noise)
        times = thread.blocks.noise_times[0, :noise].astype(int)
        words = [int(word) for word in np.repeat(thread.blocks.noise_rows[0, :noise], times)]
        return Block([int(i) for i in ids], contexts, words, tries)

    def contexts(self, centres, noise):
        """The contexts of the block's centres, by its lists of rows of the output table."""
        blocks = self.thread.blocks
        _, before, after = blocks.centre_numbers[0, : AFTER + 1, :centres]
        contexts = []
        for g in range(centres):
            panel, place = divmod(g, PANEL)
            _, start, _, count, first_place = blocks.parts[0, panel]
            rows = np.concatenate([blocks.rows[0, panel, :start], blocks.rows[0, panel, start + noise : count]])
            distances = first_place + np.arange(len(rows)) - place
            inside = (-before[g] <= distances) & (distances <= after[g]) & (distances != 0)
            contexts.append([int(word) for word in rows[inside]])
            assert len(contexts[-1]) == before[g] + after[g]
        return contexts

    def cbow_contexts(self, centres):
        """The contexts of the block's centres, by the words that were kept."""
        kept, numbers = self.thread.kept, self.thread.blocks.centre_numbers[0]
        first = self.thread.cursor[CENTRE] - centres
        return [
            [
                int(kept[place])
                for place in range(centre - numbers[CONTEXTS_BEFORE, g], centre + numbers[CONTEXTS_AFTER, g] + 1)
                if place != centre
            ]
            for g, centre in enumerate(range(first, first + centres))
        ]


def random_lines(generator, classes, lengths):
    return [[int(word) for word in generator.integers(0, classes, length)] for length in lengths]
