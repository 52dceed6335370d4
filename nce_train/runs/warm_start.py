"""A run that does not begin from nothing: with vectors that are there (init), or with a model (continue).

In go words with parameters; out come tables in which every known word has its parameters, in its new row. Words that
are not known keep the start that the settings give them. What was started from is written down by name and SHA-256, so
that a resumed run can check that it has not changed.
"""

import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nce_train.errors import InputError
from nce_train.model_files import CONFIG, MANIFEST
from nce_train.runs.model_directory import sha256_of
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings
from nce_train.training.settings_files import load_settings, read_config, settings_of_run

if TYPE_CHECKING:
    from nce_train.kernel.state import Tables
    from nce_train.training.ngram_rows import NgramRows
    from nce_train.training.trainer import Trainer

IN_MEMORY = "embeddings in memory"
How = Literal["init", "continue"]

_ROWS_AT_ONCE = 2**14

# What of a model's settings is not taken over when it is continued: what was found for its text and machine, and the
# files of that run.
_OF_THAT_RUN: dict[str, Any] = {
    "lr": "auto",
    "threads": "auto",
    "round_tokens": "auto",
    "round_tau": "auto",
    "vocab": None,
    "heldout": None,
    "patience": None,
    "eval_every": None,
    "eval_set": [],
}

# Given how to start and the path of a record: what there is now
FindStart = Callable[[How, str], "WarmStart"]


class KnownNgrams(NamedTuple):
    """Vectors of the n-grams of a number of characters, by hash bucket."""

    lengths: tuple[int, int]  # of the shortest and the longest
    num_buckets: int
    buckets: np.ndarray  # int32 [n], those that have a vector
    vectors: np.ndarray  # float32 [n, dim]


class Known(NamedTuple):
    """Words with parameters, row by row."""

    vocabulary: Vocabulary  # its counts matter where there are biases
    input: np.ndarray  # float32 [words, dim]: the words' vectors, composed where they have n-grams
    output: np.ndarray | None = None  # float32 [words, dim]
    bias: np.ndarray | None = None  # float32 [words]
    subsample: float = 0.0  # of the run that made the biases
    ngrams: KnownNgrams | None = None


