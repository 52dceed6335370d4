"""From a corpus to its vocabulary and shards, on the workers: counted in parts, encoded in parts, cut into shards.

The parts are byte ranges that end at line ends (or white space), or whole compressed files. Each has an owner, the
worker that counts and encodes it. Ids stay on the workers.
"""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from distributed import Future

from nce_train.cluster.job import (
    Job,
    PartSize,
    bucket_runs,
    count_words,
    encode_part,
    first_line_end,
    merge_buckets,
    part_checksum,
    torn_tokens,
)
from nce_train.cluster.messages import Segment
from nce_train.cluster.workers import Workers, workers_at
from nce_train.errors import InputError
from nce_train.text.blocks import judge_source, split_source
from nce_train.text.corpus import TextSize, check_has_words, choose_vocabulary, no_known_word
from nce_train.text.encodings import TornTokens, sum_of_torn
from nce_train.text.sources import Source, SourceList
from nce_train.text.text_warnings import TextFacts, dropped_warnings, left_out_warnings, text_warnings
from nce_train.text.token_file import Progress
from nce_train.text.vocabulary import Vocabulary
from nce_train.text.word_runs import BUCKETS, MergedWords, concatenated
from nce_train.training.rounds import cuts_of
from nce_train.training.settings import Settings

MIN_PART_BYTES, MAX_PART_BYTES = 2**22, 2**29  # of a plain file; the memory that a part's words take grows with it
PARTS_PER_THREAD = 4  # so that a slow worker can have fewer
MAX_BUCKET_GROUPS = 16  # each is merged by one task
_MAX_BUCKET_TASKS = 256  # for a small corpus: a task for each part and group costs more than it gains


class Shards(NamedTuple):
    """The corpus as shards of ids, which the workers have."""

    cuts: list[tuple[int, int]]  # where each begins and ends in the whole stream
    segments: list[list[Segment]]  # of each shard
    part_owners: list[str]
    tokens: int  # in all shards
    text_tokens: int  # all tokens of the corpus
    torn: TornTokens
    checksum: int  # of the whole stream


def refuse_unreadable(listed: SourceList) -> None:
    """Raise InputError for standard input, pipes and Python iterables, which workers cannot open."""
    for source in listed.sources:
        if source.size is None:
            name = "token sequences from Python" if source.path is None and source.name == "iterable" else source.name
            raise InputError(f"The workers of a cluster cannot read {name}: write it to a file they can open.")


