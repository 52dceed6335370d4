"""Phrases: words that are neighbours more often than by chance are joined to one word.

    new york is large  →  new_york is large

A corpus goes in. Out come the same text, and the phrases with their scores and counts. The text is read once, to a file
of ids. Each pass counts the pairs of neighbours there, scores them, and joins from left to right. A further pass may
join the phrases of an earlier one.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nce_train.errors import InputError
from nce_train.mapped_files import map_npy
from nce_train.text import phrases_kernel as kernel
from nce_train.text.corpus import encode_corpus
from nce_train.text.pair_counts import PairCounts, count_neighbours
from nce_train.text.sources import Corpus
from nce_train.text.token_file import Progress
from nce_train.text.vocabulary import Vocabulary, is_token

THRESHOLDS = {"word2vec": 10.0, "npmi": 0.5}  # the defaults

_IDS_AT_ONCE = 1 << 20
_BYTES_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class Phrase:
    """Two words that were joined. In later passes, each may be a phrase."""

    first: str
    second: str
    phrase: str
    score: float
    count: int  # how often they are neighbours; where two phrases overlap, only the first is joined
    first_count: int
    second_count: int
    number_of_pass: int  # from 1


@dataclass
class PhrasedCorpus:
    """The result of `join_corpus`."""

    phrases: list[Phrase]  # by pass, then by decreasing score
    tokens_read: int
    tokens_written: int
    sources: list[dict[str, Any]]  # `name`, `bytes` and `sha256` of each, as stored
    warnings: list[str]  # one sentence each


@dataclass
class Rule:
    """Selects the pairs that become phrases. A value out of range raises InputError."""

    score: str = "word2vec"  # or "npmi": see `word2vec_scores` and `npmi_scores`
    threshold: float | None = None  # a pair with a score above this is a phrase; the default is in `THRESHOLDS`
    min_count: int = 5  # rarer pairs are not joined
    delimiter: str = "_"  # between the words of a phrase

    def __post_init__(self) -> None:
        if self.score not in THRESHOLDS:
            raise InputError(f"--score is {self.score!r}: it must be {' or '.join(THRESHOLDS)}")
        if self.threshold is None:
            self.threshold = THRESHOLDS[self.score]
        if self.score == "word2vec" and not 0 < self.threshold < math.inf:
            raise InputError(f"--threshold is {self.threshold}: with the score word2vec it must be above 0")
        if self.score == "npmi" and not -1 <= self.threshold <= 1:
            raise InputError(f"--threshold is {self.threshold}: with the score npmi it must lie between -1 and 1")
        if self.min_count < 1:
            raise InputError(f"--min-count is {self.min_count}: it must be at least 1")
        if not isinstance(self.delimiter, str) or not is_token(self.delimiter):
            raise InputError(f"--delimiter is {self.delimiter!r}: it must be a str, not empty, and without white space")

    def choose(self, pairs: PairCounts, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the pairs that are phrases, by decreasing score, and their scores.

        `counts`, int64 [ids], are those of the words.
        """
        firsts, seconds = counts[pairs.left], counts[pairs.right]
        if self.score == "word2vec":
            num_types = int(np.count_nonzero(counts)) + pairs.num_distinct
            scores = word2vec_scores(firsts, seconds, pairs.counts, self.min_count, num_types)
        else:
            scores = npmi_scores(firsts, seconds, pairs.counts, int(counts.sum()))
        order = np.lexsort((pairs.right, pairs.left, -pairs.counts, -scores))
        order = order[scores[order] > self.threshold]
        return order, scores[order]


def word2vec_scores(
    firsts: np.ndarray, seconds: np.ndarray, pairs: np.ndarray, min_count: int, num_types: int
) -> np.ndarray:
    """(count(a b) − min_count) / (count(a) · count(b)) · num_types.

    Mikolov et al. 2013, equation 6, with the factor of the word2phrase program in gensim's definition: `num_types` is
    the number of distinct words plus the number of distinct pairs of neighbours. The counts of the words and of the
    pairs are int64 [n].
    """
    return (pairs - min_count) / (firsts.astype(np.float64) * seconds) * num_types


def npmi_scores(firsts: np.ndarray, seconds: np.ndarray, pairs: np.ndarray, num_tokens: int) -> np.ndarray:
    """log(p(a b) / (p(a) · p(b))) / −log p(a b), from −1 to 1 (Bouma 2009), where p is a count over `num_tokens`."""
    together = pairs / num_tokens
    return np.log(together / (firsts / num_tokens * (seconds / num_tokens))) / -np.log(together)


def join_corpus(
    corpus: Corpus,
    write: Callable[[memoryview], Any],
    directory: str | os.PathLike[str],
    rule: Rule,
    *,
    passes: int = 1,
    tokens: str = "whitespace",
    lowercase: bool = False,
    normalize: str = "none",
    threads: int = 1,
    progress: Progress | None = None,
) -> PhrasedCorpus:
    """Find the phrases of a corpus, and write its text with the phrases joined.

    See `encode_corpus` for the other parameters and the errors.

    Parameters
    ----------
    write : callable
        Called with pieces of the text, when all phrases are known. Words are separated by one space, lines by a line
        feed. Empty lines are skipped.
    directory : path
        For the file of ids, 4 bytes a token.
    passes : int
        With n passes, phrases have up to 2^n words.
    progress : callable or None
        As in `encode_corpus`. The other phases are "pairs" and "joining", in ids.
    """
    encoded = encode_corpus(
        corpus,
        directory,
        tokens=tokens,
        lowercase=lowercase,
        normalize=normalize,
        min_count=1,  # the text keeps its rare words
        threads=threads,
        cache=False,
        progress=progress,
    )
    words = _Words(encoded.vocabulary, rule.delimiter)
    joined = PhrasedCorpus([], encoded.token_count, encoded.token_count, encoded.sources, encoded.warnings)
    path, stream = encoded.path, encoded.stream
    del encoded  # with the words as str
    for number in range(1, passes + 1):
        pairs = count_neighbours(stream, rule.min_count, threads, _phase_progress(progress, "pairs"))
        phrases, table = words.add(pairs, *rule.choose(pairs, words.counts), number)
        joined.phrases += phrases
        chunks = _join(stream, table, words.counts, _phase_progress(progress, "joining"))
        if number == passes or not phrases:
            for text in _text_of(chunks, words):
                write(text)
            break
        stream = _overwrite(path, chunks)
    joined.tokens_written = int(words.counts.sum())
    return joined


