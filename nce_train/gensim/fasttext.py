"""`FastText` with gensim 4's keywords and methods: `Word2Vec` whose words also learn the vectors of their n-grams.

`wv` are `FastTextKeyedVectors`, which compose the vectors of unknown words.
"""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nce_train.arguments import PathLike
from nce_train.embeddings import Embeddings
from nce_train.embeddings.formats.table import check_memory
from nce_train.embeddings.subwords import own_rows
from nce_train.errors import InputError
from nce_train.gensim.keyed_vectors import KeyedVectors
from nce_train.gensim.vocabulary import TrimRule
from nce_train.gensim.word2vec import Word2Vec
from nce_train.training.setting_types import MOST_NGRAM


class FastTextKeyedVectors(KeyedVectors):
    """Keys with vectors, and n-grams of which the vectors of unknown words are composed, as in gensim.

    Every word is `in` them. An unknown word without a known n-gram has a vector of zeros.

    Parameters
    ----------
    vector_size, count, dtype
        See `KeyedVectors`.
    min_n, max_n : int
        Characters of the shortest and the longest n-grams.
    bucket : int
        Hash buckets of n-grams.
    """

    min_n = max_n = bucket = 0  # where there are no n-grams

    def __init__(
        self, vector_size: int, min_n: int, max_n: int, bucket: int, count: int = 0, dtype: Any = np.float32
    ) -> None:
        super().__init__(vector_size, count, dtype)
        self.min_n, self.max_n, self.bucket = min_n, max_n, bucket

    def _take(self, table: Any) -> None:
        super()._take(table)
        if self.subwords is not None:
            self.min_n, self.max_n = self.subwords.least, self.subwords.most
            self.bucket = self.subwords.buckets

    def __contains__(self, key: object) -> bool:
        return self.subwords is not None or super().__contains__(key)

    def _composed(self, word: object) -> NDArray[np.float32] | None:
        if self.subwords is None or not isinstance(word, str) or word in self.key_to_index:
            return None
        vector = self.subwords.vector_of(word)
        return np.zeros(self.vector_size, np.float32) if vector is None else vector

    def get_sentence_vector(self, sentence: Iterable[str]) -> NDArray[np.float32]:
        """Compute the mean of the words' vectors of length 1, as fastText's print-sentence-vectors does.

        Returns
        -------
        float32 [vector_size]
            Zeros for a sentence without words.
        """
        words = list(sentence)
        if not words:
            return np.zeros(self.vector_size, np.float32)
        return np.asarray(np.mean([self.get_vector(word, norm=True) for word in words], axis=0))

    @property
    def vectors_vocab(self) -> NDArray[np.float32]:
        """The words' own rows, of which and of the rows of n-grams their vectors are the means: a copy."""
        if self.subwords is None:
            return np.array(self.vectors)
        return np.concatenate([*own_rows(self.index_to_key, self.vectors, self.subwords)])

    @property
    def vectors_ngrams(self) -> NDArray[np.float32]:
        """The rows of all buckets, zeros for those without one, float32 [bucket, vector_size]: a copy.

        Raises
        ------
        InputError
            When it does not fit into memory.
        """
        if self.subwords is None:
            return np.zeros((0, self.vector_size), np.float32)
        check_memory("vectors_ngrams", self.subwords.buckets, self.vector_size)
        return self.subwords.rows_by_bucket(0, self.subwords.buckets)


