"""Train gensim's Word2Vec on a text file and say how long it took: one JSON object on stdout.

python -m benchmarks.peer_gensim TEXT VECTORS --dim 128 …; run by `python -m benchmarks`, each time in a process of its
own. `corpus_file` is gensim's fastest way to read: the whole loop runs without Python.
"""

import argparse
import json
import time

from nce_train.memory import MemoryGauge


def main() -> None:
    """Train, save, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("text")
    parser.add_argument("vectors")
    for option, default in (("dim", 128), ("window", 5), ("epochs", 1), ("threads", 2), ("negative", 5)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--subsample", type=float, default=1e-4)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.perf_counter()
    from gensim.models import Word2Vec

    with MemoryGauge() as gauge:
        model = Word2Vec(
            vector_size=options.dim,
            window=options.window,
            min_count=5,
            workers=options.threads,
            sg=1,
            negative=options.negative,
            sample=options.subsample,
            alpha=options.lr,
            seed=options.seed,
        )
        model.build_vocab(corpus_file=options.text)
        counted = time.perf_counter()
        model.train(
            corpus_file=options.text,
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=options.epochs,
        )
        trained = time.perf_counter()
        model.wv.save_word2vec_format(options.vectors, binary=False)
        tokens = sum(model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key) * options.epochs
        print(
            json.dumps(
                {
                    "tokens_per_second": float(tokens / (trained - counted)),
                    "train_seconds": trained - counted,
                    "peak_memory_bytes": gauge.peak(),
                    "seconds": time.perf_counter() - started,
                }
            )
        )


if __name__ == "__main__":
    main()
