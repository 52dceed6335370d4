"""`Model`: the trained classifier p(context word | centre word), where `Embeddings` has the word vectors only.

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
from nce_train.flat_yaml import MAX_BYTES, parse_flat_yaml
from nce_train.model_files import BIAS, CONFIG, INPUT, OUTPUT, PARAMETERS, VOCABULARY


class Model:
    """A trained classifier: F(centre, word) = v_centre · u_word + b_word.

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

        Parameters
        ----------
        centre : str
        contexts : str or sequence of str
        normalise : bool
            Divide by Z, the sum over the vocabulary, which NCE training brings near 1. Without it log p = F (or
            log σ(F) for a run with `remove_accidental_hits`).

        Returns
        -------
        float64, one for each context word

        Raises
        ------
        KeyError
            For a word that is not in the vocabulary.
        TypeError
            For a word that is not a str.
        """
        if not isinstance(contexts, str):
            check_words("contexts", contexts)
        names = [contexts] if isinstance(contexts, str) else list(contexts)
        rows = np.array([self._row(word) for word in names], np.intp)
        vector = self.input[self._row(centre)][None]
        if normalise:
            scores = nce.log_probabilities(self.output, self.bias, vector, loss="softmax")
            return scores[0, rows].astype(np.float64)
        if not names:
            return np.empty(0)
        scores = nce.log_probabilities(self.output[rows], self.bias[rows], vector, loss=self.loss)
        return scores[0].astype(np.float64)

    def predict(self, centre: str, topn: int = 10) -> list[tuple[str, float]]:
        """Return the likeliest context words of a centre.

        Parameters
        ----------
        centre : str
        topn : int
            How many words; none below 1.

        Returns
        -------
        list of (str, float)
            Words with their log-probabilities, the likeliest first.

        Raises
        ------
        KeyError
            When the centre is not in the vocabulary.
        TypeError
            When the centre is not a str, or `topn` is not a whole number.
        """
        check_integer("topn", topn)
        if topn < 1:
            return []
        vector = self.input[self._row(centre)][None]
        scores = nce.log_probabilities(self.output, self.bias, vector, loss=self.loss)[0]
        best = np.argsort(-scores, kind="stable")[:topn]
        return [(self.words[row], float(scores[row])) for row in best]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    def _row(self, word: str) -> int:
        if not isinstance(word, str):
            raise TypeError(f"{format_value(word)} is of type {type(word).__name__}; give a word (str)")
        if word not in self._index:
            raise UnknownWordError(word, self.words)
        return self._index[word]


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
