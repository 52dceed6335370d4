"""From sentences and parameters to better parameters: what `Word2Vec.train` does, without its keywords.

Sentences become ids in a file, an id being the row of a word; a file of text is read by the reader of `nce_train.text`.
`learn` trains on the ids and returns new parameters. The rows of parameters may be in any order; the trainer gets them
by decreasing frequency.
"""

import logging
import tempfile
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nce_train.embeddings.subwords import SubWords
from nce_train.runs.compiling import BackgroundCompilation, trainer_type
from nce_train.training.observers import Observer, Pause
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.kernel.state import Tables
    from nce_train.training.ngram_rows import NgramRows
    from nce_train.training.trainer import Totals, Trainer

logger = logging.getLogger(__name__)

_LINE_END, _DROPPED = -1, -2
_IDS_AT_ONCE = 1 << 20


@dataclass
class Parameters:
    """What a model has learnt, row by row."""

    words: list[Any]
    counts: np.ndarray  # int64 [words]
    input: np.ndarray  # float32 [words, dim]: the words' vectors, composed where they have n-grams
    output: np.ndarray  # float32 [words, dim]
    bias: np.ndarray  # float32 [words]
    subwords: SubWords | None = None  # of a trained model with n-grams


class Stream(NamedTuple):
    """Sentences as ids."""

    ids: np.ndarray  # int32 [n], read-only: rows of words, and -1 behind each sentence
    tokens: int  # ids without the -1
    raw_words: int  # tokens of the sentences, also those of words without a row


@contextmanager
def ids_of_sentences(sentences: Iterable[Iterable[Hashable]], rows: Mapping[Any, int]) -> Iterator[Stream]:
    """Convert sentences to ids in a temporary file; words without a row are left out."""
    from nce_train.mapped_files import map_array

    with tempfile.TemporaryFile(prefix="nce-train-") as file:
        ids = array("i")
        raw = tokens = length = 0
        at_start = True
        for sentence in sentences:
            ids.extend(map(rows.get, sentence, repeat(_DROPPED)))
            ids.append(_LINE_END)
            if len(ids) >= _IDS_AT_ONCE:
                found, raw_here = _kept(ids, at_start)
                at_start = _ends_line(found, at_start)
                raw, tokens, length = raw + raw_here, tokens + int((found >= 0).sum()), length + len(found)
                file.write(found.data)
                ids = array("i")
        found, raw_here = _kept(ids, at_start)
        file.write(found.data)
        file.flush()
        raw, tokens, length = raw + raw_here, tokens + int((found >= 0).sum()), length + len(found)
        stream = map_array(file, np.int32, (length,))
        stream.flags.writeable = False
        yield Stream(stream, tokens, raw)


@contextmanager
def ids_of_file(path: Any, words: list[Any], counts: np.ndarray, threads: int) -> Iterator[Stream]:
    """Convert a text with a sentence a line to ids in a temporary file; `words` are by decreasing frequency."""
    from nce_train.text.corpus import encode_corpus
    from nce_train.text.vocabulary import Vocabulary

    with tempfile.TemporaryDirectory(prefix="nce-train-") as directory:
        vocabulary = Vocabulary(words, counts)
        encoded = encode_corpus(path, directory, vocabulary=vocabulary, threads=threads, cache=False)
        yield Stream(encoded.stream, encoded.token_count, encoded.text.tokens)


