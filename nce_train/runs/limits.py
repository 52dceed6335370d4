"""Limits that are checked before the work: memory, room on the disk, a text without pairs."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nce_train.decompression import READ_ENDINGS
from nce_train.errors import InputError
from nce_train.kernel.sizes import row_length
from nce_train.memory import anonymous_memory, available_memory
from nce_train.runs.protocols import Executor
from nce_train.text.sources import list_sources
from nce_train.text.vocabulary import Vocabulary
from nce_train.training.settings import Settings

if TYPE_CHECKING:
    from nce_train.training.ngram_rows import NgramRows

# Measured, in bytes. The interpreter, NumPy and Numba: 77 MiB with kernels from the cache, up to 124 MiB where they are
# compiled in this process.
_PROGRAM = 140 * 2**20
_WORD = 200  # of the vocabulary, as a string with its place in dicts
_THREAD = 4 * 2**20  # its blocks of text and of ids while reading, its scratch while training
# An evaluation: two tables of cosines of 512 words with 2^14 rows, as much for their product, a block of at most 2^24
# numbers, and a further dict.
_COSINES, _NUMBERS_PER_BLOCK, _ROWS_PER_BLOCK, _EVALUATED_WORD = 3 * 4 * 512 * 2**14, 2**24, 2**14, 150
_UNPACKED = 10  # times the size of a compressed text, at most, where it is written by people
_HELDOUT_PAIRS = 1024  # in a batch, in float64
_HELDOUT_BAGS, _BAG_WORD = 100_000, 12  # of CBOW at most; a context with its weight


class TableSizes(NamedTuple):
    """How many rows of parameters a run has."""

    words: int
    ngrams: int = 0  # rows of the input table behind those of the words
    in_bags: int = 0  # rows of all words together: their own and those of their n-grams

    @classmethod
    def of(cls, vocabulary: Vocabulary, ngrams: "NgramRows | None") -> "TableSizes":
        """The sizes of a vocabulary and the rows of its n-grams."""
        if ngrams is None:
            return cls(len(vocabulary))
        return cls(len(vocabulary), len(ngrams.buckets), len(ngrams.bags.rows))


def memory_needed(sizes: TableSizes, settings: Settings, copies: float) -> int:
    """Anonymous memory in bytes that training takes at most, with all that the program has anyway.

    `copies` of the parameters are taken into account at their largest.
    """
    return _before_training(sizes.words) + _in_training(sizes, settings, copies)


def memory_at_peak(sizes: TableSizes, settings: Settings, cluster: Executor | None) -> int:
    """Anonymous memory in bytes that this process takes at most, when the text is read and training comes next.

    What it has already counts too: vectors to start from, for example.
    """
    copies = copies_beside(sizes.words, settings, cluster)
    return max(_before_training(sizes.words), anonymous_memory()) + _in_training(sizes, settings, copies)


def _before_training(vocabulary: int) -> int:
    return _PROGRAM + vocabulary * _WORD


def _in_training(sizes: TableSizes, settings: Settings, copies: float) -> int:
    row = 4 * row_length(settings.dim)
    tables = sizes.words * (2 * row + 4 + 4 + 4 + 4 + 8 + 8) + int(sizes.words * copies) * (2 * row + 32)
    return tables + _for_ngrams(sizes, settings, copies) + _while_working(sizes.words, settings)


def _for_ngrams(sizes: TableSizes, settings: Settings, copies: float) -> int:
    """The rows of n-grams and the bags, what laying them out takes, and the words' vectors composed of them."""
    if sizes.ngrams == 0:
        return 0
    rows_of_shards = copies if settings.deterministic else 0.0  # threads have vectors of words instead
    rows = int(sizes.ngrams * (1 + rows_of_shards)) * (4 * row_length(settings.dim) + 8)
    if not settings.deterministic:
        rows += _of_hot_words(sizes, settings)
    composed = sizes.words * (4 * row_length(settings.dim) + 8)
    laying_out = sizes.in_bags * 13 + settings.buckets * 12  # before there are any tables
    return sizes.in_bags * 4 + sizes.words * 8 + max(laying_out, rows + composed)


def _of_hot_words(sizes: TableSizes, settings: Settings) -> int:
    """The threads' vectors of words, each twice, and the shares of the rows of their bags."""
    from nce_train.training.hot_row_plan import hot_rows_of  # with the compiler

    threads = int(settings.threads)
    words = hot_rows_of(sizes.words, threads)
    return words * threads * 8 * row_length(settings.dim) + (4 * sizes.in_bags if words > 0 else 0)


def _while_working(vocabulary: int, settings: Settings) -> int:
    return int(settings.threads) * _THREAD + _while_paused(vocabulary, settings)


