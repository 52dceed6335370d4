"""Train fastText on a text file: python -m benchmarks.peer_fasttext TEXT VECTORS --ngrams 3-6 …

Run by `python -m benchmarks`, each time in a process of its own. fastText reads, counts and trains in one call and does
not tell when counting ends. So the suite runs this twice: with `--epochs 0`, which gives the seconds without training,
and with these as `--count-seconds`, to be subtracted. Its Python module takes no seed.
"""

import time

import fasttext  # type: ignore[import-untyped]
import numpy as np

from benchmarks._peer import peer_parser, report
from nce_train import Embeddings

LINE_END = "</s>"  # fastText has a vector for it


def main() -> None:
    """Train, save, report."""
    parser = peer_parser(__doc__)
    parser.add_argument("--count-seconds", type=float, default=0.0)
    options = parser.parse_args()
    started = time.perf_counter()
    model = fasttext.train_unsupervised(
        options.text,
        model=options.model,
        minn=options.ngrams[0],
        maxn=options.ngrams[1],
        dim=options.dim,
        ws=options.window,
        minCount=options.min_count,
        neg=options.negative,
        t=options.subsample,
        lr=options.lr,
        epoch=options.epochs,
        thread=options.threads,
        verbose=0,
    )
    seconds = time.perf_counter() - started
    words, counts = model.get_words(include_freq=True)
    wanted = [row for row, word in enumerate(words) if word != LINE_END]
    if options.epochs:
        vectors = np.array([model.get_word_vector(words[row]) for row in wanted])
        Embeddings([words[row] for row in wanted], vectors).save(options.vectors, "word2vec")
    tokens = int(sum(counts[row] for row in wanted))
    report(tokens, options.epochs, max(seconds - options.count_seconds, 1e-9), options.count_seconds)


if __name__ == "__main__":
    main()