def learn(
    stream: Stream,
    parameters: Parameters,
    settings: Settings,
    *,
    epochs: int,
    has_learnt: bool,
    on_epoch: Callable[[int, "Trainer", Callable[[], Parameters]], None] | None,
) -> tuple[Parameters, "Totals"]:
    """Train for some epochs.

    Parameters
    ----------
    stream : Stream
        With ids of the parameters' rows.
    parameters : Parameters
        By decreasing count.
    settings : Settings
        Resolved. Its `epochs` are those over which the learning rate falls to nothing.
    epochs : int
        At most those of `settings`.
    has_learnt : bool
        Whether vectors of words with n-grams are those of an earlier run; otherwise n-grams and words start anew.
    on_epoch : callable, optional
        Called with the number of epochs done (0 before the first), the trainer, and what returns the parameters there.

    Returns
    -------
    parameters : Parameters
    totals : Totals
        Of the trainer: the words trained, the pairs, the loss.

    Raises
    ------
    InputError
        When there is too little memory.
    DivergedError
        When the loss explodes.
    """
    from nce_train.runs.limits import TableSizes, refuse_without_memory
    from nce_train.text.vocabulary import Vocabulary
    from nce_train.training.ngram_rows import ngram_rows

    words, counts = parameters.words, parameters.counts
    with BackgroundCompilation(settings) as kernel:
        kernel.start()
        ngrams = ngram_rows(words, counts, settings)
        kernel.wait(lambda: logger.warning("compiling the kernel, to be stored for later runs"))
    refuse_without_memory(TableSizes.of(Vocabulary(words, counts), ngrams), settings, None)
    trainer = trainer_type(settings)(stream.ids, stream.tokens, counts, settings, ngrams)
    trainer.compile()
    trainer.start_with(lambda tables: _fill(tables, ngrams, parameters, settings, has_learnt))
    observers: list[Observer] = []
    if on_epoch is not None or epochs < settings.epochs:
        observers.append(_Epochs(trainer, epochs, on_epoch, lambda: _parameters_of(trainer, parameters)))
    trained = trainer.run(observers)
    return _parameters_of(trainer, parameters), trained.totals


class _Epochs(Observer):
    """Calls back after each epoch, and ends the run after the last one that is wanted."""

    after_epochs = True

    def __init__(
        self,
        trainer: "Trainer",
        epochs: int,
        on_epoch: Callable[[int, "Trainer", Callable[[], Parameters]], None] | None,
        parameters: Callable[[], Parameters],
    ) -> None:
        self._trainer = trainer
        self._epochs = epochs
        self._on_epoch = on_epoch
        self._parameters = parameters
        self._done = -1

    def on_pause(self, pause: Pause) -> None:
        """Call back where an epoch has ended, and before the first one."""
        done = (0 if self._done < 0 else None) if pause.epochs_done is None else pause.epochs_done
        if done is None or done <= self._done:
            return
        self._done = done
        if self._on_epoch is not None:
            self._on_epoch(done, self._trainer, self._parameters)
        if done >= self._epochs:
            self._trainer.end_early()


def _fill(
    tables: "Tables", ngrams: "NgramRows | None", parameters: Parameters, settings: Settings, has_learnt: bool
) -> None:
    """Write known parameters over the random start of the trainer."""
    from nce_train.training.ngram_rows import set_ngram_vectors, set_word_vectors

    rows, dim = len(parameters.words), settings.dim
    tables.output[:rows, :dim] = parameters.output
    tables.bias[:rows] = parameters.bias
    if ngrams is None:
        tables.input[:rows, :dim] = parameters.input
    elif has_learnt:
        if (subwords := parameters.subwords) is not None:
            set_ngram_vectors(tables.input, ngrams, subwords.rows, subwords.vectors)
        every = np.arange(rows)
        set_word_vectors(tables.input, ngrams, every, parameters.input, every, int(settings.threads))


def _parameters_of(trainer: "Trainer", before: Parameters) -> Parameters:
    """Copy the parameters of a trainer; no thread may be at work."""
    tables, settings, words = trainer.shared_tables(), trainer.settings, len(before.words)
    subwords = None
    if trainer.ngrams is not None and settings.ngram_lengths is not None:
        vectors = np.array(tables.input[words:, : settings.dim])
        subwords = SubWords(*settings.ngram_lengths, settings.buckets, trainer.ngrams.buckets, vectors)
    return replace(
        before,
        input=np.array(trainer.word_vectors()),
        output=np.array(tables.output[:words, : settings.dim]),
        bias=np.array(tables.bias[:words]),
        subwords=subwords,
    )


def _kept(ids: "array[int]", at_start: bool) -> tuple[np.ndarray, int]:
    """The ids without dropped words and without empty sentences, and the number of all tokens."""
    found = np.frombuffer(ids, np.int32) if len(ids) else np.empty(0, np.int32)
    raw = int(np.count_nonzero(found != _LINE_END))
    found = found[found != _DROPPED]
    ends = found == _LINE_END
    is_empty = ends & np.concatenate([[at_start], ends[:-1]]) if len(ends) else ends
    return np.ascontiguousarray(found[~is_empty]), raw


def _ends_line(found: np.ndarray, before: bool) -> bool:
    return bool(found[-1] == _LINE_END) if len(found) else before
