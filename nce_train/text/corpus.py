"""From a corpus to its vocabulary and its stream of ids.

The text is read once: threads turn its blocks into provisional ids, which are appended to the token file in
reading order; when the last block is counted the vocabulary is chosen, and the ids in the file are replaced
by the final ones. Distinct words that are too many for the memory set aside for them go to a file, and with them
the ids; all counts stay exact. Standard input, pipes and iterables need nothing special.
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
from nce_train.text import cache as token_cache
from nce_train.text.extension import extend_vocabulary
from nce_train.text.provisional import Counted, Progress, count, token_file, translate
from nce_train.text.sources import Corpus, SourceList, list_sources
from nce_train.text.vocabulary import DROPPED, Vocabulary

if TYPE_CHECKING:
    from nce_train.text.counting import WordCounter
    from nce_train.text.runs import Run, Words

TOKEN_FILE = "tokens.npy"

_PUNCTUATION_SHARE = 0.05
# What raw text leaves at the end of a word, in Latin, Greek, Arabic, Indic and East Asian scripts.
_PUNCTUATION = "!\"'),-.:;?]}" + "…‘’“”›»،؛؟।、。」』】〉》！），．：；？"


@dataclass
class EncodedCorpus:
    """A corpus as ids.

    Attributes
    ----------
    vocabulary : Vocabulary
    stream : int32 [n], read-only memory map
        Ids, and -1 behind the last word of each line that holds one (with `line_breaks="ignore"` once, at the
        very end). `numpy.bincount(stream[stream >= 0])` gives the counts in this corpus.
    path : Path
        The file of `stream`.
    token_count : int
        Ids in the stream, without the -1.
    sources : list of dict
        `name`, `bytes` and `sha256` of each source, as stored (before decompression).
    timings : dict
        Seconds: `vocabulary`, reading and counting; `encode`, writing the final ids.
    from_cache : bool
        Whether an earlier encoding was reused.
    warnings : list of str
        One sentence each.
    checksum : int or None
        CRC-32 of the ids, where they are not here but on the workers of a cluster; `stream` is then empty.
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
    called: str = "corpus",
) -> EncodedCorpus:
    """Count a corpus and write it as a memory-mapped file of ids.

    Parameters
    ----------
    corpus : path, `"-"`, list of these, or iterable of token sequences
        See `sources.list_sources`. The tokens of an iterable are taken as they are, whatever `tokens` says.
    directory : path
        Where `tokens.npy` is written; made when it does not exist. With millions of distinct words a temporary
        file without a name takes about 50 bytes there for each of them.
    tokens : "whitespace" or "words"
        Runs of bytes between ASCII white space; or runs of Unicode letters and digits with the combining
        marks that follow them, bytes that are no UTF-8 separating.
    lowercase : bool
        Apply `str.lower` to every word.
    line_breaks : "sentence" or "ignore"
        Whether each line is a sentence of its own, or the whole corpus one.
    min_count, max_vocab, unknown
        See `Vocabulary.select`.
    vocabulary : Vocabulary or None
        Use its rows as they stand, with the counts they have; `min_count` and `max_vocab` are not applied,
        and words it lacks are dropped, or become its `unknown`.
    extend : Vocabulary or None
        Keep all its words and its `unknown`, and add counts and words of the corpus: see `extend_vocabulary`.
    threads : int
        Threads that count, beside the calling one, which reads and decompresses.
    cache : bool
        Reuse, and leave for reuse, an encoding of the same files with the same settings.
    progress : callable or None
        Called as `progress(done, total, phase)` with bytes (`total` None when unknown) and the phase,
        "vocabulary" or "encode".
    called : str
        What messages call the corpus.

    Returns
    -------
    EncodedCorpus

    Raises
    ------
    InputError
        A corpus that cannot be opened, holds no token or fewer than two words of the vocabulary, a damaged
        compressed file, a NUL byte; a directory that cannot be written.
    RunError
        A read error or a full disk in mid-run, a file that changed while it was read.
    """
    _check_choice("tokens", tokens, "whitespace", "words")
    _check_choice("line-breaks", line_breaks, "sentence", "ignore")
    unknown = _unknown_of(vocabulary if extend is None else extend, unknown)
    refuse_without_room(extend, max_vocab)
    listed = list_sources(corpus, called)
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
            description["name"] = source.name  # the same file, perhaps named from another directory
    else:
        with token_file(target) as file:
            mark_lines = line_breaks == "sentence"
            counted = count(listed, file, target.parent, tokens, lowercase, mark_lines, threads, progress)
            refuse_without_words(listed, counted.num_words)
            if extend is not None:
                vocabulary, row_of, warnings = _extend(extend, counted, min_count, max_vocab)
            elif vocabulary is None:
                vocabulary, row_of, warnings = _select(counted, min_count, max_vocab, unknown)
            else:
                row_of, warnings = _rows_in(vocabulary, counted)
            counted_at = time.perf_counter()
            token_count = translate(file, file, counted, row_of, DROPPED if unknown is None else 0, progress)
            if token_count == 0:
                raise nothing_known(vocabulary, _named(listed))
        sources = [source.description() for source in listed.sources]
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
    directory: str | os.PathLike[str] | None = None,
) -> tuple[Vocabulary, list[dict[str, Any]], list[str]]:
    """Count a corpus without writing ids.

    Parameters, errors and results are those of `encode_corpus` with the same names.

    Parameters
    ----------
    directory : path or None
        For a temporary file, when there are millions of distinct words; by default the system's place for them.

    Returns
    -------
    vocabulary : Vocabulary
    sources : list of dict
    warnings : list of str
    """
    _check_choice("tokens", tokens, "whitespace", "words")
    listed = list_sources(corpus)
    place = Path(tempfile.gettempdir() if directory is None else directory)
    counted = count(listed, None, place, tokens, lowercase, False, threads, progress)
    refuse_without_words(listed, counted.num_words)
    vocabulary, _, warnings = _select(counted, min_count, max_vocab, unknown)
    warnings += undecodable_words(vocabulary)
    return vocabulary, [source.description() for source in listed.sources], warnings


