"""From a corpus to its vocabulary and its stream of ids.

The text is read once. Threads convert its blocks into provisional ids, which are appended to the token file in reading
order. When all words are counted, the vocabulary is selected, and the ids in the file are replaced by the final ones.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nce_train.errors import InputError
from nce_train.mapped_files import map_npy
from nce_train.text import token_cache
from nce_train.text.encodings import TornTokens
from nce_train.text.sources import Corpus, SourceList, list_sources
from nce_train.text.text_warnings import (
    TextFacts,
    cause_of_few_words,
    dropped_warnings,
    left_out_warnings,
    text_warnings,
)
from nce_train.text.token_file import CountedText, Progress, count_words, open_token_file, write_final_ids
from nce_train.text.token_rules import TokenRules, check_choice, normal_form_warnings
from nce_train.text.vocabulary import DROPPED, Vocabulary, extend_vocabulary

if TYPE_CHECKING:
    from nce_train.text.word_counter import WordCounter
    from nce_train.text.word_runs import MergedWords

TOKEN_FILE = "tokens.npy"


class TextSize(NamedTuple):
    """How much a text holds, whatever the vocabulary."""

    distinct_words: int | None  # None when they were not counted
    tokens: int

    def describe(self, num_words: int, num_tokens: int, unit: str = "tokens", num_unknown: int = 0) -> str:
        """The size of a vocabulary and its tokens, with what they leave out, and how many are its `unknown`.

        Examples
        --------
        >>> TextSize(17000, 18000).describe(30, 900)
        '30 words of 17,000, 900 of 18,000 tokens (5%)'
        >>> TextSize(30, 900).describe(30, 900)
        '30 words, 900 tokens'
        """
        words, tokens = f"{num_words:,} words", f"{num_tokens:,}"
        if self.distinct_words is not None and self.distinct_words > num_words:
            words += f" of {self.distinct_words:,}"
        if self.tokens > num_tokens:
            return f"{words}, {tokens} of {self.tokens:,} {unit} ({min(num_tokens / self.tokens, 0.99):.0%})"
        if num_unknown:
            unit += f", of which {num_unknown:,} count as unknown ({num_unknown / num_tokens:.0%})"
        return f"{words}, {tokens} {unit}"


@dataclass
class EncodedCorpus:
    """A corpus as ids.

    The stream, a read-only memory map, is int32 [n]: ids, and -1 after the last word of each line that is not empty
    (with `line_breaks="ignore"`, once at the very end). `numpy.bincount(stream[stream >= 0])` gives the counts in this
    corpus. When the ids are on the workers of a cluster, the stream is empty.
    """

    vocabulary: Vocabulary
    stream: np.ndarray
    path: Path  # of the file of `stream`
    token_count: int  # ids in the stream, without the -1
    text: TextSize
    sources: list[dict[str, Any]]  # `name`, `bytes` and `sha256` of each, as stored (before decompression)
    timings: dict[str, float]  # seconds: `vocabulary`, reading and counting; `encode`, writing the final ids
    from_cache: bool  # whether an earlier encoding was reused
    warnings: list[str]  # one sentence each
    checksum: int | None = None  # CRC-32 of the ids, when they are on the workers of a cluster

    def num_unknown(self) -> int:
        """How many tokens are the vocabulary's `unknown`; of a corpus on workers, as the vocabulary counts it."""
        if self.vocabulary.unknown is None:
            return 0
        return int(np.count_nonzero(self.stream == 0)) if len(self.stream) else int(self.vocabulary.counts[0])


