"""Held-out text that is looked at again and again while a model is trained.

In: a text and the vocabulary of the run; then, as often as wanted, parameters. Out: the mean NCE loss of the text's
(centre, context) pairs, always against the same noise, so that losses of one run can be compared.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.evaluation.classifier import Model
from nce_train.evaluation.heldout import MOST_PAIRS, encode_text, heldout_pairs, without_pairs
from nce_train.evaluation.heldout_batches import NceBatch, mean_nce_loss, nce_batches, sum_of_nce_losses
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

    Attributes
    ----------
    batches : list of NceBatch
        The pairs, at most 2.5 MB whatever the size of the text.

    Raises
    ------
    InputError
        When the text cannot be read or has no pair of words of the vocabulary.
    """

    def __init__(self, text: str | os.PathLike[str], vocabulary: Vocabulary, settings: Mapping[str, Any]) -> None:
        nothing = np.empty((0, 0), np.float32)
        model = Model(list(vocabulary.words), vocabulary.counts, (nothing, nothing, nothing), settings)
        stream = encode_text(model, text, int(settings["threads"]))
        centres, contexts = heldout_pairs(stream, int(settings["window"]), MOST_PAIRS)
        if len(centres) == 0:
            raise without_pairs(text)
        self.batches: list[NceBatch] = list(nce_batches(centres, contexts, vocabulary.counts, settings))
        self._pairs = len(centres)

    def loss(
        self, input: NDArray[np.float32], output: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> dict[str, float]:
        """The loss of parameters of shapes [vocabulary, dim], [vocabulary, dim] and [vocabulary].

        Returns
        -------
        dict
            `pairs`, and `nce_loss` as `heldout_loss` takes it: the mean of `nce_loss` a pair, seed 0.
        """
        return self.mean(sum_of_nce_losses(batch, input, output, bias) for batch in self.batches)

    def mean(self, sums: Iterable[float]) -> dict[str, float]:
        """What `loss` returns, from the sums of the batches' losses."""
        return {"pairs": self._pairs, "nce_loss": mean_nce_loss(sums, self._pairs)}
