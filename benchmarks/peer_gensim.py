"""Train gensim's Word2Vec on a text file: python -m benchmarks.peer_gensim TEXT VECTORS --dim 128 …

Run by `python -m benchmarks`, each time in a process of its own. `corpus_file` is gensim's fastest way to read: the
whole loop runs without Python.
"""

import time

from gensim.models import Word2Vec

from benchmarks._peer import peer_parser, report


def main() -> None:
    """Train, save, report."""
    options = peer_parser(__doc__).parse_args()
    started = time.perf_counter()
    model = Word2Vec(
        vector_size=options.dim,
        window=options.window,
        min_count=options.min_count,
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
    tokens = int(sum(model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key))
    report(tokens, options.epochs, trained - counted, counted - started)


if __name__ == "__main__":
    main()
