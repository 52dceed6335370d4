"""From a corpus to its vocabulary and its stream of ids.

The text is read once. Threads convert its blocks into provisional ids, which are appended to the token file in reading
order. When all words are counted, the vocabulary is selected, and the ids in the file are replaced by the final ones.
Distinct words that do not fit in memory go to a temporary file; all counts are exact. Standard input, pipes and
iterables need no special treatment.
"""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.errors import InputError
from nce_train.text import token_cache
from nce_train.text.sources import Corpus, SourceList, list_sources
from nce_train.text.token_file import CountedText, Progress, count_words, open_token_file, write_final_ids
from nce_train.text.vocabulary import DROPPED, Vocabulary, extend_vocabulary

if TYPE_CHECKING:
    from nce_train.text.word_counter import WordCounter
    from nce_train.text.word_runs import MergedWords, WordRun

TOKEN_FILE = "tokens.npy"

_PUNCTUATION_SHARE = 0.05
# Punctuation that ends words of raw text, in Latin, Greek, Arabic, Indic and East Asian scripts.
_PUNCTUATION = "!\"'),-.:;?]}" + "…‘’“”›»،؛؟।、。」』】〉》！），．：；？"


@dataclass
class EncodedCorpus:
    """A corpus as ids.

    Attributes
    ----------
    vocabulary : Vocabulary
    stream : int32 [n], read-only memory map
        Ids, and -1 after the last word of each line that is not empty (with `line_breaks="ignore"`, once at the very
        end). `numpy.bincount(stream[stream >= 0])` gives the counts in this corpus.
    path : Path
        The file of `stream`.
    token_count : int
        Number of ids in the stream, without the -1.
    sources : list of dict
        `name`, `bytes` and `sha256` of each source, as stored (before decompression).
    timings : dict
        Seconds: `vocabulary`, reading and counting; `encode`, writing the final ids.
    from_cache : bool
        Whether an earlier encoding was reused.
    warnings : list of str
        One sentence each.
    checksum : int or None
        CRC-32 of the ids, when they are on the workers of a cluster; `stream` is then empty.
    """

    vocabulary: Vocabulary
    stream: np.ndarray
    path: Path
    token_count: int
    sources: list[dict[str, Any]]
    timings: dict[str, float]
    from_cache: bool
    warnings: list[str]
    checksum: int | None = None


