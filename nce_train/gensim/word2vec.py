"""`Word2Vec` with gensim 4's keywords and methods, over the trainer of nce-train.

Sentences or a text file go in; `wv`, the `KeyedVectors`, come out. It extends `TrainableModel`, which
trains, and that `ModelVocabulary`, which has the words. `keywords` maps the numbers, `model_files` saves and loads.
"""

import secrets
import warnings
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Self

import numpy as np

from nce_train.arguments import PathLike
from nce_train.errors import NceTrainWarning
from nce_train.gensim import keywords
from nce_train.gensim.model_training import TrainableModel
from nce_train.gensim.vocabulary import TrimRule


class Word2Vec(TrainableModel):
    """Word vectors by skip-gram or CBOW, with the interface of gensim 4's `Word2Vec`.

    docs/gensim.md has a table of what is the same, what differs and what is refused.

    Parameters
    ----------
    sentences : iterable of lists of words, optional
        Trained on at once; without it, call `build_vocab` and `train`. It is read twice, so no generator.
    corpus_file : path, optional
        In its place a text file with a sentence a line, words between white space; compressed ones too.
    vector_size, window, min_count, max_vocab_size, max_final_vocab, epochs, trim_rule, sorted_vocab
        As in gensim.
    alpha, min_alpha : float
        The learning rate at the start and at the end. It is 2 · alpha here with skip-gram and 4 · alpha with CBOW, and
        less with wide windows.
    sample, ns_exponent : float
        gensim's; `subsample` and `distortion` here.
    sg : {0, 1}
        1 for skip-gram, 0 for CBOW.
    hs, cbow_mean, null_word
        Only with gensim's defaults.
    negative : int
        8 centres share max(32, 6.4 · negative) noise samples.
    seed, workers : int
        With one worker the same seed gives the same vectors; None is a new one each time. More workers than CPUs are
        not started, nor more than one for a small corpus.
    shrink_windows : bool
        Draw the window from 1 to `window`.
    compute_loss : bool
        Keep the loss for `get_latest_training_loss`.
    callbacks : iterable
        Objects with any of gensim's methods `on_train_begin`, `on_epoch_begin`, `on_epoch_end`, `on_train_end`.
    hashfxn, batch_words, comment
        Without effect.

    Attributes
    ----------
    wv : KeyedVectors
    syn1neg : float32 [vocabulary, vector_size]
        The output vectors, without the biases, which are in `output_bias`.

    Raises
    ------
    InputError
        A keyword that is refused or out of range.
    RuntimeError
        When no word is left to train on.
    TypeError
        For a generator, a sentence that is no list of words, or both kinds of corpus.

    Examples
    --------
    >>> sentences = [["red", "green", "blue"], ["green", "red", "blue"]] * 100
    >>> model = Word2Vec(sentences, vector_size=8, workers=1)
    >>> model.wv.vectors.shape, len(model.wv.most_similar("red", topn=2))
    ((3, 8), 2)
    """

    _kept_too: tuple[str, ...] = ()  # attributes of a subclass that are saved

    def __init__(
        self,
        sentences: Iterable[Any] | None = None,
        corpus_file: PathLike | None = None,
        vector_size: int = 100,
        alpha: float = 0.025,
        window: int = 5,
        min_count: int = 5,
        max_vocab_size: int | None = None,
        sample: float = 1e-3,
        seed: int | None = 1,
        workers: int = 3,
        min_alpha: float = 0.0001,
        sg: int = 0,
        hs: int = 0,
        negative: int = 5,
        ns_exponent: float = 0.75,
        cbow_mean: int = 1,
        hashfxn: Any = hash,
        epochs: int = 5,
        null_word: int = 0,
        trim_rule: TrimRule | None = None,
        sorted_vocab: int = 1,
        batch_words: int = 10_000,
        compute_loss: bool = False,
        callbacks: Iterable[Any] = (),
        comment: str | None = None,
        max_final_vocab: int | None = None,
        shrink_windows: bool = True,
    ) -> None:
        self.vector_size = self.layer1_size = int(vector_size)
        self.alpha, self.min_alpha = float(alpha), float(min_alpha)
        self.window, self.shrink_windows = window, bool(shrink_windows)
        self.min_count = self.effective_min_count = min_count
        self.max_vocab_size, self.max_final_vocab = max_vocab_size, max_final_vocab
        self.sample, self.workers = sample, workers
        self.seed = secrets.randbelow(2**31) if seed is None else int(seed)
        self.sg, self.hs, self.cbow_mean, self.negative = int(sg), 0, 1, int(negative)
        self.null_word, self.hashfxn = 0, hashfxn
        self.ns_exponent, self.epochs = ns_exponent, epochs
        self.sorted_vocab, self.batch_words = sorted_vocab, batch_words
        self.compute_loss, self.comment = bool(compute_loss), comment
        keywords.check_keywords(self, hs=hs, cbow_mean=cbow_mean, null_word=null_word, hashfxn=hashfxn)
        self.wv = self._new_vectors()
        self.running_training_loss = 0.0
        self.corpus_count = self.corpus_total_words = self.train_count = 0
        self.total_train_time = 0.0
        self.raw_vocab: dict[Hashable, int] = {}
        self.syn1neg: np.ndarray | None = None
        self.output_bias: np.ndarray | None = None
        self._last_run: dict[str, Any] = {}  # of the newest training, for the manifest
        if sentences is None and corpus_file is None:
            if trim_rule is not None:
                warnings.warn(
                    "trim_rule is only used with sentences; give it to build_vocab.", NceTrainWarning, stacklevel=2
                )
            return
        self._check_corpus(sentences, corpus_file, passes=epochs + 1)
        self.build_vocab(sentences, corpus_file=corpus_file, trim_rule=trim_rule)
        self.train(
            sentences,
            corpus_file=corpus_file,
            total_examples=self.corpus_count,
            total_words=self.corpus_total_words,
            epochs=self.epochs,
            start_alpha=self.alpha,
            end_alpha=self.min_alpha,
            compute_loss=self.compute_loss,
            callbacks=callbacks,
        )

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}<vocab={len(self.wv)}, vector_size={self.vector_size}, alpha={self.alpha}>"

    # --- use ------------------------------------------------------------------------------------------------------

    def predict_output_word(
        self, context_words_list: Sequence[Any], topn: int | None = 10
    ) -> list[tuple[Any, float]] | None:
        """Return the likeliest words in the midst of given ones, with their probabilities over the vocabulary.

        The vectors of the given words are averaged, and the softmax of the classifier taken, with its biases.

        Returns
        -------
        list of (word, float) or None
            None when none of the words is in the vocabulary.

        Raises
        ------
        RuntimeError
            When the model has no output vectors.
        """
        if self.syn1neg is None or self.output_bias is None or len(self.syn1neg) != len(self.wv):
            raise RuntimeError("Parameters required for predicting the output words not found; train the model first")
        rows = [self.wv.get_index(word, -1) for word in context_words_list]
        known = [row for row in rows if row >= 0]
        if not known:
            warnings.warn("none of the context words is in the vocabulary.", NceTrainWarning, stacklevel=2)
            return None
        logits = self.syn1neg.astype(np.float64) @ self.wv.vectors[known].mean(axis=0, dtype=np.float64)
        logits += self.output_bias
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        best = np.argsort(-probabilities, kind="stable")[:topn]
        return [(self.wv.index_to_key[row], float(probabilities[row])) for row in best]

    def score(self, *_: Any, **__: Any) -> Any:
        """Refuse: the likelihood of a sentence needs hierarchical softmax."""
        raise NotImplementedError(
            "score needs hierarchical softmax (hs=1), which nce-train does not have; nce_train.Model.load(path)."
            "log_probability gives the probabilities of words"
        )

    def init_sims(self, replace: bool = False) -> None:
        """Do nothing: norms are computed when they are needed."""
        warnings.warn("init_sims has no effect; norms are computed when they are needed", DeprecationWarning, 2)

    def estimate_memory(self, vocab_size: int | None = None, report: dict[str, int] | None = None) -> dict[str, int]:
        """Estimate the bytes that words and parameters of the model take."""
        words = len(self.wv) if vocab_size is None else vocab_size
        report = {} if report is None else report
        report["vocab"] = words * 200
        report["vectors"] = report["syn1neg"] = words * self.vector_size * 4
        report["total"] = sum(value for name, value in report.items() if name != "total")
        return report

    def add_lifecycle_event(self, event_name: str, log_level: int = 20, **event: Any) -> None:
        """Do nothing: no events are kept."""

    # --- files ----------------------------------------------------------------------------------------------------

    def save(self, fname: PathLike, *_: Any, **__: Any) -> None:
        """Write the model as a model directory, which `nce_train.Embeddings.load` and the commands read too.

        An older model at `fname` is replaced. Further arguments of gensim have no effect.

        Raises
        ------
        InputError
            When `fname` is a file or holds something else, or a word is no text that fits on a line.
        """
        from nce_train.gensim.model_files import save_model_of

        save_model_of(self, fname)

    @classmethod
    def load(cls, fname: PathLike, mmap: str | None = None, **_: Any) -> Self:
        """Read what `save` or `nce-train` has written.

        Parameters
        ----------
        fname : path
            A model directory.
        mmap : str, optional
            Map the vectors instead of reading them; they cannot be changed then.

        Raises
        ------
        InputError
            When it is no model directory with a classifier.
        """
        from nce_train.gensim.model_files import load_model_into

        model = cls.__new__(cls)
        load_model_into(model, fname, mmap is not None)
        return model
