"""Held-out text that is looked at again and again while a model is trained.

In: a text and the vocabulary of the run; then, as often as wanted, parameters. Out: the mean NCE loss of the text's
(centre, context) pairs, always against the same noise, so that losses of one run can be compared.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.evaluation.classifier import Model
from nce_train.evaluation.heldout import MOST_PAIRS, encode_text, heldout_pairs, mean_nce_loss, without_pairs
from nce_train.text.vocabulary import Vocabulary


class HeldoutText:
    """The pairs of a text that is not trained on.

    Parameters
    ----------
    text : path
        Read as the training text is.
    vocabulary : Vocabulary
    settings : mapping
        The run's.

    Raises
    ------
    InputError
        When the text cannot be read or has no pair of words of the vocabulary.
    """

    def __init__(self, text: str | os.PathLike[str], vocabulary: Vocabulary, settings: Mapping[str, Any]) -> None:
        self._words = list(vocabulary.words)
        self._counts = vocabulary.counts
        self._settings = settings
        nothing = np.empty((0, 0), np.float32)
        stream = encode_text(self._model(nothing, nothing, nothing), text, int(settings["threads"]))
        self._centres, self._contexts = heldout_pairs(stream, int(settings["window"]), MOST_PAIRS)
        if len(self._centres) == 0:
            raise without_pairs(text)

    def loss(
        self, input: NDArray[np.float32], output: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> dict[str, float]:
        """The loss of parameters of shapes [vocabulary, dim], [vocabulary, dim] and [vocabulary].

        Returns
        -------
        dict
            `pairs`, and `nce_loss` as `heldout_loss` takes it: the mean of `nce_loss` a pair, seed 0.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            loss = mean_nce_loss(self._model(input, output, bias), self._centres, self._contexts)
        return {"pairs": len(self._centres), "nce_loss": loss}

    def _model(self, input: NDArray[np.float32], output: NDArray[np.float32], bias: NDArray[np.float32]) -> Model:
        return Model(self._words, self._counts, (input, output, bias), self._settings)
