"""The words of a model: the part of `Word2Vec` that counts and chooses them, and begins with their parameters.

Sentences or counts go in; `wv` has a row for each word that is kept, `syn1neg` and `output_bias` one more.
"""

import types
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nce_train.arguments import PathLike
from nce_train.gensim import vocabulary
from nce_train.gensim.keyed_vectors import KeyedVectors
from nce_train.gensim.vocabulary import Counted, TrimRule


class ModelVocabulary:
    """The words of a model and their parameters; `Word2Vec` describes attributes."""

    wv: KeyedVectors
    vector_size: int
    min_count: int
    effective_min_count: int
    max_vocab_size: int | None
    max_final_vocab: int | None
    sample: float
    seed: int
    sorted_vocab: int
    raw_vocab: dict[Hashable, int]
    corpus_count: int
    corpus_total_words: int
    train_count: int
    syn1neg: np.ndarray | None
    output_bias: np.ndarray | None

    def build_vocab(
        self,
        corpus_iterable: Iterable[Any] | None = None,
        corpus_file: PathLike | None = None,
        update: bool = False,
        progress_per: int = 10_000,
        keep_raw_vocab: bool = False,
        trim_rule: TrimRule | None = None,
        **kwargs: Any,
    ) -> None:
        """Count the words of a corpus, and begin with them.

        Parameters
        ----------
        corpus_iterable, corpus_file
            Sentences, or a text file with a sentence a line.
        update : bool
            Add the words to those that the model has, which keep what they have learnt.
        progress_per : int
            Without effect.
        keep_raw_vocab : bool
            Keep the counts of all words as `raw_vocab`.
        trim_rule : callable, optional
            `trim_rule(word, count, min_count)` returns 0 (apply `min_count`), 1 (discard) or 2 (keep).
        **kwargs
            `min_count`.

        Raises
        ------
        RuntimeError
            When `update` is given for a model without words.
        TypeError
            For a sentence that is no list of words, or both kinds of corpus.
        """
        self._check_corpus(corpus_iterable, corpus_file, passes=1)
        self.scan_vocab(corpus_iterable, corpus_file, trim_rule=trim_rule)
        self.prepare_vocab(update=update, keep_raw_vocab=keep_raw_vocab, trim_rule=trim_rule, **kwargs)

    def build_vocab_from_freq(
        self,
        word_freq: Mapping[Hashable, int],
        keep_raw_vocab: bool = False,
        corpus_count: int | None = None,
        trim_rule: TrimRule | None = None,
        update: bool = False,
    ) -> None:
        """Begin with words whose counts are known; see `build_vocab`."""
        self.raw_vocab = dict(word_freq)
        self.corpus_count = corpus_count or 0
        self.corpus_total_words = sum(word_freq.values())
        self.prepare_vocab(update=update, keep_raw_vocab=keep_raw_vocab, trim_rule=trim_rule)

    def scan_vocab(
        self,
        corpus_iterable: Iterable[Any] | None = None,
        corpus_file: PathLike | None = None,
        progress_per: int = 10_000,
        workers: int | None = None,
        trim_rule: TrimRule | None = None,
    ) -> tuple[int, int]:
        """Count the words of a corpus into `raw_vocab`; return the number of words and of sentences."""
        if corpus_file is not None:
            counted: Counted = vocabulary.count_file(corpus_file)
        else:
            assert corpus_iterable is not None
            counted = vocabulary.count_sentences(corpus_iterable, self.max_vocab_size, trim_rule)
        self.raw_vocab = counted.counts
        self.corpus_total_words, self.corpus_count = counted.words, counted.sentences
        return counted.words, counted.sentences

    def prepare_vocab(
        self,
        update: bool = False,
        keep_raw_vocab: bool = False,
        trim_rule: TrimRule | None = None,
        min_count: int | None = None,
        sample: float | None = None,
        dry_run: bool = False,
    ) -> dict[str, float]:
        """Choose words of `raw_vocab` and begin with them, or with `dry_run` only report how many they would be."""
        self.min_count = self.min_count if min_count is None else min_count
        self.sample = self.sample if sample is None else sample
        kept, self.effective_min_count = vocabulary.keep(
            self.raw_vocab, self.min_count, self.max_final_vocab, trim_rule
        )
        report = self._report(kept)
        if not dry_run:
            if update:
                self._add_words(kept)
            else:
                self._start_with(kept)
            if not keep_raw_vocab:
                self.raw_vocab = {}
        return report

    def _report(self, kept: Mapping[Hashable, int]) -> dict[str, float]:
        from nce_train.training.parameters import keep_probability

        counts = np.fromiter(kept.values(), np.int64, len(kept))
        retained = int(counts.sum())
        probability = keep_probability(counts, vocabulary.subsample_threshold(self.sample, retained))
        return {
            "drop_unique": len(self.raw_vocab) - len(kept),
            "retain_total": retained,
            "downsample_unique": int((probability < 1).sum()),
            "downsample_total": int((probability * counts).sum()),
            "num_retained_words": len(kept),
        }

    def _start_with(self, kept: Mapping[Hashable, int]) -> None:
        words = vocabulary.by_frequency(kept) if self.sorted_vocab else list(kept)
        self.wv = self._new_vectors()
        self.syn1neg = np.zeros((0, self.vector_size), np.float32)
        self.output_bias = np.zeros(0, np.float32)
        self._append(words, [kept[word] for word in words])

    def _add_words(self, kept: Mapping[Hashable, int]) -> None:
        if not len(self.wv) or self.syn1neg is None or self.output_bias is None:
            raise RuntimeError(
                "You cannot do an online vocabulary-update of a model which has no prior vocabulary; call build_vocab "
                "without update first"
            )
        counts = np.asarray(self.wv.expandos["count"], np.int64)
        before = self._log_shares(counts)
        rows = self.wv.key_to_index
        for word, count in kept.items():
            if word in rows:
                counts[rows[word]] += count
        new = [word for word in vocabulary.by_frequency(kept) if word not in rows]
        self.wv.expandos["count"] = counts
        self._append(new, [kept[word] for word in new])
        # a bias stands for a word's share of the tokens
        self.output_bias[: len(before)] += self._log_shares(self.wv.expandos["count"])[: len(before)] - before

    def _append(self, words: Sequence[Hashable], counts: Sequence[int]) -> None:
        """Add words that have learnt nothing."""
        first = len(self.wv)
        generator = np.random.default_rng([abs(int(self.seed)), first])
        start = (generator.random((len(words), self.vector_size), np.float32) - np.float32(0.5)) / self.vector_size
        self.wv.add_vectors(words, start, {"count": np.asarray(counts, np.int64)})
        assert self.syn1neg is not None and self.output_bias is not None
        self.syn1neg = np.concatenate([self.syn1neg, np.zeros_like(start)])
        shares = self._log_shares(self.wv.expandos["count"])[first:]
        self.output_bias = np.concatenate([self.output_bias, shares.astype(np.float32)])

    def _log_shares(self, counts: np.ndarray) -> np.ndarray:
        from nce_train.training.parameters import log_unigram

        if not len(counts):
            return np.zeros(0)
        return log_unigram(counts, vocabulary.subsample_threshold(self.sample, int(counts.sum())))

    def init_weights(self) -> None:
        """Forget all that was learnt, but not the words."""
        words, counts = self.wv.index_to_key, np.asarray(self.wv.expandos["count"], np.int64).tolist()
        self._begin_again(dict(zip(words, counts, strict=True)))

    def reset_from(self, other_model: "ModelVocabulary") -> None:
        """Take over the words and counts of another model, and nothing that it has learnt."""
        words, counts = other_model.wv.index_to_key, np.asarray(other_model.wv.expandos["count"], np.int64).tolist()
        self.corpus_count, self.corpus_total_words = other_model.corpus_count, other_model.corpus_total_words
        self._begin_again(dict(zip(words, counts, strict=True)))

    def _begin_again(self, counts: Mapping[Hashable, int]) -> None:
        self.wv, self.train_count = self._new_vectors(), 0
        self.syn1neg = np.zeros((0, self.vector_size), np.float32)
        self.output_bias = np.zeros(0, np.float32)
        self._append(list(counts), list(counts.values()))

    def _new_vectors(self) -> KeyedVectors:
        return KeyedVectors(self.vector_size)

    def _check_corpus(self, sentences: Any, corpus_file: Any, passes: int) -> None:
        if sentences is None and corpus_file is None:
            raise TypeError("Either one of corpus_file or corpus_iterable value must be provided")
        if sentences is not None and corpus_file is not None:
            raise TypeError("Both corpus_file and corpus_iterable must not be provided at the same time")
        if (
            corpus_file is not None
            and not isinstance(corpus_file, (str, bytes))
            and not hasattr(corpus_file, "__fspath__")
        ):
            raise TypeError(f"corpus_file is of type {type(corpus_file).__name__}; give the path of a text")
        if sentences is not None and not isinstance(sentences, Iterable):
            raise TypeError(
                f"corpus_iterable is of type {type(sentences).__name__}; give an iterable of lists of words"
            )
        if isinstance(sentences, types.GeneratorType) and passes > 1:
            raise TypeError(
                f"Using a generator as corpus_iterable can't support {passes} passes; give a re-iterable sequence, "
                "such as a list"
            )
