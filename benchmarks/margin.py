"""How far `--deterministic` stands from instability: rounds at their automatic settings, and at higher learning rates.

    python -m benchmarks.margin --vocabularies 1000,10000,100000,1000000 --shard-counts 2,4,8,16

Combining what several shards changed can diverge where threads that share parameters do not: rows that every shard
moves the same way are moved too far. For texts of different vocabularies the loss of the last quarter of an epoch is
taken, with threads that share parameters and with rounds at several learning rates (that of 8 shards is 0.071). A run
that explodes is noticed by the trainer and stands as "explodes".

The texts are drawn here, so that the vocabulary can be had at any size: Zipf's law, lines of 20 words, half of a line's
words from one of 1,000 topics (or a topic for each 20 words where there are fewer), at least 17 M tokens and 60 a word.
The numbers do not depend on the machine's speed.
"""

import argparse
from typing import Any

import numpy as np

from benchmarks._common import RESULTS, comma_list, positive, say, table, write_results
from nce_train.errors import RunError
from nce_train.kernel.state import LINE_END
from nce_train.training.hogwild import HogwildTrainer
from nce_train.training.observers import Observer
from nce_train.training.readings import Reading
from nce_train.training.rounds import RoundTrainer
from nce_train.training.settings import Settings
from nce_train.training.trainer import Trainer

RATES = (0.1, 0.14, 0.2)  # above the automatic learning rate
LINE = 20
TOKENS_AT_LEAST = 17_000_000
TOKENS_A_WORD = 60


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.margin",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--vocabularies", type=_numbers, default="1000,10000,100000,1000000")
    parser.add_argument(
        "--shard-counts", type=_numbers, default="2,4,8,16", help="with the third vocabulary, or the last"
    )
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--out", type=type(RESULTS), default=RESULTS, help="directory of the results")
    options = parser.parse_args()
    by_vocabulary, by_shards = {}, {}
    for number, words in enumerate(options.vocabularies):
        say(f"drawing a text of {words:,} words")
        stream, counts = text_of(words)
        by_vocabulary[words] = losses(stream, counts, options.threads)
        if number == min(2, len(options.vocabularies) - 1):
            by_shards = {
                shards: losses(stream, counts, options.threads, shards=shards) for shards in options.shard_counts
            }
    heads = ["shared parameters", *(f"rounds, lr {rate:g}" for rate in RATES), "round_tokens"]
    markdown = [
        "# Margin from instability: loss a pair over the last quarter of an epoch",
        "",
        *table(["vocabulary", *heads], [[f"{words:,}", *_row(found)] for words, found in by_vocabulary.items()]),
        "",
        *table(["shards", *heads], [[str(shards), *_row(found)] for shards, found in by_shards.items()]),
    ]
    write_results(options.out, "margin", markdown, {"by_vocabulary": by_vocabulary, "by_shards": by_shards})


def _numbers(names: str) -> list[int]:
    return [positive(name) for name in comma_list(names)]


def text_of(words: int) -> tuple[np.ndarray, np.ndarray]:
    """A token stream over so many words, in order of decreasing frequency, and the words' counts."""
    generator = np.random.default_rng(words)
    lines = max(TOKENS_AT_LEAST, TOKENS_A_WORD * words) // LINE
    topics = min(1000, words // 20)
    ranks = _zipf(generator, words, (lines, LINE))
    of_topic = _zipf(generator, words // topics, (lines, LINE)) * topics + generator.integers(0, topics, (lines, 1))
    drawn = np.where(generator.random((lines, LINE), np.float32) < 0.5, ranks, of_topic)
    counts = np.bincount(drawn.ravel(), minlength=words)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(words, np.int32)
    place[order] = np.arange(words)
    stream = np.full((lines, LINE + 1), LINE_END, np.int32)
    stream[:, :LINE] = place[drawn]
    stream = stream.reshape(-1)
    stream.flags.writeable = False  # as a mapped file is: another type to the compiler
    return stream, np.maximum(counts[order], 1)


def _zipf(generator: np.random.Generator, words: int, shape: tuple[int, int]) -> np.ndarray:
    """Ranks from 0 of frequencies in proportion to 1/(rank + 1), nearly: the inverse of their integral."""
    return np.minimum(np.exp(generator.random(shape, np.float32) * np.log(words + 1)) - 1, words - 1).astype(np.int32)


def losses(stream: np.ndarray, counts: np.ndarray, threads: int, **changes: Any) -> dict[str, Any]:
    """The loss of the last quarter: of threads that share parameters, and of rounds at the learning rates."""
    tokens = int(counts.sum())
    chosen = Settings(epochs=1, ngrams="off", threads=threads, **changes)
    together = chosen.model_copy(update={"deterministic": True})
    rounds = together.resolved().with_rounds(len(counts), tokens)
    say(f"{len(counts):,} words, {rounds.shards} shards of {rounds.round_tokens:,} tokens a round")
    return {
        "shared": _last_quarter(HogwildTrainer(stream, tokens, counts, chosen.resolved())),
        "rounds": [
            _last_quarter(RoundTrainer(stream, tokens, counts, at_rate.resolved().with_rounds(len(counts), tokens)))
            for at_rate in (together.model_copy(update={"lr": rate}) for rate in RATES)
        ],
        "round_tokens": rounds.round_tokens,
    }


class Readings(Observer, list[Reading]):
    """Keeps the readings of a run."""

    def on_reading(self, reading: Reading) -> None:
        self.append(reading)


def _last_quarter(trainer: Trainer) -> float | None:
    """None when the run explodes."""
    trainer.settings = trainer.settings.model_copy(update={"log_every_steps": 10_000})
    readings = Readings()
    try:
        trainer.run([readings])
    except RunError:
        return None
    last = [reading for reading in readings if reading.tokens > 0.75 * trainer.token_count and reading.loss is not None]
    return float(np.mean([reading.loss for reading in last]))


def _row(found: dict[str, Any]) -> list[str]:
    cells = ["explodes" if loss is None else f"{loss:.4f}" for loss in (found["shared"], *found["rounds"])]
    return [*cells, f"{found['round_tokens']:,}"]


if __name__ == "__main__":
    main()