def encode_corpus(
    corpus: Corpus,
    directory: str | os.PathLike[str],
    *,
    tokens: str = "whitespace",
    lowercase: bool = False,
    normalize: str = "none",
    line_breaks: str = "sentence",
    min_count: int = 5,
    max_vocab: int | None = None,
    unknown: str | None = None,
    vocabulary: Vocabulary | None = None,
    extend: Vocabulary | None = None,
    threads: int = 1,
    cache: bool = True,
    progress: Progress | None = None,
    role: str = "corpus",
) -> EncodedCorpus:
    """Count a corpus and write it as a memory-mapped file of ids.

    Parameters
    ----------
    corpus : path, `"-"`, list of these, or iterable of token sequences
        See `sources.list_sources`. The tokens of an iterable are used unchanged, whatever `tokens` is.
    directory : path
        Where `tokens.npy` is written. It is created when it does not exist. With millions of distinct words, a
        nameless temporary file takes about 50 bytes there for each of them.
    tokens : "whitespace" or "words"
        Sequences of bytes between ASCII white space; or sequences of Unicode letters and digits with the combining
        marks that follow them and the joiners between them (`scan.find_tokens_words`), where bytes that are not UTF-8
        are separators.
    lowercase : bool
        Convert every word to lower case, as `folding.lower` does.
    normalize : "none" or "nfc"
        Whether words are brought into Unicode's composed form.
    line_breaks : "sentence" or "ignore"
        Whether each line is a sentence, or the whole corpus is one.
    min_count, max_vocab, unknown
        See `Vocabulary.select`.
    vocabulary : Vocabulary or None
        Use this vocabulary, with its counts. `min_count` and `max_vocab` are not applied. Other words are dropped, or
        become its `unknown`.
    extend : Vocabulary or None
        Extend this vocabulary by the words and counts of the corpus: see `extend_vocabulary`.
    threads : int
        Threads that count, in addition to the calling one, which reads and decompresses.
    cache : bool
        Reuse an encoding of the same files with the same settings, and store this one for reuse.
    progress : callable or None
        Called as `progress(done, total, phase)` with bytes (`total` is None when unknown) and the phase, "vocabulary"
        or "encode".
    role : str
        How messages refer to the text.

    Returns
    -------
    EncodedCorpus

    Raises
    ------
    InputError
        A corpus that cannot be opened, contains no token or fewer than two words of the vocabulary; a damaged
        compressed file; a NUL byte; a directory that cannot be written.
    RunError
        A read error or a full disk during the run; a file that changed while it was read.
    """
    rules = TokenRules(tokens, lowercase, normalize)
    rules.check()
    check_choice("line-breaks", line_breaks, "sentence", "ignore")
    unknown = _unknown_of(vocabulary if extend is None else extend, unknown)
    check_room_to_extend(extend, max_vocab)
    listed = list_sources(corpus, role)
    target = Path(directory) / TOKEN_FILE
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the directory {directory}: {error.strerror}") from None
    key = None
    if cache:
        fingerprint = None if vocabulary is None else vocabulary.fingerprint
        settings = [*rules, line_breaks, min_count, max_vocab, unknown, fingerprint]
        if extend is not None:
            settings.append(f"extend {extend.fingerprint}")
        key = token_cache.key_of(listed.sources, settings)

    started = time.perf_counter()
    encoding = None if key is None else token_cache.fetch(key, target)
    from_cache = encoding is not None
    counted_at = time.perf_counter()
    if encoding is not None:
        for description, source in zip(encoding.sources, listed.sources, strict=True):
            description["name"] = source.name  # the same file may have been named from another directory
    else:
        with open_token_file(target) as file:
            mark_lines = line_breaks == "sentence"
            counted = count_words(listed, file, target.parent, rules, mark_lines, threads, progress)
            check_has_words(listed, counted.num_words, counted.torn)
            is_given = vocabulary is not None
            if vocabulary is None:
                vocabulary, row_of, facts, warnings = _vocabulary_of(
                    listed, counted, min_count, max_vocab, unknown, extend
                )
            else:
                row_of, facts = _rows_in(listed, vocabulary, counted)
                warnings = text_warnings(facts)
            counted_at = time.perf_counter()
            token_count = write_final_ids(file, counted, row_of, DROPPED if unknown is None else 0, progress)
            if token_count == 0:
                raise no_known_word(vocabulary, str(listed))
        text = TextSize(facts.num_words, facts.num_tokens)
        limits: dict[str, Any] = {"min_count": min_count, "max_vocab": max_vocab, "is_given": is_given}
        warnings += dropped_warnings(text.tokens, token_count, len(vocabulary), **limits)
        sources = [source.describe() for source in listed.sources]
        encoding = token_cache.Encoding(vocabulary, token_count, text, sources, warnings)
        if key is not None:
            token_cache.store(key, target, encoding)
    return EncodedCorpus(
        vocabulary=encoding.vocabulary,
        stream=map_npy(target),
        path=target,
        token_count=encoding.token_count,
        text=TextSize(*encoding.text),
        sources=encoding.sources,
        timings={"vocabulary": counted_at - started, "encode": time.perf_counter() - counted_at},
        from_cache=from_cache,
        warnings=[*left_out_warnings(listed), *encoding.warnings],
    )


