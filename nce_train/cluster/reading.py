"""From a corpus to its vocabulary and shards, on the workers: counted in parts, merged exactly, encoded in parts.

The parts are byte ranges that end at line ends (or white space), or whole compressed files. Their words come in runs
in the order of buckets, as `nce_train.text.word_runs` has them; some buckets of all parts are merged by one task, in
which every word is complete, so that only the words of the vocabulary come here.
"""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from distributed import Future, get_worker

from nce_train.cluster.job import Job, PartSize, Segment, first_line_end, measure_part, part_checksum
from nce_train.cluster.workers import Workers, homes_of
from nce_train.errors import InputError
from nce_train.text import word_runs
from nce_train.text.blocks import PADDING, split_source
from nce_train.text.corpus import (
    check_has_words,
    count_punctuated_tokens,
    needed_to_extend,
    no_known_word,
    punctuation_warnings,
)
from nce_train.text.counted_part import CountedPart, count_part
from nce_train.text.sources import Source, SourceList
from nce_train.text.token_file import Progress
from nce_train.text.vocabulary import Vocabulary, extend_vocabulary
from nce_train.text.word_counter import PackedWords, WordCounter
from nce_train.text.word_runs import BUCKETS, WordRun
from nce_train.training.settings import Settings

LEAST_PART_BYTES, MOST_PART_BYTES = 2**22, 2**29  # of a plain file; what a part's words may take depends on it
PARTS_A_THREAD = 4  # so that a slow worker has fewer
BUCKET_GROUPS = 16  # that are merged by one task each; fewer where parts are many and small
_TASKS_FOR_BUCKETS = 256
_BLOCK_BYTES = 2**20
_FIRST_BITS = 40  # of a position in a part


class Shards(NamedTuple):
    """The corpus as shards of ids, which the workers have."""

    cuts: list[tuple[int, int]]  # where each begins and ends in the whole stream
    segments: list[list[Segment]]  # of which parts each consists
    homes: list[str]  # the worker of each part
    tokens: int  # in all of them
    checksum: int  # of the whole stream


def refuse_unreadable(listed: SourceList) -> None:
    """Raise InputError for standard input, pipes and Python iterables, which workers cannot open."""
    for source in listed.sources:
        if source.size is None:
            name = "token sequences from Python" if source.path is None and source.name == "iterable" else source.name
            raise InputError(f"The workers of a cluster cannot read {name}: write it to a file they can open.")