def phrase_table(phrases: Iterable[Phrase]) -> Iterator[bytes]:
    """The lines of a tab-separated table with a header."""
    yield b"phrase\tscore\tcount\tfirst\tfirst_count\tsecond\tsecond_count\tpass\n"
    for it in phrases:
        line = (
            f"{it.phrase}\t{it.score:.6g}\t{it.count}\t{it.first}\t{it.first_count}\t{it.second}\t{it.second_count}"
            f"\t{it.number_of_pass}\n"
        )
        yield line.encode("utf-8", "surrogateescape")


class _Words:
    """All words by id, phrases included, with their counts in the current stream.

    The words are packed into one array of bytes, each followed by a line feed: as `str` they take four times the
    memory.
    """

    def __init__(self, vocabulary: Vocabulary, delimiter: str) -> None:
        self.text, self.starts = _pack(vocabulary.words)
        self.counts = vocabulary.counts
        self.delimiter = delimiter
        # A phrase with the spelling of a word of the text or of another phrase (a_b + c, a + b_c) is the same word.
        self._index = {word: row for row, word in enumerate(vocabulary.words) if delimiter in word}

    def add(
        self, pairs: PairCounts, chosen: np.ndarray, scores: np.ndarray, number_of_pass: int
    ) -> tuple[list[Phrase], np.ndarray]:
        """Add the chosen pairs; returns the phrases, and a table of their ids for `kernel.join_pairs`."""
        lefts, rights = pairs.left[chosen], pairs.right[chosen]
        columns = (lefts, rights, pairs.counts[chosen], self.counts[lefts], self.counts[rights], scores)
        phrases: list[Phrase] = []
        ids: list[int] = []
        new_words: list[str] = []
        for left, right, count, first_count, second_count, score in zip(*(c.tolist() for c in columns), strict=True):
            first, second = self._word(left), self._word(right)
            phrase = first + self.delimiter + second
            phrases.append(Phrase(first, second, phrase, score, count, first_count, second_count, number_of_pass))
            ids.append(self._index.setdefault(phrase, len(self.counts) + len(new_words)))
            if ids[-1] == len(self.counts) + len(new_words):
                new_words.append(phrase)
        text, starts = _pack(new_words)
        self.starts = np.concatenate([self.starts, len(self.text) + starts[1:]])
        self.text = np.concatenate([self.text, text])
        self.counts = np.concatenate([self.counts, np.zeros(len(new_words), np.int64)])
        table = np.zeros((1 << (2 * len(ids) + 1).bit_length(), 2), np.int64)
        kernel.insert_pairs(table, lefts, rights, np.array(ids, np.int64))
        return phrases, table

    def _word(self, row: int) -> str:
        return self.text[self.starts[row] : self.starts[row + 1] - 1].tobytes().decode("utf-8", "surrogateescape")


def _pack(words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The words' bytes, each followed by a line feed; and the position of each word, and of the end."""
    text = np.frombuffer("\n".join([*words, ""]).encode("utf-8", "surrogateescape"), np.uint8)
    return text, np.concatenate([[0], np.flatnonzero(text == ord("\n")) + 1])


def _join(
    stream: np.ndarray, table: np.ndarray, counts: np.ndarray, progress: Callable[[int, int], None]
) -> Iterator[np.ndarray]:
    """The stream with its pairs joined, in chunks; each chunk is overwritten by the next one."""
    output = np.empty(_IDS_AT_ONCE, np.int32)
    position = 0
    while position < len(stream):
        position, written = kernel.join_pairs(stream, position, table, counts, output)
        progress(position, len(stream))
        yield output[:written]


def _overwrite(path: Path, chunks: Iterator[np.ndarray]) -> np.ndarray:
    """Overwrite the ids in a file by the chunks derived from them, which are never longer than the ids read so far."""
    length = 0
    with open(path, "r+b") as file:  # on a full disk, writing to a memory map would raise a signal
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        file.seek(file.tell())
        for chunk in chunks:
            file.write(chunk.data)
            length += len(chunk)
    return map_npy(path)[:length]


def _text_of(chunks: Iterator[np.ndarray], words: _Words) -> Iterator[memoryview]:
    """The text of a stream, in pieces; each piece is overwritten by the next one."""
    longest = int(np.diff(words.starts).max())
    output = np.empty(max(_BYTES_AT_ONCE, longest + 1), np.uint8)
    line_is_open = False
    for ids in chunks:
        position = 0
        while position < len(ids):
            position, written, line_is_open = kernel.write_text(
                ids, position, line_is_open, words.text, words.starts, output
            )
            yield output[:written].data


def _phase_progress(progress: Progress | None, phase: str) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, phase)

    return report