def _while_paused(vocabulary: int, settings: Settings) -> int:
    """What evaluations and the held-out text take beside the parameters."""
    dim, samples = settings.dim, settings.num_sampled
    needed = 0
    if settings.eval_every is not None:
        block = 4 * min(_NUMBERS_PER_BLOCK, dim * min(vocabulary, _ROWS_PER_BLOCK))
        needed += _COSINES + block + vocabulary * _EVALUATED_WORD
    if settings.heldout is not None:
        size = _heldout_bytes(settings.heldout)
        batch = _HELDOUT_PAIRS * (24 * dim + 40 * samples) + 12 * samples * dim
        needed += batch + 6 * size  # 12 bytes a token, of two letters at least with its blank
        if settings.model == "cbow":
            needed += min(_HELDOUT_BAGS, size // 2) * 2 * settings.window * _BAG_WORD
        needed += vocabulary * _WORD + int(settings.threads) * 2 * _THREAD  # it is read once more
    return needed


def _heldout_bytes(name: str) -> int:
    """Bytes of a held-out text at most, unpacked, where its sizes are known."""
    try:
        sources = list_sources(name, "held-out text").sources
    except InputError:  # which reading it reports
        return 0
    return sum((source.size or 0) * (_UNPACKED if source.name.endswith(READ_ENDINGS) else 1) for source in sources)


def copies_beside(vocabulary: int, settings: Settings, cluster: Executor | None) -> float:
    """How many copies of the parameters this process has beside them, at most."""
    if cluster is not None:
        return 2  # the sum of the changes, and the base on its way to a worker
    if settings.deterministic:
        return settings.shards
    from nce_train.training.hot_row_plan import hot_rows_of  # with the compiler

    threads = int(settings.threads)
    return hot_rows_of(vocabulary, threads) * (threads - 1) / vocabulary  # each copy is twice there


def refuse_without_memory(sizes: TableSizes, settings: Settings, cluster: Executor | None) -> None:
    """Raise InputError when more memory is needed than there is."""
    needed, available = memory_at_peak(sizes, settings, cluster), available_memory()
    if available is None:
        return
    available += anonymous_memory()  # which this process has already
    if needed > available:
        ngrams = f" and {sizes.ngrams:,} n-grams" if sizes.ngrams else ""
        raise InputError(
            f"{sizes.words:,} words{ngrams} at dim {settings.dim} need {needed / 2**20:,.0f} MiB of memory, but "
            f"only {available / 2**20:,.0f} MiB are available: raise --min-count, set --max-vocab or lower --dim"
            f"{', or give --ngrams off' if sizes.ngrams else ''}."
        )


def shortage_of_room(directory: Path, sizes: TableSizes, settings: Settings) -> str | None:
    """Refuse when the model cannot fit on the disk; a warning when checkpoints may not."""
    needed, free = parameter_bytes(sizes, settings.dim), shutil.disk_usage(directory).free
    most = bytes_at_most(sizes, settings)
    if needed > free:
        raise InputError(
            f"A model of {sizes.words:,} words at dim {settings.dim} takes {needed / 2**20:,.1f} MiB on the disk, but "
            f"only {free / 2**20:,.1f} MiB are free at {directory}: free some, choose another place with -o, or lower "
            "--dim."
        )
    if most > free:
        return (
            f"Checkpoints and model together take up to {most / 2**20:,.1f} MiB on the disk, but only "
            f"{free / 2**20:,.1f} MiB are free at {directory}: free some, or checkpoints will fail."
        )
    return None


def bytes_at_most(sizes: TableSizes, settings: Settings) -> int:
    """Size of all parameters in files at most: of two checkpoints while training, of one and the model at the end.

    With patience, the best parameters of two checkpoints, of the epochs since, and new ones are kept as well.
    """
    return (2 if settings.patience is None else 6) * parameter_bytes(sizes, settings.dim)


def parameter_bytes(sizes: TableSizes, dim: int) -> int:
    """Size of the parameters in files."""
    return 4 * sizes.words * (2 * dim + 1) + 4 * sizes.ngrams * (dim + 1)


def refuse_without_pairs(pairs: int, settings: Settings) -> None:
    """Raise InputError when nothing was trained."""
    if pairs == 0:
        reasons = ["its lines hold one word each (--line-breaks ignore joins them)"]
        if settings.subsample > 0:
            reasons.append(f"--subsample {settings.subsample:g} drops nearly all")
        if settings.deterministic:
            reasons.append("it is too short for rounds (leave --deterministic and --round-tokens out)")
        raise InputError(f"No word of the corpus has a context, so nothing can be learnt: {', or '.join(reasons)}.")
