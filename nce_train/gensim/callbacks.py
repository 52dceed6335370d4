"""The base class of callbacks, under gensim's name. Any object with some of its methods will do."""

from typing import Any


class CallbackAny2Vec:
    """Called during `train` with the model, whose `wv` is that of the moment; each method does nothing here.

    Examples
    --------
    >>> from nce_train.gensim import Word2Vec
    >>> class Losses(CallbackAny2Vec):
    ...     def __init__(self):
    ...         self.losses = []
    ...
    ...     def on_epoch_end(self, model):
    ...         self.losses.append(model.get_latest_training_loss())
    ...
    >>> losses = Losses()
    >>> sentences = [["red", "green", "blue"], ["green", "red", "blue"]] * 100
    >>> _ = Word2Vec(sentences, vector_size=8, epochs=3, compute_loss=True, callbacks=[losses])
    >>> len(losses.losses)
    3
    """

    def on_train_begin(self, model: Any) -> None:
        """Training begins."""

    def on_epoch_begin(self, model: Any) -> None:
        """An epoch begins."""

    def on_epoch_end(self, model: Any) -> None:
        """An epoch has ended."""

    def on_train_end(self, model: Any) -> None:
        """Training has ended."""