class FastText(Word2Vec):
    """Vectors of words and of their n-grams, with the interface of gensim 4's `FastText`.

    docs/gensim.md has a table of what is the same, what differs and what is refused.

    Parameters
    ----------
    sentences, corpus_file and others
        See `Word2Vec`.
    word_ngrams : {0, 1}
        1 to learn n-grams of characters.
    min_n, max_n : int
        Characters of the shortest and the longest n-grams; without n-grams where `max_n` is less than `min_n`.
    bucket : int
        Hash buckets of n-grams; only those in use take room.

    Examples
    --------
    >>> sentences = [["red", "green", "blue"], ["green", "red", "blue"]] * 100
    >>> model = FastText(sentences, vector_size=8, workers=1)
    >>> model.wv["greenish"].shape, "greenish" in model.wv.key_to_index
    ((8,), False)
    """

    _kept_too = ("word_ngrams", "min_n", "max_n", "bucket")

    def __init__(
        self,
        sentences: Iterable[Any] | None = None,
        corpus_file: PathLike | None = None,
        sg: int = 0,
        hs: int = 0,
        vector_size: int = 100,
        alpha: float = 0.025,
        window: int = 5,
        min_count: int = 5,
        max_vocab_size: int | None = None,
        word_ngrams: int = 1,
        sample: float = 1e-3,
        seed: int | None = 1,
        workers: int = 3,
        min_alpha: float = 0.0001,
        negative: int = 5,
        ns_exponent: float = 0.75,
        cbow_mean: int = 1,
        hashfxn: Any = hash,
        epochs: int = 5,
        null_word: int = 0,
        min_n: int = 3,
        max_n: int = 6,
        sorted_vocab: int = 1,
        bucket: int = 2_000_000,
        trim_rule: TrimRule | None = None,
        batch_words: int = 10_000,
        callbacks: Iterable[Any] = (),
        max_final_vocab: int | None = None,
        shrink_windows: bool = True,
        compute_loss: bool = False,
    ) -> None:
        if not isinstance(max_n, int) or max_n > MOST_NGRAM:
            raise InputError(f"max_n is {max_n}; n-grams have at most {MOST_NGRAM} characters")
        self.word_ngrams, self.min_n, self.max_n, self.bucket = int(word_ngrams), int(min_n), int(max_n), int(bucket)
        super().__init__(
            sentences=sentences,
            corpus_file=corpus_file,
            vector_size=vector_size,
            alpha=alpha,
            window=window,
            min_count=min_count,
            max_vocab_size=max_vocab_size,
            sample=sample,
            seed=seed,
            workers=workers,
            min_alpha=min_alpha,
            sg=sg,
            hs=hs,
            negative=negative,
            ns_exponent=ns_exponent,
            cbow_mean=cbow_mean,
            hashfxn=hashfxn,
            epochs=epochs,
            null_word=null_word,
            trim_rule=trim_rule,
            sorted_vocab=sorted_vocab,
            batch_words=batch_words,
            compute_loss=compute_loss,
            callbacks=callbacks,
            max_final_vocab=max_final_vocab,
            shrink_windows=shrink_windows,
        )

    def _new_vectors(self) -> FastTextKeyedVectors:
        return FastTextKeyedVectors(self.vector_size, self.min_n, self.max_n, self.bucket)

    def _ngrams(self) -> tuple[int, int, int] | None:
        least = max(1, self.min_n)
        if not self.word_ngrams or self.max_n < least or self.bucket < 1:
            return None
        return least, self.max_n, self.bucket

    def estimate_memory(self, vocab_size: int | None = None, report: dict[str, int] | None = None) -> dict[str, int]:
        """Estimate the bytes that words, n-grams and parameters take, with rows for the n-grams in use only."""
        report = {} if report is None else report
        if self.wv.subwords is not None:
            report["syn0_ngrams"] = len(self.wv.subwords.rows) * self.vector_size * 4
        return super().estimate_memory(vocab_size, report)

    @classmethod
    def load(cls, fname: PathLike, mmap: str | None = None, **_: Any) -> Self:
        """Read what `save` or `nce-train` has written; see `Word2Vec.load`."""
        return super().load(fname, mmap)


def load_facebook_vectors(path: PathLike, encoding: str = "utf-8") -> FastTextKeyedVectors:
    """Read the words, vectors and n-grams of a fastText `.bin` file."""
    return FastTextKeyedVectors.load(path)


def load_facebook_model(path: PathLike, encoding: str = "utf-8") -> FastText:
    """Read a fastText `.bin` file as a model that can be trained further.

    Its words, counts, vectors, n-grams and output vectors are taken over; the biases, which fastText does not have, and
    the keywords are those of a new skip-gram model.
    """
    vectors = load_facebook_vectors(path, encoding)
    model = FastText(
        vector_size=vectors.vector_size, sg=1, min_n=vectors.min_n, max_n=vectors.max_n, bucket=max(1, vectors.bucket)
    )
    counts = np.ones(len(vectors), np.int64) if vectors.counts is None else vectors.counts
    vectors.expandos["count"] = np.maximum(counts, 1)
    output = vectors._output()
    model.wv, model.train_count = vectors, 1
    model.syn1neg = np.zeros_like(vectors.vectors) if output is None else np.array(output)
    model.output_bias = model._log_shares(vectors.expandos["count"]).astype(np.float32)
    return model


def save_facebook_model(model: FastText, path: PathLike, encoding: str = "utf-8") -> None:
    """Write a model's words, vectors and n-grams as a fastText `.bin` file."""
    wv = model.wv
    Embeddings(wv.index_to_key, wv.vectors, wv.counts, subwords=wv.subwords).save(path, "fasttext")
