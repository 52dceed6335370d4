"""Train gensim's Word2Vec or FastText on a text file: python -m benchmarks.peer_gensim TEXT VECTORS --dim 128 …

Run by `python -m benchmarks`, each time in a process of its own. `corpus_file` is gensim's fastest way to read: the
whole loop runs without Python.
"""

import functools
import time

from gensim.models import FastText, Word2Vec

from benchmarks._peer import peer_parser, report


def main() -> None:
    """Train, save, report."""
    options = peer_parser(__doc__).parse_args()
    least, most = options.ngrams
    kind = functools.partial(FastText, min_n=least, max_n=most) if most else Word2Vec
    started = time.perf_counter()
    model = kind(
        vector_size=options.dim,
        window=options.window,
        min_count=options.min_count,
        workers=options.threads,
        sg=int(options.model == "skipgram"),
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
    tokens = int(sum(model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key))
    report(tokens, options.epochs, trained - counted, counted - started)


if __name__ == "__main__":
    main()