def cut_into_parts(listed: SourceList, threads: int, line_breaks: str, part_bytes: int | None = None) -> list[Source]:
    """The parts of a corpus, in reading order.

    Raises
    ------
    InputError
        For standard input, pipes and Python iterables, which workers cannot open.
    """
    refuse_unreadable(listed)
    total = listed.total_bytes or 0
    if part_bytes is None:
        part_bytes = min(MOST_PART_BYTES, max(LEAST_PART_BYTES, total // (PARTS_A_THREAD * threads)))
    sources = [
        source if source.path is None else dataclasses.replace(source, path=Path(os.path.abspath(source.path)))
        for source in listed.sources
    ]
    return [part for source in sources for part in split_source(source, part_bytes, line_breaks == "sentence")]


class Reading:
    """One reading of a corpus by the workers: counted, then encoded when the vocabulary is known.

    Parameters
    ----------
    workers : Workers
    listed : SourceList
    settings : Settings
        Resolved.
    progress : callable
        Called as `progress(done, total, phase)` with bytes.
    part_bytes : int or None
        Cut plain files about every so many bytes; by default as many times as there are threads to do.

    Raises
    ------
    InputError
        For standard input, pipes and Python iterables, which workers cannot open.
    """

    def __init__(
        self,
        workers: Workers,
        listed: SourceList,
        settings: Settings,
        progress: Progress,
        part_bytes: int | None = None,
    ) -> None:
        self.parts = cut_into_parts(listed, sum(workers.alive().values()), settings.line_breaks, part_bytes)
        self._workers = workers
        self._listed = listed
        self._settings = settings
        self._progress = progress
        self._homes: list[str] = []
        self._counted: list[Future] = []  # on the workers: words and provisional ids of each part
        self._hashes: dict[str, Future] = {}  # of the files that are read in parts

    def _find_homes(self) -> list[str]:
        """The worker of each part: next to each other, as the shards will lie that it trains."""
        usable = self._workers.usable()
        if not self._homes or not set(self._homes) <= usable.keys():
            sizes = np.array([_bytes_of(part) for part in self.parts], np.float64)
            middles = (np.cumsum(sizes) - sizes / 2) / max(1.0, sizes.sum())
            self._homes = homes_of(middles, usable)
        return self._homes

    def count(self, extend: Vocabulary | None = None) -> tuple[Vocabulary, list[str]]:
        """The vocabulary that `encode_corpus` would choose, and warnings."""
        vocabulary, warnings = self._workers.try_again(lambda: self._count(extend))
        return vocabulary, warnings

    def encode(self, job: Job) -> Shards:
        """Have the workers encode the parts, and find out where the shards begin and end."""
        shards: Shards = self._workers.try_again(lambda: self._encode(job))
        return shards

    def _count(self, extend: Vocabulary | None) -> tuple[Vocabulary, list[str]]:
        workers, settings = self._workers, self._settings
        names, homes = list(workers.usable()), self._find_homes()
        old = None if extend is None else workers.spread(extend)
        raw = settings.tokens == "whitespace"
        how = (settings.tokens, settings.lowercase, settings.line_breaks)
        self._counted = [
            workers.submit(_count_part, part, *how, workers=[home])
            for part, home in zip(self.parts, homes, strict=True)
        ]
        self._hash()
        edges = self._edges_of_groups()
        merged = [
            workers.submit(
                _merge,
                [
                    workers.submit(_some_buckets, part, number, begin, end, workers=[homes[number]])
                    for number, part in enumerate(self._counted)
                ],
                settings.min_count,
                raw,
                old,
                workers=names,
            )
            for begin, end in itertools.pairwise(edges)
        ]
        workers.wait(self._counted, self._done("vocabulary"))
        pieces: list[_Merged] = workers.results(merged)
        num_tokens, num_punctuated = sum(piece.tokens for piece in pieces), sum(piece.punctuated for piece in pieces)
        num_other_words = sum(piece.others for piece in pieces)
        lengths, counts, first, text = (
            np.concatenate([getattr(piece, name) for piece in pieces])
            for name in ("lengths", "counts", "first", "text")
        )
        check_has_words(self._listed, len(lengths) + num_other_words)
        words = PackedWords(text, np.cumsum(lengths) - lengths, lengths)
        limits: dict[str, Any] = {
            "min_count": settings.min_count,
            "max_vocab": settings.max_vocab,
            "num_other_tokens": sum(piece.num_other_tokens for piece in pieces),
        }
        warnings = punctuation_warnings(num_tokens, num_punctuated) if raw else []
        if extend is not None:
            vocabulary, _, more_warnings = extend_vocabulary(extend, words, counts, first, **limits)
            return vocabulary, warnings + more_warnings
        unknown = settings.unknown
        vocabulary, _ = Vocabulary.select(
            words, counts, first, unknown=unknown, num_other_words=num_other_words, **limits
        )
        return vocabulary, warnings

    def _encode(self, job: Job) -> Shards:
        workers, settings, homes = self._workers, self._settings, self._find_homes()
        counted: Sequence[Future | None] = [*self._counted] or [None] * len(self.parts)
        futures = [
            workers.submit(measure_part, workers.own(job, home), number, counted[number], workers=[home])
            for number, home in enumerate(homes)
        ]
        self._hash()
        self._counted = []  # the workers need not keep it
        sizes: list[PartSize] = workers.results(futures, self._done("encode"))
        for part, size in zip(self.parts, sizes, strict=True):
            part.sha256 = size.sha256
        lengths = [size.ids for size in sizes]
        if settings.line_breaks == "ignore" and any(lengths):
            lengths.append(1)  # the LINE_END behind everything
            homes = [*homes, homes[-1]]
        starts = [0, *itertools.accumulate(lengths)]

        def ask(function: Callable[..., int], number: int, *arguments: int | Future) -> Future:
            home = homes[number]
            return workers.submit(function, workers.own(job, home), number, *arguments, workers=[home])

        crc: int | Future = 0
        for number in range(len(lengths)):
            crc = ask(part_checksum, number, crc)  # of all before and of this one

        def behind_line_end(target: int, limit: int) -> int:
            """As `rounds.shard_cuts` cuts."""
            if target == 0:
                return 0
            for number, (begin, end) in enumerate(itertools.pairwise(starts)):
                if end > target - 1 and begin < limit:
                    places = max(0, target - 1 - begin), min(end, limit) - begin
                    (found,) = workers.results([ask(first_line_end, number, *places)])
                    if found >= 0:
                        return begin + int(found) + 1
            return target

        cuts = cuts_of(starts[-1], settings.shards, behind_line_end)
        segments = [_segments(starts, *cut) for cut in cuts]
        (checksum,) = workers.results([crc]) if isinstance(crc, Future) else (0,)
        return Shards(cuts, segments, homes, sum(size.tokens for size in sizes), checksum)

    def describe(self) -> list[dict[str, Any]]:
        """`name`, `bytes` and `sha256` of each source."""
        hashes = dict(zip(self._hashes, self._workers.results(list(self._hashes.values())), strict=True))
        hash_of = {**{part.name: part.sha256 for part in self.parts}, **hashes}
        sources = self._listed.sources
        return [{"name": source.name, "bytes": source.size, "sha256": hash_of[source.name]} for source in sources]

    def _edges_of_groups(self) -> list[int]:
        """Where the groups of buckets begin and end."""
        groups = BUCKET_GROUPS
        if sum(map(_bytes_of, self.parts)) < MOST_PART_BYTES:
            groups = max(1, min(groups, _TASKS_FOR_BUCKETS // len(self.parts)))
        return [BUCKETS * group // groups for group in range(groups + 1)]

    def _hash(self) -> None:
        """Have the files hashed that are read in parts, by one task each, when all workers have begun to read."""
        cut = {part.name: part for part in self.parts if part.span is not None}
        for name in cut.keys() - self._hashes.keys():
            self._hashes[name] = self._workers.submit(_sha256, cut[name], workers=self._workers.usable())

    def _done(self, phase: str) -> Callable[[int], None]:
        """What tells how far a phase has got when it is called with the number of a part that is done."""
        sizes, so_far = list(map(_bytes_of, self.parts)), 0

        def tell(number: int) -> None:
            nonlocal so_far
            so_far += sizes[number]
            self._progress(so_far, sum(sizes), phase)

        return tell


def cuts_of(size: int, shards: int, behind_line_end: Callable[[int, int], int]) -> list[tuple[int, int]]:
    """What `rounds.shard_cuts` gives, for a stream that is not here."""
    cuts = [0]
    for shard in range(1, shards):
        target = max(cuts[-1], size * shard // shards)
        cuts.append(behind_line_end(target, min(size, target + size // (2 * shards))))
    return list(itertools.pairwise([*cuts, size]))


def refuse_without_tokens(tokens: int, vocabulary: Vocabulary) -> None:
    """Raise InputError when the corpus holds none of the words of a given vocabulary."""
    if tokens == 0:
        raise no_known_word(vocabulary)


def _segments(starts: Sequence[int], begin: int, end: int) -> list[Segment]:
    segments = []
    for number, (first, last) in enumerate(itertools.pairwise(starts)):
        if max(begin, first) < min(end, last):
            segments.append(Segment(number, max(begin, first) - first, min(end, last) - first))
    return segments


def _bytes_of(part: Source) -> int:
    return (part.size or 0) if part.span is None else part.span[1] - part.span[0]


class _Merged(NamedTuple):
    text: np.ndarray
    lengths: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    others: int
    num_other_tokens: int
    tokens: int
    punctuated: int


def _count_part(part: Source, tokens: str, lowercase: bool, line_breaks: str) -> CountedPart:
    return count_part(part, get_worker().local_directory, tokens, lowercase, line_breaks)


def _some_buckets(part: CountedPart, number: int, begin: int, end: int) -> list[WordRun]:
    """The words of some buckets, their first positions behind those of all parts before this one."""
    return [_slice_of(run, begin, end, number << _FIRST_BITS) for run in part.counted.runs.values()]


def _slice_of(run: WordRun, begin: int, end: int, origin: int) -> WordRun:
    words = slice(run.bucket_starts[begin], run.bucket_starts[end])
    text = slice(run.bucket_text_starts[begin], run.bucket_text_starts[end] + PADDING)
    return WordRun(
        bucket_starts=np.clip(run.bucket_starts, words.start, words.stop) - words.start,
        bucket_text_starts=np.clip(run.bucket_text_starts, text.start, text.stop - PADDING) - text.start,
        ids=run.ids[words],
        lengths=run.lengths[words],
        counts=run.counts[words],
        first=run.first[words] + origin,
        merged_ids=run.merged_ids[words],
        text=run.text[text],
    )


def _merge(parts: list[list[WordRun]], min_count: int, raw: bool, old: Vocabulary | None) -> _Merged:
    """The words that occur `min_count` times or are old ones, and what is left."""
    tokens = punctuated = 0

    def is_wanted(counter: WordCounter) -> np.ndarray:
        nonlocal tokens, punctuated
        counts = counter.counts()
        tokens += int(counts.sum())
        punctuated += count_punctuated_tokens(counter) if raw else 0
        return counts >= min_count if old is None else needed_to_extend(counter, min_count, old)

    # arrays that came from another worker cannot be written
    fresh = [np.zeros(run.num_words, np.int32) for part in parts for run in part]
    columns = [(*run[:6], numbers, run.text) for run, numbers in zip(itertools.chain(*parts), fresh, strict=True)]
    joined = [WordRun(*column) for column in columns]
    words = word_runs.merge(joined, is_wanted)
    return _Merged(
        words.words.text,
        words.words.lengths,
        words.counts,
        words.first,
        words.num_other_words,
        words.num_other_tokens,
        tokens,
        punctuated,
    )


def _sha256(source: Source) -> str:
    digest = hashlib.sha256()
    if source.url is None:
        assert source.path is not None
        file: Any = open(source.path, "rb")  # noqa: SIM115 - closed below
    else:
        import fsspec

        file = fsspec.open(source.url, "rb").open()
    with file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