class WarmStart:
    """What a run begins with.

    Parameters
    ----------
    how : {"init", "continue"}
        Whether the vocabulary is that of the corpus alone, or all known words stay and the corpus's are added.
    path : str or None
        Where the parameters come from; None for memory.
    known : Known

    Attributes
    ----------
    record : dict
        For the run record: `how`, `name`, `path` (absolute, or None), `files` (SHA-256 by name), `first_lr` (the lr of
        the model's first run, when this one's is to follow from it), and after `fill` `words_found` and `words`, the
        number of rows with known parameters and of all.
    """

    def __init__(self, how: How, path: str | os.PathLike[str] | None, known: Known) -> None:
        self.record: dict[str, Any] = {
            "how": how,
            "name": IN_MEMORY if path is None else os.fspath(path),
            "path": None if path is None else os.path.abspath(path),
            "files": {} if path is None else file_hashes(Path(path)),
        }
        if path is not None:
            _refuse_damaged(Path(path), self.record["files"])
        self._known: Known | None = known
        self._about_ngrams = "" if known.ngrams is None else " Its n-grams, of other lengths or buckets, are left out."

    @property
    def known(self) -> Known:
        """Words and parameters, before `fill`."""
        assert self._known is not None
        return self._known

    @property
    def to_extend(self) -> Vocabulary | None:
        """The vocabulary whose words all stay, before `fill`."""
        return self.known.vocabulary if self.record["how"] == "continue" else None

    def with_lr(self, settings: Settings, token_count: int) -> Settings:
        """The settings with the learning rate of a continued run, if none was given, before `fill`.

        It is the one at which training would now be, had it fallen linearly over the old text and the new one from the
        `first_lr`, say r: r · n / (o + n) for n new tokens behind o old ones.

        Notes
        -----
        Measured with r = 0.05 on Wikipedia text, dim 128, 5 epochs each: analogies, and NCE loss of held-out text.

        =========================  ============  ============  ============  ============  ============  ===========
        old and new tokens         old model     lr 0.05       0.025         0.0125        0.005         this rule's
        =========================  ============  ============  ============  ============  ============  ===========
        8.2 M, and 8.1 M           .308, 4.482   .330, 4.463   .355, 4.444   .369, 4.449   .363, 4.453   0.0249
        8.2 M, and 0.46 M          .308, 4.532   .126, 4.626   .210, 4.583   .272, 4.559   .303, 4.518   0.0027
        0.47 M, and 0.46 M         .015, 4.727   .041, 4.723   .034, 4.705   .022, 4.736   .020, 4.740   0.0246
        =========================  ============  ============  ============  ============  ============  ===========

        At 0.0027 the second row has .308, 4.498: with much less text than it knows, a model only holds its own if it
        learns slowly. (5,000 held-out pairs in the second and third row, 20,000 in the first.)
        """
        first_lr = self.record.get("first_lr")
        if first_lr is None:
            return settings
        old = int(self.known.vocabulary.counts.sum())
        return settings.model_copy(update={"lr": first_lr * token_count / (old + token_count)})

    def fill_trainer(self, trainer: "Trainer", vocabulary: Vocabulary) -> None:
        """Have a trainer that has not begun start with the known parameters; see `fill`."""
        trainer.start_with(
            functools.partial(self.fill, vocabulary=vocabulary, settings=trainer.settings, ngrams=trainer.ngrams)
        )

    def fill(
        self, tables: "Tables", vocabulary: Vocabulary, settings: Settings, ngrams: "NgramRows | None" = None
    ) -> None:
        """Write the known parameters over those of a beginning run; to be called once, for they are forgotten then.

        Where words have n-grams, those that are known keep their vectors if they are of the same lengths and buckets,
        and the words' own rows are set such that their composed vectors are the known ones.

        A bias stands for the logarithm of a word's share of the tokens, so it changes by as much as that does from the
        old counts to the new ones (not with `bias_init` zero).

        Parameters
        ----------
        tables : Tables
            The classes' rows only.
        vocabulary : Vocabulary
            Their words.
        settings : Settings
        ngrams : NgramRows, optional
            Of the run that begins.

        Raises
        ------
        InputError
            When no word is known.
        """
        from nce_train.training.ngram_rows import set_ngram_vectors, set_word_vectors  # compiled code
        from nce_train.training.parameters import log_unigram

        known, self._known = self.known, None
        index = known.vocabulary.index
        old_row = np.fromiter((index.get(word, -1) for word in vocabulary.words), np.int64, len(vocabulary))
        rows = np.flatnonzero(old_row >= 0)
        if len(rows) == 0:
            raise InputError(
                f"None of the {len(vocabulary):,} words of the corpus is in {self.record['name']}: words are compared "
                "as they are, so --lowercase and --tokens matter."
            )
        old_row = old_row[rows]
        if ngrams is None:
            _copy_rows(known.input, old_row, tables.input, rows)
        else:
            if known.ngrams is not None and known.ngrams[:2] == (settings.ngram_lengths, settings.buckets):
                set_ngram_vectors(tables.input, ngrams, known.ngrams.buckets, known.ngrams.vectors)
                self._about_ngrams = f" So do n-grams ({settings.ngrams})."
            set_word_vectors(tables.input, ngrams, rows, known.input, old_row, int(settings.threads))
        if known.output is not None:
            _copy_rows(known.output, old_row, tables.output, rows)
        if known.bias is not None:
            tables.bias[rows] = known.bias[old_row]
            if settings.bias_init == "log-unigram":
                before = log_unigram(known.vocabulary.counts, known.subsample)[old_row]
                tables.bias[rows] += log_unigram(vocabulary.counts, settings.subsample)[rows] - before
        self.record.update(words_found=len(rows), words=len(vocabulary))

    def summary(self) -> str:
        """How many words were known to `fill`, and whether n-grams were."""
        name, found, words = (self.record[key] for key in ("name", "words_found", "words"))
        if self.record["how"] == "continue":
            said = f"All {found:,} words of {name} keep what they have learnt, and {words - found:,} are new."
        else:
            said = f"{found:,} of the {words:,} words ({found / words:.0%}) start with what they have in {name}."
        return said + self._about_ngrams


def _copy_rows(values: np.ndarray, value_rows: np.ndarray, table: np.ndarray, rows: np.ndarray) -> None:
    for first in range(0, len(rows), _ROWS_AT_ONCE):  # no second table in memory
        part = slice(first, first + _ROWS_AT_ONCE)
        table[rows[part], : values.shape[1]] = values[value_rows[part]]