def count_corpus(
    corpus: Corpus,
    *,
    tokens: str = "whitespace",
    lowercase: bool = False,
    normalize: str = "none",
    min_count: int = 5,
    max_vocab: int | None = None,
    unknown: str | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> tuple[Vocabulary, TextSize, list[dict[str, Any]], list[str]]:
    """Count a corpus without writing ids; returns the vocabulary, and `text`, `sources` and warnings as encoding does.

    Parameters and errors are those of `encode_corpus`. With millions of distinct words, a temporary file is written
    to the system's directory for such files.
    """
    rules = TokenRules(tokens, lowercase, normalize)
    rules.check()
    listed = list_sources(corpus)
    counted = count_words(listed, None, Path(tempfile.gettempdir()), rules, False, threads, progress)
    check_has_words(listed, counted.num_words, counted.torn)
    vocabulary, _, facts, warnings = _vocabulary_of(listed, counted, min_count, max_vocab, unknown)
    text, kept = TextSize(facts.num_words, facts.num_tokens), int(vocabulary.counts.sum())
    limits: dict[str, Any] = {"min_count": min_count, "max_vocab": max_vocab, "is_given": False}
    warnings = [*left_out_warnings(listed), *warnings, *dropped_warnings(text.tokens, kept, len(vocabulary), **limits)]
    warnings += normal_form_warnings(vocabulary.words)
    return vocabulary, text, [source.describe() for source in listed.sources], warnings


def wanted_words(
    min_count: int, max_vocab: int | None, extend: Vocabulary | None
) -> Callable[["WordCounter"], np.ndarray]:
    """What selects the words that `choose_vocabulary` needs, in one call of `word_runs.merge`."""
    threshold = min_count
    greatest = np.empty(0, np.int64)  # the `max_vocab` greatest counts so far

    def is_wanted(counter: "WordCounter") -> np.ndarray:
        nonlocal threshold, greatest
        counts = counter.counts()
        if extend is not None:
            index = extend.index
            is_old = np.fromiter((word in index for word in counter.words()), np.bool_, len(counter))
            return is_old | (counts >= min_count)
        if max_vocab is not None and max_vocab >= 2:
            greatest = np.concatenate([greatest, counts[counts >= threshold]])
            if len(greatest) > max_vocab:
                greatest = np.partition(greatest, -max_vocab)[-max_vocab:]
                threshold = max(threshold, int(greatest.min()))
        return counts >= threshold

    return is_wanted


def choose_vocabulary(
    merged: "MergedWords",
    facts: TextFacts,
    min_count: int,
    max_vocab: int | None,
    unknown: str | None,
    extend: Vocabulary | None,
) -> tuple[Vocabulary, np.ndarray, list[str]]:
    """The vocabulary of the `wanted_words` of a text, the row of each merged word, and warnings."""
    warnings = text_warnings(facts)
    columns = merged.words, merged.counts, merged.first
    limits: dict[str, Any] = {
        "min_count": min_count,
        "max_vocab": max_vocab,
        "num_other_tokens": merged.num_other_tokens,
    }
    if extend is not None:
        vocabulary, row_of, more_warnings = extend_vocabulary(extend, *columns, **limits)
        return vocabulary, row_of, warnings + more_warnings
    limits |= {"unknown": unknown, "num_other_words": merged.num_other_words, "cause": cause_of_few_words(facts)}
    return *Vocabulary.select(*columns, **limits), warnings


def check_has_words(listed: SourceList, num_words: int, torn: TornTokens) -> None:
    """Raise InputError when a text has no words."""
    if num_words == 0:
        cause = cause_of_few_words(TextFacts(listed, torn=torn))
        if any(isinstance(source.sentences, Iterator) for source in listed.sources):
            cause = "a generator can be read once only; make it anew"
        raise InputError(f"the {listed} holds no token" + ("" if cause is None else f": {cause}"))


def check_room_to_extend(extend: Vocabulary | None, max_vocab: int | None) -> None:
    """Raise InputError when the vocabulary to extend already has more than `max_vocab` words."""
    if extend is not None and max_vocab is not None and max_vocab < len(extend):
        raise InputError(f"--max-vocab is {max_vocab}, but the model has {len(extend)} words, which all stay: raise it")


def no_known_word(vocabulary: Vocabulary, text: str = "corpus") -> InputError:
    """The error for a text that contains no word of the vocabulary."""
    return InputError(f"the {text} holds none of the {len(vocabulary)} words of the vocabulary")


def _unknown_of(vocabulary: Vocabulary | None, unknown: str | None) -> str | None:
    if vocabulary is None:
        return unknown
    if len(vocabulary) < 2:
        raise InputError(f"the given vocabulary has {len(vocabulary)} rows, and at least 2 are needed")
    if unknown is not None and unknown != vocabulary.unknown:
        raise InputError(f"--unknown is {unknown!r}, but the given vocabulary has {vocabulary.unknown!r} for it")
    return vocabulary.unknown


def _vocabulary_of(
    listed: SourceList,
    counted: CountedText,
    min_count: int,
    max_vocab: int | None,
    unknown: str | None,
    extend: Vocabulary | None = None,
) -> tuple[Vocabulary, np.ndarray, TextFacts, list[str]]:
    from nce_train.text import word_runs  # compiled code

    wanted = wanted_words(min_count, max_vocab, extend)
    merged = word_runs.merge(counted.runs.values(), wanted, counted.is_raw)
    facts = TextFacts.of(listed, counted.torn, merged)
    vocabulary, row_of, warnings = choose_vocabulary(merged, facts, min_count, max_vocab, unknown, extend)
    return vocabulary, row_of, facts, warnings


def _rows_in(listed: SourceList, vocabulary: Vocabulary, counted: CountedText) -> tuple[np.ndarray, TextFacts]:
    """The row of each merged word, and what is known of the text."""
    from nce_train.text import word_runs  # compiled code

    known = word_runs.vocabulary_run(vocabulary.words)
    row_of, merged = word_runs.merge_with_vocabulary(counted.runs.values(), known, counted.is_raw)
    return row_of, TextFacts.of(listed, counted.torn, merged)
