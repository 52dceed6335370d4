"""Training of a model: the part of `Word2Vec` that trains, calls callbacks, and reports the loss.

Sentences or a text file go in; `wv`, `syn1neg` and `output_bias` change. `learning` does the work, with rows by
decreasing frequency; here the rows are in the order of `wv`.
"""

import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.arguments import PathLike
from nce_train.errors import DivergedError, InputError, NceTrainWarning
from nce_train.gensim import keywords
from nce_train.gensim.model_vocabulary import ModelVocabulary

if TYPE_CHECKING:
    from nce_train.gensim.learning import Parameters, Stream
    from nce_train.training.settings import Settings
    from nce_train.training.trainer import Totals, Trainer

_MOST_RESTARTS = 3
_NOT_BUILT = "you must first build vocabulary before training the model; call build_vocab"


class TrainableModel(ModelVocabulary):
    """A model that can be trained; `Word2Vec` describes attributes."""

    alpha: float
    min_alpha: float
    compute_loss: bool
    running_training_loss: float
    total_train_time: float
    _last_run: dict[str, Any]  # of the newest training, for the manifest

    def train(
        self,
        corpus_iterable: Iterable[Any] | None = None,
        corpus_file: PathLike | None = None,
        total_examples: int | None = None,
        total_words: int | None = None,
        epochs: int | None = None,
        start_alpha: float | None = None,
        end_alpha: float | None = None,
        word_count: int = 0,
        queue_factor: int = 2,
        report_delay: float = 1.0,
        compute_loss: bool = False,
        callbacks: Iterable[Any] = (),
        **kwargs: Any,
    ) -> tuple[int, int]:
        """Train on a corpus; a further call goes on from there.

        Parameters
        ----------
        corpus_iterable, corpus_file
            Sentences, or a text file with a sentence a line. They are read once, whatever `epochs` is.
        total_examples, total_words : int
            One of them must be given, as in gensim, but the corpus itself says how long it is.
        epochs : int
            Must be given.
        start_alpha, end_alpha : float, optional
            Of this call, for `alpha` and `min_alpha`.
        compute_loss : bool
            Keep the loss for `get_latest_training_loss`.
        callbacks : iterable
        word_count, queue_factor, report_delay
            Without effect.

        Returns
        -------
        (int, int)
            Words trained, without those that were sampled away, and words read, over all epochs.

        Raises
        ------
        RuntimeError
            When there is no vocabulary.
        ValueError
            When `epochs` or both totals are missing, or parameters of training are.
        TypeError
            For a generator and more than one epoch.
        """
        self.alpha = self.alpha if start_alpha is None else float(start_alpha)
        self.min_alpha = self.min_alpha if end_alpha is None else float(end_alpha)
        self._check_training(corpus_iterable, corpus_file, total_examples, total_words, epochs, kwargs)
        assert epochs is not None
        self.compute_loss, self.running_training_loss = bool(compute_loss), 0.0
        callbacks = list(callbacks)
        _call(callbacks, "on_train_begin", self)
        started = time.perf_counter()
        trained, raw = self._train(corpus_iterable, corpus_file, epochs, callbacks)
        self.total_train_time += time.perf_counter() - started
        self.train_count += 1
        _call(callbacks, "on_train_end", self)
        return trained, raw * epochs

    def _train(
        self, sentences: Iterable[Any] | None, corpus_file: PathLike | None, epochs: int, callbacks: list[Any]
    ) -> tuple[int, int]:
        from nce_train.gensim import learning

        counts = np.asarray(self.wv.expandos["count"], np.int64)
        order = np.argsort(-counts, kind="stable")
        ordered = self._parameters(order)
        ngrams = self._ngrams()
        settings = keywords.run_settings(self, self.alpha, self.min_alpha, epochs, int(counts.sum()), ngrams)
        if corpus_file is not None:
            opened = learning.ids_of_file(corpus_file, ordered.words, ordered.counts, int(settings.threads))
        else:
            assert sentences is not None
            rows = {word: row for row, word in enumerate(ordered.words)}
            opened = learning.ids_of_sentences(sentences, rows)
        with opened as stream:
            if not self._can_learn(stream):
                return 0, stream.raw_words

            def on_epoch(done: int, trainer: "Trainer", parameters: Any) -> None:
                if done > 0:
                    self._take(parameters(), order, trainer.totals)
                    _call(callbacks, "on_epoch_end", self)
                if done < epochs:
                    _call(callbacks, "on_epoch_begin", self)

            learnt, totals, settings = _learn_at_a_safe_rate(
                stream,
                ordered,
                settings,
                epochs=epochs,
                has_learnt=self.train_count > 0,
                on_epoch=on_epoch if callbacks else None,
            )
            self._take(learnt, order, totals)
            self._last_run = {
                "config": settings.model_dump(),
                "tokens": stream.tokens,
                "tokens_trained": totals.tokens,
                "pairs": totals.pairs,
            }
            return totals.centres, stream.raw_words

    def _can_learn(self, stream: "Stream") -> bool:
        longest_gap = np.flatnonzero(stream.ids < 0)
        has_pair = bool((np.diff(longest_gap, prepend=-1) > 2).any())
        if not has_pair or len(self.wv) < 2:
            warnings.warn(
                f"nothing was trained: no sentence has two words of the {len(self.wv)} in the vocabulary; lower "
                "min_count or give other sentences.",
                NceTrainWarning,
                stacklevel=4,
            )
        return has_pair and len(self.wv) > 1

    def _parameters(self, order: np.ndarray) -> "Parameters":
        """What was learnt, with rows in this order."""
        from nce_train.gensim.learning import Parameters

        assert self.syn1neg is not None and self.output_bias is not None
        is_ordered = bool((np.diff(order) == 1).all())
        rows: Any = slice(None) if is_ordered else order
        words = self.wv.index_to_key if is_ordered else [self.wv.index_to_key[row] for row in order.tolist()]
        return Parameters(
            list(words),
            np.asarray(self.wv.expandos["count"], np.int64)[rows],
            self.wv.vectors[rows],
            self.syn1neg[rows],
            self.output_bias[rows],
            self.wv.subwords,
        )

    def _take(self, learnt: "Parameters", order: np.ndarray, totals: "Totals") -> None:
        """Take over parameters whose rows are in this order."""
        if not bool((np.diff(order) == 1).all()):
            place = np.argsort(order)
            tables = (learnt.input[place], learnt.output[place], learnt.bias[place])
            learnt = replace(learnt, input=tables[0], output=tables[1], bias=tables[2])
        self.wv.vectors, self.syn1neg, self.output_bias = learnt.input, learnt.output, learnt.bias
        self.wv.subwords = learnt.subwords
        self.wv.norms = None
        if self.compute_loss:
            self.running_training_loss = float(totals.loss)

    def _check_training(
        self, sentences: Any, corpus_file: Any, examples: Any, words: Any, epochs: Any, others: Mapping[str, Any]
    ) -> None:
        if others:
            raise TypeError(f"train() got an unexpected keyword argument {next(iter(others))!r}")
        self._check_corpus(sentences, corpus_file, passes=1 if epochs is None else epochs)
        if epochs is None:
            raise ValueError("You must specify an explicit epochs count; the usual value is epochs=model.epochs")
        if examples is None and words is None:
            raise ValueError(
                "You must specify either total_examples or total_words; the usual value is "
                "total_examples=model.corpus_count"
            )
        if not len(self.wv):
            raise RuntimeError(_NOT_BUILT)
        if self.syn1neg is None or self.output_bias is None:
            raise ValueError("the vectors have no output vectors to train with; begin with build_vocab")
        if len(self.syn1neg) != len(self.wv):
            raise InputError(
                f"wv has {len(self.wv)} words, and {len(self.syn1neg)} have output vectors; add words by "
                "build_vocab(update=True)"
            )

    def get_latest_training_loss(self) -> float:
        """The sum of the NCE loss over the pairs of the last `train`, so far; 0.0 without `compute_loss`."""
        return self.running_training_loss

    def _ngrams(self) -> tuple[int, int, int] | None:
        return None


def _learn_at_a_safe_rate(
    stream: "Stream", parameters: "Parameters", settings: "Settings", **arguments: Any
) -> "tuple[Parameters, Totals, Settings]":
    """Train; where the loss explodes, begin again at a quarter of the rate, as gensim's own steps do not explode."""
    from nce_train.gensim.learning import learn

    for _ in range(_MOST_RESTARTS):
        try:
            return *learn(stream, parameters, settings, **arguments), settings
        except DivergedError:
            lower = settings.model_copy(update={"lr": float(settings.lr) / 4})
            warnings.warn(
                f"the loss exploded at a learning rate of {settings.lr:g}, so that training begins again at "
                f"{lower.lr:g}; give a lower alpha.",
                NceTrainWarning,
                stacklevel=5,
            )
            settings = lower
    return *learn(stream, parameters, settings, **arguments), settings


def _call(callbacks: Iterable[Any], name: str, model: TrainableModel) -> None:
    for callback in callbacks:
        method = getattr(callback, name, None)
        if method is not None:
            method(model)
