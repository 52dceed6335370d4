"""`Model`: the trained classifier, where `Embeddings` has the word vectors only.

It gives p(context word | centre word), or for a CBOW model p(centre word | context words).

In: a model directory with `input.npy`, `output.npy`, `bias.npy`, `vocab.tsv`, `config.yaml`. Out: log-probabilities.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nce_train import nce
from nce_train.arguments import check_integer, check_path, check_words, format_value
from nce_train.embeddings.formats.array_file import read_array
from nce_train.embeddings.formats.model_directory import read_finished
from nce_train.embeddings.formats.npy import read_vocabulary
from nce_train.embeddings.formats.table import Table, check_table
from nce_train.embeddings.spelling import UnknownWordError
from nce_train.errors import InputError
from nce_train.evaluation.word_bags import WordBags, bag_vectors, is_cbow, row_counts
from nce_train.flat_yaml import MAX_BYTES, parse_flat_yaml
from nce_train.model_files import BIAS, CONFIG, INPUT, OUTPUT, PARAMETERS, VOCABULARY


class Model:
    """A trained classifier: F(centre, word) = v_centre · u_word + b_word.

    For a CBOW model (`settings["model"]` is "cbow") F(contexts, centre) = h · u_centre + b_centre, where h is the mean
    of all rows that stand for the contexts in training.

    Attributes
    ----------
    words : list of str
        Row = class id.
    counts : int64 [vocabulary]
    input, output : float32 [vocabulary, dim]
        Word vectors and class weights; read-only memory maps after `load`.
    bias : float32 [vocabulary]
    settings : mapping
        The run's `config.yaml`.

    Examples
    --------
    >>> import nce_train
    >>> sentences = [["red", "green", "blue"], ["green", "red", "blue"]] * 100
    >>> _ = nce_train.train(sentences, output="colours.nce", dim=8, subsample=0, progress=False)
    >>> classifier = nce_train.Model.load("colours.nce")
    >>> classifier.log_probability("red", ["green", "blue"]).shape
    (2,)
    """

    def __init__(
        self,
        words: Sequence[str],
        counts: NDArray[np.int64],
        tables: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
        settings: Mapping[str, Any],
    ) -> None:
        self.words = list(words)
        self.counts = counts
        self.input, self.output, self.bias = tables
        self.settings = settings

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model directory.

        Raises
        ------
        InputError
            When a file is missing or damaged, the files belong to different models, or the model is unfinished.
        """
        check_path("path", path)
        directory = Path(path)
        if not directory.exists():
            raise InputError(f"{directory}: there is no such model directory")
        if not directory.is_dir():
            raise InputError(
                f"{directory}: not a model directory; give one, since a vectors file has no output vectors and biases"
            )
        return read_finished(directory, lambda: cls._read(directory))

    @classmethod
    def _read(cls, directory: Path) -> Self:
        words, counts = read_vocabulary(directory / VOCABULARY)
        for name in (*PARAMETERS, CONFIG):
            if not (directory / name).is_file():
                raise InputError(f"{directory}: this model has no {name}, so it has no classifier")
        tables = [read_array(directory / name, mmap=True) for name in (INPUT, OUTPUT)]
        bias = read_array(directory / BIAS, mmap=True, axes=1)
        shapes = {table.shape for table in tables}
        if shapes != {(len(words), tables[0].shape[1])} or bias.shape != (len(words),):
            raise InputError(f"{directory}: {', '.join(PARAMETERS)} and {VOCABULARY} belong to different models")
        for name, table in zip(PARAMETERS, (*tables, bias[:, None]), strict=True):
            check_table(Table(words, table, counts, place=partial("{}, row {}".format, directory / name)))
        return cls(words, counts, (tables[0], tables[1], bias), _read_settings(directory / CONFIG))

    def __repr__(self) -> str:
        return f"Model({len(self.words)} words, dim {self.input.shape[1]}, {self.loss})"

    @property
    def loss(self) -> str:
        """The loss of the run, as `nce_train.nce.log_probabilities` names it: what its logits estimate."""
        return "sampled_logistic" if self.settings.get("remove_accidental_hits") else "nce"

    def log_probability(
        self, centre: str, contexts: str | Sequence[str], *, normalise: bool = False
    ) -> NDArray[np.float64]:
        """Compute the log-probability of each context word, given the centre.

        With a CBOW model, compute that of the centre, given all context words together.

        Parameters
        ----------
        centre : str
        contexts : str or sequence of str
            With CBOW at least one word; one that is given twice counts twice.
        normalise : bool
            Divide by Z, the sum over the vocabulary, which NCE training brings near 1. Without it log p = F (or
            log σ(F) for a run with `remove_accidental_hits`).

        Returns
        -------
        float64, one for each context word; with CBOW a single one, log p(centre | contexts)

        Raises
        ------
        KeyError
            For a word that is not in the vocabulary.
        TypeError
            For a word that is not a str.
        InputError
            With CBOW, when there is no context word.
        """
        names = _words(contexts, "contexts")
        if is_cbow(self.settings):
            vector, predicted = self._mean_of(names), [centre]
        else:
            vector, predicted = self.input[self._row(centre)][None], names
        rows = np.array([self._row(word) for word in predicted], np.intp)
        if normalise:
            scores = nce.log_probabilities(self.output, self.bias, vector, loss="softmax")
            return scores[0, rows].astype(np.float64)
        if not predicted:
            return np.empty(0)
        scores = nce.log_probabilities(self.output[rows], self.bias[rows], vector, loss=self.loss)
        return scores[0].astype(np.float64)

    def predict(self, centre: str | Sequence[str], topn: int = 10) -> list[tuple[str, float]]:
        """Return the likeliest context words of a centre, or with a CBOW model the likeliest centres of contexts.

        Parameters
        ----------
        centre : str, or with CBOW str or sequence of str
            The centre. With a CBOW model there is none: give the words around it.
        topn : int
            How many words; none below 1.

        Returns
        -------
        list of (str, float)
            Words with their log-probabilities, the likeliest first.

        Raises
        ------
        KeyError
            When a word is not in the vocabulary.
        TypeError
            When a word is not a str, or `topn` is not a whole number.
        InputError
            With CBOW, when there is no context word.
        """
        check_integer("topn", topn)
        if topn < 1:
            return []
        if is_cbow(self.settings):
            vector = self._mean_of(_words(centre, "the context words"))
        else:
            vector = self.input[self._row(centre)][None]
        scores = nce.log_probabilities(self.output, self.bias, vector, loss=self.loss)[0]
        best = np.argsort(-scores, kind="stable")[:topn]
        return [(self.words[row], float(scores[row])) for row in best]

    def _mean_of(self, contexts: Sequence[str]) -> NDArray[np.float32]:
        """The mean [1, dim] of all rows that stand for these words."""
        if not contexts:
            raise InputError("there is no context word; a CBOW model predicts from at least one")
        ids = np.array([[self._row(word) for word in contexts]], np.int32)
        counts = row_counts(contexts, self.settings)
        return bag_vectors(WordBags(ids, counts[None] / counts.sum()), self.input).astype(np.float32)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    def _row(self, word: object) -> int:
        if not isinstance(word, str):
            raise TypeError(f"{format_value(word)} is of type {type(word).__name__}; give a word (str)")
        if word not in self._index:
            raise UnknownWordError(word, self.words)
        return self._index[word]


def _words(given: str | Sequence[str], name: str) -> list[str]:
    """One word, or several; `name` is what they are."""
    if isinstance(given, str):
        return [given]
    check_words(name, given)
    return list(given)


class _RunSettings(BaseModel):
    """The settings that the use of a classifier depends on; others are not checked."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    tokens: Literal["whitespace", "words"]
    lowercase: bool
    line_breaks: Literal["sentence", "ignore"]
    unknown: str | None
    window: int = Field(ge=1)
    sampler: Literal["log-uniform", "unigram", "uniform"]
    distortion: float = Field(ge=-5, le=5)
    num_sampled: int = Field(ge=1)
    unique: bool
    remove_accidental_hits: bool
    # not in the settings of earlier versions, which had skip-gram without n-grams only
    model: Literal["skipgram", "cbow"] = "skipgram"
    ngrams: str = Field("off", pattern=r"^(off|[0-9]{1,2}-[0-9]{1,2})$")


def _read_settings(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: not the settings of a run ({error.strerror})") from None
    values, lines = parse_flat_yaml(content, str(path))
    try:
        _RunSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        line = f", line {lines[name]}" if name in lines else ""
        raise InputError(f"{path}{line}: not the settings of a run ({name}: {first['msg']})") from None
    return values