def encode_corpus(
    corpus: Corpus,
    directory: str | os.PathLike[str],
    *,
    tokens: str = "whitespace",
    lowercase: bool = False,
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
        marks that follow them, where bytes that are not UTF-8 are separators.
    lowercase : bool
        Apply `str.lower` to every word.
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
    _check_choice("tokens", tokens, "whitespace", "words")
    _check_choice("line-breaks", line_breaks, "sentence", "ignore")
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
        settings = [tokens, lowercase, line_breaks, min_count, max_vocab, unknown, fingerprint]
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
            counted = count_words(listed, file, target.parent, tokens, lowercase, mark_lines, threads, progress)
            check_has_words(listed, counted.num_words)
            if extend is not None:
                vocabulary, row_of, warnings = _extend(extend, counted, min_count, max_vocab)
            elif vocabulary is None:
                vocabulary, row_of, warnings = _select(counted, min_count, max_vocab, unknown)
            else:
                row_of, warnings = _rows_in(vocabulary, counted)
            counted_at = time.perf_counter()
            token_count = write_final_ids(file, counted, row_of, DROPPED if unknown is None else 0, progress)
            if token_count == 0:
                raise no_known_word(vocabulary, str(listed))
        sources = [source.describe() for source in listed.sources]
        encoding = token_cache.Encoding(vocabulary, token_count, sources, warnings)
        if key is not None:
            token_cache.store(key, target, encoding)
    return EncodedCorpus(
        vocabulary=encoding.vocabulary,
        stream=np.load(target, mmap_mode="r", allow_pickle=False),
        path=target,
        token_count=encoding.token_count,
        sources=encoding.sources,
        timings={"vocabulary": counted_at - started, "encode": time.perf_counter() - counted_at},
        from_cache=from_cache,
        warnings=encoding.warnings,
    )


def count_corpus(
    corpus: Corpus,
    *,
    tokens: str = "whitespace",
    lowercase: bool = False,
    min_count: int = 5,
    max_vocab: int | None = None,
    unknown: str | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> tuple[Vocabulary, list[dict[str, Any]], list[str]]:
    """Count a corpus without writing ids.

    Parameters and errors are those of `encode_corpus`. With millions of distinct words, a temporary file is written
    to the system's directory for such files.

    Returns
    -------
    vocabulary : Vocabulary
    sources : list of dict
    warnings : list of str
    """
    _check_choice("tokens", tokens, "whitespace", "words")
    listed = list_sources(corpus)
    counted = count_words(listed, None, Path(tempfile.gettempdir()), tokens, lowercase, False, threads, progress)
    check_has_words(listed, counted.num_words)
    vocabulary, _, warnings = _select(counted, min_count, max_vocab, unknown)
    warnings += encoding_warnings(vocabulary)
    return vocabulary, [source.describe() for source in listed.sources], warnings


def check_has_words(listed: SourceList, num_words: int) -> None:
    """Raise InputError when a text has no words."""
    if num_words == 0:
        raise InputError(f"the {listed} holds no token")


def check_room_to_extend(extend: Vocabulary | None, max_vocab: int | None) -> None:
    """Raise InputError when the vocabulary to extend already has more than `max_vocab` words."""
    if extend is not None and max_vocab is not None and max_vocab < len(extend):
        raise InputError(f"--max-vocab is {max_vocab}, but the model has {len(extend)} words, which all stay: raise it")


def no_known_word(vocabulary: Vocabulary, text: str = "corpus") -> InputError:
    """The error for a text that contains no word of the vocabulary."""
    return InputError(f"the {text} holds none of the {len(vocabulary)} words of the vocabulary")


def needed_to_extend(counter: "WordCounter", min_count: int, old: Vocabulary) -> np.ndarray:
    """Which counted words `extend_vocabulary` needs; bool [len(counter)]."""
    index = old.index
    is_old = np.fromiter((word in index for word in counter.words()), np.bool_, len(counter))
    return is_old | (counter.counts() >= min_count)


def count_punctuated_tokens(counter: "WordCounter") -> int:
    """The number of counted tokens that end in punctuation, without those that consist of punctuation only."""
    words, counts = counter.words(), counter.counts()
    candidates = np.flatnonzero(words.ends_in(_PUNCTUATION))
    punctuated = [i for i in candidates.tolist() if any(map(str.isalnum, words[i]))]
    return int(counts[punctuated].sum())


def punctuation_warnings(num_tokens: int, num_punctuated: int) -> list[str]:
    """A warning when many tokens end in punctuation."""
    if num_punctuated <= _PUNCTUATION_SHARE * num_tokens:
        return []
    share = num_punctuated / num_tokens
    return [f"{share:.0%} of the tokens end in punctuation; --tokens words would leave it out"]


def encoding_warnings(vocabulary: Vocabulary) -> list[str]:
    """A warning when words are not UTF-8."""
    undecodable = [word for word in vocabulary.words if not word.isascii() and not _is_unicode(word)]
    if not undecodable:
        return []
    first = undecodable[0].encode("utf-8", "surrogateescape")
    return [
        f"{len(undecodable):,} of the {len(vocabulary):,} words are not UTF-8, such as {first!r}: other programs may "
        "not read them; if the text is in another encoding, convert it (iconv -f LATIN1 -t UTF-8)"
    ]


def _is_unicode(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # undecodable bytes are surrogates in a str
        return False
    return True


def _check_choice(option: str, value: str, *choices: str) -> None:
    if value not in choices:
        raise InputError(f"--{option} is {value!r}: it must be {' or '.join(choices)}")


def _unknown_of(vocabulary: Vocabulary | None, unknown: str | None) -> str | None:
    if vocabulary is None:
        return unknown
    if len(vocabulary) < 2:
        raise InputError(f"the given vocabulary has {len(vocabulary)} rows, and at least 2 are needed")
    if unknown is not None and unknown != vocabulary.unknown:
        raise InputError(f"--unknown is {unknown!r}, but the given vocabulary has {vocabulary.unknown!r} for it")
    return vocabulary.unknown


def _select(
    counted: CountedText, min_count: int, max_vocab: int | None, unknown: str | None
) -> tuple[Vocabulary, np.ndarray, list[str]]:
    """The vocabulary, the row of each merged word, and warnings."""
    threshold = min_count
    greatest = np.empty(0, np.int64)  # the `max_vocab` greatest counts so far

    def is_wanted(counter: "WordCounter") -> np.ndarray:
        nonlocal threshold, greatest
        counts = counter.counts()
        if max_vocab is not None and max_vocab >= 2:
            greatest = np.concatenate([greatest, counts[counts >= threshold]])
            if len(greatest) > max_vocab:
                greatest = np.partition(greatest, -max_vocab)[-max_vocab:]
                threshold = max(threshold, int(greatest.min()))
        return counts >= threshold

    merged, warnings = _merge(counted, is_wanted)
    vocabulary, row_of = Vocabulary.select(
        merged.words,
        merged.counts,
        merged.first,
        min_count=min_count,
        max_vocab=max_vocab,
        unknown=unknown,
        num_other_words=merged.num_other_words,
        num_other_tokens=merged.num_other_tokens,
    )
    return vocabulary, row_of, warnings


def _rows_in(vocabulary: Vocabulary, counted: CountedText) -> tuple[np.ndarray, list[str]]:
    """The row of each merged word, and warnings."""
    from nce_train.text import word_runs  # compiled code

    known = word_runs.vocabulary_run(vocabulary.words)
    _, warnings = _merge(counted, word_runs.is_in_vocabulary, known)
    return word_runs.rows_in_vocabulary(known), warnings


def _extend(
    old: Vocabulary, counted: CountedText, min_count: int, max_vocab: int | None
) -> tuple[Vocabulary, np.ndarray, list[str]]:
    """The extended vocabulary, the row of each merged word, and warnings."""
    merged, warnings = _merge(counted, lambda counter: needed_to_extend(counter, min_count, old))
    vocabulary, row_of, more_warnings = extend_vocabulary(
        old,
        merged.words,
        merged.counts,
        merged.first,
        min_count=min_count,
        max_vocab=max_vocab,
        num_other_tokens=merged.num_other_tokens,
    )
    return vocabulary, row_of, warnings + more_warnings


def _merge(
    counted: CountedText, is_wanted: Callable[["WordCounter"], np.ndarray], *more: "WordRun"
) -> tuple["MergedWords", list[str]]:
    """The selected words of a text, and warnings about all of its words."""
    from nce_train.text import word_runs  # compiled code

    num_tokens = num_punctuated = 0

    def measure_and_select(counter: "WordCounter") -> np.ndarray:
        nonlocal num_tokens, num_punctuated
        if counted.is_raw:
            num_tokens += int(counter.counts().sum())
            num_punctuated += count_punctuated_tokens(counter)
        return is_wanted(counter)

    merged = word_runs.merge([*counted.runs.values(), *more], measure_and_select)
    return merged, punctuation_warnings(num_tokens, num_punctuated)
