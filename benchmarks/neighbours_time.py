"""Time of 10,000 neighbour queries (the 10 nearest words of each): exact, and with an index and its recall.

Of a model, or of random vectors with the default vocabulary and dim of our other tables. Run as
`python -m benchmarks.neighbours_time [MODEL]`.
"""

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from nce_train.embeddings import Embeddings
from nce_train.embeddings.approximate import ApproximateIndex

WORDS, DIM, QUERIES, TOP = 74_000, 128, 10_000, 10

T = TypeVar("T")


def main() -> None:
    """Time the queries and print a line each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours_time", description=__doc__)
    parser.add_argument("model", nargs="?", help="a model directory or vectors file; default: random vectors")
    model = parser.parse_args().model
    embeddings = _random() if model is None else Embeddings.load(model)
    rng = np.random.default_rng(1)
    asked = [embeddings.index_to_key[row] for row in rng.integers(0, len(embeddings), QUERIES)]
    embeddings.neighbours(asked[:1])  # the words' rows and the vectors' lengths are kept from here on

    print(f"{embeddings!r}, {QUERIES:,} queries, top {TOP}")
    exact = _timed("exact", lambda: embeddings.neighbours(asked, TOP))
    _timed(
        "exact, 1,000 of them one by one", lambda: [embeddings.most_similar(word, topn=TOP) for word in asked[:1000]]
    )
    index = _timed("building the index", lambda: ApproximateIndex.build(embeddings.vectors))
    found = _timed("with the index", lambda: embeddings.neighbours(asked, TOP, index=index))
    kept = sum(len(dict(right).keys() & dict(answers).keys()) for right, answers in zip(exact, found, strict=True))
    print(f"{'recall of the index':34}{kept / (QUERIES * TOP):9.4f}")


def _timed(title: str, call: Callable[[], T]) -> T:
    start, used = time.perf_counter(), time.process_time()
    result = call()
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    print(f"{title:34}{seconds:9.2f} s, {processor:.2f} s of processor time", flush=True)
    return result


def _random() -> Embeddings:
    vectors = np.random.default_rng(0).standard_normal((WORDS, DIM), dtype=np.float32)
    return Embeddings([f"word{row}" for row in range(WORDS)], vectors)


if __name__ == "__main__":
    main()