class CorpusReader:
    """Reads a corpus with the workers: counts it, then encodes it with a vocabulary.

    `progress(done, total, phase)` is called with bytes. `part_bytes` is about the size of the parts of plain files; by
    default there are several parts for each thread.
    """

    def __init__(
        self,
        workers: Workers,
        listed: SourceList,
        settings: Settings,
        progress: Progress,
        part_bytes: int | None = None,
    ) -> None:
        refuse_unreadable(listed)
        self._workers = workers
        self._listed = listed
        self._settings = settings
        self._progress = progress
        self.parts = self._cut_into_parts(part_bytes)  # in reading order
        self._owners: list[str] = []  # of the parts
        self._counted: list[Future] = []  # a CountedPart for each part, on its owner
        self._hashes: dict[str, Future] = {}  # of the files that are read in several parts
        self._facts = TextFacts(listed)
        self._warnings: list[str] = []

    def count(self, extend: Vocabulary | None = None) -> Vocabulary:
        """The vocabulary that `encode_corpus` would choose."""
        settings = self._settings
        merged, torn = self._workers.retry(lambda: self._count(extend))
        check_has_words(self._listed, merged.num_words, torn)
        self._facts = TextFacts.of(self._listed, torn, merged)
        limits = settings.min_count, settings.max_vocab, settings.unknown
        vocabulary, _, self._warnings = choose_vocabulary(merged, self._facts, *limits, extend)
        return vocabulary

    def text_and_warnings(self, num_kept: int, vocabulary: Vocabulary, is_given: bool) -> tuple[TextSize, list[str]]:
        """The size of the text, and warnings about it, when it is encoded."""
        settings = self._settings
        text = TextSize(None if is_given else self._facts.num_words, self._facts.num_tokens)
        dropped = dropped_warnings(
            text.tokens,
            num_kept,
            len(vocabulary),
            min_count=settings.min_count,
            max_vocab=settings.max_vocab,
            is_given=is_given,
        )
        warnings = text_warnings(self._facts) if is_given else self._warnings
        return text, [*left_out_warnings(self._listed), *warnings, *dropped]

    def encode(self, job: Job) -> Shards:
        """Have the workers encode the parts, and cut the corpus into shards."""
        shards: Shards = self._workers.retry(lambda: self._encode(job))
        if not self._facts.num_words:  # with a given vocabulary, nothing is counted but the parts on their own
            self._facts.num_tokens = shards.text_tokens
            self._facts.torn = shards.torn
        if shards.tokens == 0:
            raise no_known_word(job.vocabulary)
        return shards

    def describe(self) -> list[dict[str, Any]]:
        """`name`, `bytes` and `sha256` of each source."""
        hashes = dict(zip(self._hashes, self._workers.results(list(self._hashes.values())), strict=True))
        hash_of = {**{part.name: part.sha256 for part in self.parts}, **hashes}
        sources = self._listed.sources
        return [{"name": source.name, "bytes": source.size, "sha256": hash_of[source.name]} for source in sources]

    # --- parts -----------------------------------------------------------------------------------------------------

    def _cut_into_parts(self, part_bytes: int | None) -> list[Source]:
        if part_bytes is None:
            threads = sum(self._workers.alive().values())
            part_bytes = (self._listed.total_bytes or 0) // (PARTS_PER_THREAD * threads)
            part_bytes = min(MAX_PART_BYTES, max(MIN_PART_BYTES, part_bytes))
        sources = [
            source if source.path is None else dataclasses.replace(source, path=Path(os.path.abspath(source.path)))
            for source in self._listed.sources
        ]
        for source in self._listed.sources:
            judge_source(source, self._listed)
        at_lines = self._settings.line_breaks == "sentence"
        return [part for source in sources for part in split_source(source, part_bytes, at_lines)]

    def _part_owners(self) -> list[str]:
        """The owner of each part; neighbours in the corpus mostly have the same, as the shards will."""
        usable = self._workers.usable()
        if not self._owners or not set(self._owners) <= usable.keys():
            sizes = np.array([_bytes_of(part) for part in self.parts], np.float64)
            middles = (np.cumsum(sizes) - sizes / 2) / max(1.0, sizes.sum())
            self._owners = workers_at(middles, usable)
        return self._owners

    def _start_hashing(self) -> None:
        """Have the files hashed that are read in several parts, by one task each, after the reading has begun."""
        divided = {part.name: part for part in self.parts if part.span is not None}
        for name in divided.keys() - self._hashes.keys():
            self._hashes[name] = self._workers.submit(_sha256, divided[name], workers=self._workers.usable())

    def _progress_of(self, phase: str) -> Callable[[int], None]:
        """What reports a phase's progress when it is called with the number of each part that is done."""
        sizes, bytes_done = list(map(_bytes_of, self.parts)), 0

        def report(number: int) -> None:
            nonlocal bytes_done
            bytes_done += sizes[number]
            self._progress(bytes_done, sum(sizes), phase)

        return report

    # --- counting --------------------------------------------------------------------------------------------------

    def _count(self, extend: Vocabulary | None) -> tuple[MergedWords, TornTokens]:
        workers, settings = self._workers, self._settings
        names, owners = list(workers.usable()), self._part_owners()
        old = None if extend is None else workers.broadcast(extend)
        how = (settings.token_rules, settings.line_breaks)
        self._counted = [
            workers.submit(count_words, part, *how, workers=[owner])
            for part, owner in zip(self.parts, owners, strict=True)
        ]
        self._start_hashing()
        limits = settings.min_count, settings.max_vocab, settings.tokens == "whitespace"
        tasks = []
        for begin, end in itertools.pairwise(self._bucket_edges()):
            buckets = [
                workers.submit(bucket_runs, part, number, begin, end, workers=[owners[number]])
                for number, part in enumerate(self._counted)
            ]
            tasks.append(workers.submit(merge_buckets, buckets, *limits, old, workers=names))
        workers.wait(self._counted, self._progress_of("vocabulary"))
        torn = [
            workers.submit(torn_tokens, part, workers=[owner])
            for part, owner in zip(self._counted, owners, strict=True)
        ]
        return concatenated(workers.results(tasks)), sum_of_torn(workers.results(torn))

    def _bucket_edges(self) -> list[int]:
        """Where the groups of buckets begin and end."""
        groups = MAX_BUCKET_GROUPS
        if sum(map(_bytes_of, self.parts)) < MAX_PART_BYTES:
            groups = max(1, min(groups, _MAX_BUCKET_TASKS // len(self.parts)))
        return [BUCKETS * group // groups for group in range(groups + 1)]

    # --- encoding --------------------------------------------------------------------------------------------------

    def _encode(self, job: Job) -> Shards:
        sizes = self._encode_parts(job)
        for part, size in zip(self.parts, sizes, strict=True):
            part.sha256 = size.sha256
        lengths, owners = [size.ids for size in sizes], self._owners
        if self._settings.line_breaks == "ignore" and any(lengths):  # one more part: see `WorkerState.part`
            lengths, owners = [*lengths, 1], [*owners, owners[-1]]
        stream = _EncodedStream(self._workers, job, lengths, owners)
        checksum = stream.start_checksum()
        cuts = cuts_of(stream.size, self._settings.shards, stream.behind_line_end)
        segments = [stream.segments(begin, end) for begin, end in cuts]
        (crc,) = self._workers.results([checksum])
        return Shards(
            cuts=cuts,
            segments=segments,
            part_owners=owners,
            tokens=sum(size.tokens for size in sizes),
            text_tokens=sum(size.text_tokens for size in sizes),
            torn=sum_of_torn(size.torn for size in sizes),
            checksum=crc,
        )

    def _encode_parts(self, job: Job) -> list[PartSize]:
        owners = self._part_owners()
        counted: Sequence[Future | None] = [*self._counted] or [None] * len(self.parts)
        tasks = [
            self._workers.submit_with_copy(job, owner, encode_part, number, counted[number])
            for number, owner in enumerate(owners)
        ]
        self._start_hashing()
        self._counted = []  # the workers need not keep it
        return self._workers.results(tasks, self._progress_of("encode"))


class _EncodedStream:
    """The stream of all ids, which lie on the workers in parts."""

    def __init__(self, workers: Workers, job: Job, lengths: Sequence[int], owners: Sequence[str]) -> None:
        self._workers = workers
        self._job = job
        self._owners = owners
        self._ranges = list(itertools.pairwise([0, *itertools.accumulate(lengths)]))  # of each part
        self.size = self._ranges[-1][1]

    def start_checksum(self) -> Future:
        """The CRC-32 of all ids: a chain of tasks, in which each continues that of the part before."""
        crc: int | Future = 0
        for number in range(len(self._ranges)):
            crc = self._submit(part_checksum, number, crc)
        assert isinstance(crc, Future)
        return crc

    def behind_line_end(self, target: int, limit: int) -> int:
        """The first place behind a line end in [target, limit], or else `target`."""
        for number, (begin, end) in enumerate(self._ranges):
            if end > target - 1 and begin < limit:
                places = max(0, target - 1 - begin), min(end, limit) - begin
                (line_end,) = self._workers.results([self._submit(first_line_end, number, *places)])
                if line_end >= 0:
                    return begin + int(line_end) + 1
        return target

    def segments(self, begin: int, end: int) -> list[Segment]:
        """The segments that hold the ids [begin, end)."""
        return [
            Segment(number, max(begin, first) - first, min(end, last) - first)
            for number, (first, last) in enumerate(self._ranges)
            if max(begin, first) < min(end, last)
        ]

    def _submit(self, function: Callable[..., int], number: int, *arguments: int | Future) -> Future:
        return self._workers.submit_with_copy(self._job, self._owners[number], function, number, *arguments)


def _bytes_of(part: Source) -> int:
    return (part.size or 0) if part.span is None else part.span[1] - part.span[0]


def _sha256(source: Source) -> str:
    """The SHA-256 of a whole file. Runs on a worker."""
    if source.url is None:
        assert source.path is not None
        file: Any = open(source.path, "rb")  # noqa: SIM115 - closed below
    else:
        import fsspec

        file = fsspec.open(source.url, "rb").open()
    with file:
        return hashlib.file_digest(file, "sha256").hexdigest()