def refuse_without_words(listed: SourceList, num_words: int) -> None:
    """Raise InputError when a corpus holds no word at all."""
    if num_words == 0:
        raise InputError(f"the {_named(listed)} holds no token")


def _named(listed: SourceList) -> str:
    return f"{listed.called} ({', '.join(source.shown for source in listed.sources[:3])})"


def refuse_without_room(extend: Vocabulary | None, max_vocab: int | None) -> None:
    """Raise InputError when a vocabulary that is to be extended has more words than there may be."""
    if extend is not None and max_vocab is not None and max_vocab < len(extend):
        raise InputError(f"--max-vocab is {max_vocab}, but the model has {len(extend)} words, which all stay: raise it")


def frequent_or_old(counter: "WordCounter", min_count: int, old: Vocabulary) -> np.ndarray:
    """Which of the counted words `extend_vocabulary` needs; bool [len(counter)]."""
    index = old.index
    is_old = np.fromiter((word in index for word in counter.words()), np.bool_, len(counter))
    return is_old | (counter.counts() >= min_count)


def words_without_room(number: int, max_vocab: int | None) -> list[str]:
    """What a person should know when so many new words were not added."""
    return [f"{number:,} new words find no room, for --max-vocab is {max_vocab}"] if number else []


def nothing_known(vocabulary: Vocabulary, called: str = "corpus") -> InputError:
    """The error of a text of which the vocabulary knows nothing."""
    return InputError(f"the {called} holds none of the {len(vocabulary)} words of the vocabulary")


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
    counted: Counted, min_count: int, max_vocab: int | None, unknown: str | None
) -> tuple[Vocabulary, np.ndarray, list[str]]:
    """The vocabulary, the row of each merged word, and warnings."""
    least = min_count
    greatest = np.empty(0, np.int64)  # of all counts so far, as many as there may be rows

    def is_wanted(counter: "WordCounter") -> np.ndarray:
        nonlocal least, greatest
        counts = counter.counts()
        if max_vocab is not None and max_vocab >= 2:
            greatest = np.concatenate([greatest, counts[counts >= least]])
            if len(greatest) > max_vocab:
                greatest = np.partition(greatest, -max_vocab)[-max_vocab:]
                least = max(least, int(greatest.min()))
        return counts >= least

    merged, warnings = _merge(counted, is_wanted)
    vocabulary, row_of = Vocabulary.select(
        merged.words,
        merged.counts,
        merged.first,
        min_count=min_count,
        max_vocab=max_vocab,
        unknown=unknown,
        num_others=merged.num_others,
        tokens_of_others=merged.tokens_of_others,
    )
    return vocabulary, row_of, warnings


def _rows_in(vocabulary: Vocabulary, counted: Counted) -> tuple[np.ndarray, list[str]]:
    """The row of each merged word, and warnings."""
    from nce_train.text import runs  # compiled code

    known = runs.of_words(vocabulary.words)
    _, warnings = _merge(counted, runs.is_known, known)
    return runs.places_by_number(known), warnings


def _extend(
    old: Vocabulary, counted: Counted, min_count: int, max_vocab: int | None
) -> tuple[Vocabulary, np.ndarray, list[str]]:
    """The old words and the corpus's as one vocabulary, the row of each merged word, and warnings."""
    merged, warnings = _merge(counted, lambda counter: frequent_or_old(counter, min_count, old))
    vocabulary, row_of, num_without_room = extend_vocabulary(
        old,
        merged.words,
        merged.counts,
        merged.first,
        min_count=min_count,
        max_vocab=max_vocab,
        tokens_of_others=merged.tokens_of_others,
    )
    return vocabulary, row_of, [*warnings, *words_without_room(num_without_room, max_vocab)]


def _merge(
    counted: Counted, is_wanted: Callable[["WordCounter"], np.ndarray], *more: "Run"
) -> tuple["Words", list[str]]:
    from nce_train.text import runs  # compiled code

    num_tokens = num_punctuated = 0

    def look_at(counter: "WordCounter") -> np.ndarray:
        nonlocal num_tokens, num_punctuated
        if counted.is_raw:
            num_tokens += int(counter.counts().sum())
            num_punctuated += punctuated_tokens(counter)
        return is_wanted(counter)

    return runs.merge([*counted.runs.values(), *more], look_at), warnings_of(num_tokens, num_punctuated)


def warnings_of(num_tokens: int, num_punctuated: int) -> list[str]:
    """What a person should know of a text when so many of its tokens end in punctuation."""
    if num_punctuated <= _PUNCTUATION_SHARE * num_tokens:
        return []
    share = num_punctuated / num_tokens
    return [f"{share:.0%} of the tokens end in punctuation; --tokens words would leave it out"]


def undecodable_words(vocabulary: Vocabulary) -> list[str]:
    """What a person should know of a vocabulary with words that are not UTF-8."""
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
    except UnicodeEncodeError:  # the bytes are kept as surrogates
        return False
    return True


def punctuated_tokens(counter: "WordCounter") -> int:
    """How many of the counted tokens end in punctuation, but are more than that."""
    words, counts = counter.words(), counter.counts()
    # Tokens that are nothing but punctuation come from text that was split well.
    suspects = np.flatnonzero(words.end_in(_PUNCTUATION))
    attached = [i for i in suspects.tolist() if any(map(str.isalnum, words[i]))]
    return int(counts[attached].sum())