def settings_to_continue(
    start: WarmStart, model: Path, config: str | os.PathLike[str] | None, given: Mapping[str, Any]
) -> Settings:
    """The settings of a run that continues a model: the model's, then those of `config`, then those given.

    Raises InputError when one is wrong, or must be the model's.
    """
    changes = {**({} if config is None else read_config(config)), **given}
    settings = settings_of_run(model / CONFIG, {**_OF_THAT_RUN, **changes})
    if settings.lr == "auto":
        start.record["first_lr"] = _first_lr(model)
    if settings.vocab is not None:
        raise InputError("With --continue the words are those of the model and of the text: leave --vocab out.")
    unknown = start.known.vocabulary.unknown
    if settings.unknown != unknown:
        kept = "not set" if unknown is None else repr(unknown)
        raise InputError(f"--unknown cannot be {settings.unknown!r}: in {model} it is {kept}.")
    its_model = settings_of_run(model / CONFIG).model
    if settings.model != its_model:
        raise InputError(
            f"--model cannot be {settings.model}: {model} was trained as {its_model}, and its output vectors mean "
            "something else; --init starts a new model from its vectors."
        )
    return _of_its_dim(settings, start)


def settings_to_init(start: WarmStart, config: str | os.PathLike[str] | None, given: Mapping[str, Any]) -> Settings:
    """The settings of a run that starts from vectors: `dim` is theirs, and if they have n-grams `ngrams` and `buckets`.

    Raises InputError when a setting is wrong, or `dim` another one.
    """
    load_settings(config, given)
    chosen = {*given, *({} if config is None else read_config(config))}
    theirs: dict[str, Any] = {"dim": start.known.input.shape[1]}
    if (ngrams := start.known.ngrams) is not None and not chosen & {"ngrams", "buckets"}:
        theirs |= {"ngrams": "{}-{}".format(*ngrams.lengths), "buckets": ngrams.num_buckets}
    missing = {name: value for name, value in theirs.items() if name not in chosen}
    return _of_its_dim(load_settings(config, {**given, **missing}), start)


def _of_its_dim(settings: Settings, start: WarmStart) -> Settings:
    dim = start.known.input.shape[1]
    if settings.dim != dim:
        raise InputError(
            f"--dim cannot be {settings.dim}: {start.record['name']} has vectors of {dim} numbers; leave --dim out."
        )
    return settings


def _first_lr(model: Path) -> float:
    """The learning rate of a model's first run."""
    continued_from = json.loads((model / MANIFEST).read_bytes()).get("continued_from")
    first_lr = continued_from.get("first_lr") if isinstance(continued_from, dict) else None
    return float(first_lr if isinstance(first_lr, float) else settings_of_run(model / CONFIG).resolved().lr)


def provenance(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the manifest says of a start: `init_from` or `continued_from`; {} for a run that began from nothing."""
    if record is None:
        return {}
    key = "continued_from" if record["how"] == "continue" else "init_from"
    keys = ("name", "files", "first_lr", "words_found", "words")
    return {key: {name: record[name] for name in keys if name in record}}


def same_start(before: Mapping[str, Any], find: FindStart) -> WarmStart:
    """What a run that begins again started from, given its `WarmStart.record`.

    Raises InputError when it was in memory only, is gone, or has changed.
    """
    if before["path"] is None:
        raise InputError(f"The run started from {IN_MEMORY} and has no checkpoint: it cannot go on, start it anew.")
    now = find(before["how"], before["path"])
    if now.record["files"] != before["files"]:
        raise InputError(
            f"{before['path']} has changed since the run began that starts from it: put it back, or start anew with "
            "--overwrite."
        )
    now.record.update(before)
    return now


def file_hashes(path: Path) -> dict[str, str]:
    """The SHA-256 of a vectors file and of the words beside it, or of all files of a directory, by name."""
    if path.is_dir():
        found = sorted(entry for entry in path.iterdir() if entry.is_file())
    else:
        found = [place for place in (path, path.with_name(path.name + ".vocab.tsv")) if place.is_file()]
    try:
        return {place.name: sha256_of(place) for place in found}
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _refuse_damaged(path: Path, files: Mapping[str, str]) -> None:
    """Refuse a model directory whose files are not those that its manifest names."""
    if MANIFEST not in files or not path.is_dir():
        return
    for name, sha256 in json.loads((path / MANIFEST).read_bytes()).get("files", {}).items():
        if files.get(name, sha256) != sha256:
            raise InputError(f"{path / name} is not what training wrote: it is damaged or was changed; copy it again.")
