"""Finding a word in the vocabulary although it is spelled in another way, and the nearest spellings of an unknown one.

A spelling is compared with all words together, letter by letter, in NumPy: Python's difflib takes five seconds for a
million words.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings.formats.escape import escape_cell, unescape_word, word_bytes
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError
from nce_train.folding import other_spellings

_LONGEST = 64  # letters; longer words are not searched
_WHITE_SPACE = set(" \t\n\r\f\v")
_BLOCK_WORDS = 1 << 15  # a column of their distance table fits the cache


def find_word(word: str, vocabulary: Mapping[str, int]) -> str | None:
    """Find a word as given, else unescaped (`%_new%20york`, as in vectors files), else as `other_spellings`, else None.

    White space around it does not count, unless it is there as given. A word with a surrogate that does not stand for
    a byte raises InputError.
    """
    if word in vocabulary:
        return word
    for other in _spellings(word):
        if other in vocabulary:
            return other
    return None


def find_composable(word: str, subwords: SubWords) -> str | None:
    """Find the spelling of an unknown word, of those that `find_word` tries, that has the most known n-grams.

    As given where several have the most; None when no spelling has any. Several words are not one word.
    """
    return subwords.most_known(spelling for spelling in _spellings(word) if not set(spelling) & _WHITE_SPACE)


def _spellings(word: str) -> Iterator[str]:
    stripped = word.strip()
    yield stripped
    yield unescape_word(word_bytes(stripped))
    yield from other_spellings(stripped)


def printable(word: str) -> str:
    """Format a word for a terminal, on one line: control characters are written as `\\n`, `\\x1b` and so on.

    A word that is not UTF-8 is escaped as in cells of TSV files (`%_caf%E9`); `find_word` finds it in this form.
    """
    if word.isprintable():
        return word
    if any("\udc80" <= c <= "\udcff" for c in word):
        with contextlib.suppress(InputError):  # another surrogate, which does not stand for a byte
            word = escape_cell(word)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in word)


def not_in_vocabulary(asked: str, spellings: Sequence[str] | None, known_ngrams: int = 0) -> str:
    """Return the message that a word is unknown, with the nearest spellings unless they are None.

    With `known_ngrams` it says that the word's vector is composed of so many.
    """
    unknown = f"'{printable(asked)}' is not in the vocabulary"
    ngrams = f"{known_ngrams} known n-gram{'s'[: known_ngrams > 1]}"
    composed = f"; its vector is composed of its {ngrams}" if known_ngrams else ""
    if spellings is None:
        return f"{unknown}{composed}"
    if not spellings:
        return f"{unknown}, nor any word spelled like it{composed}"
    return f"{unknown}{composed}; nearest spellings: {', '.join(map(printable, spellings))}"


class UnknownWordError(KeyError):
    """A word is not in the vocabulary; the message names the nearest spellings.

    They are searched, which takes up to 0.1 seconds, only when the message is needed: trying many words stays fast.
    """

    def __init__(self, word: str, words: Sequence[str]) -> None:
        super().__init__(word)
        self._words = words

    def __str__(self) -> str:
        return not_in_vocabulary(self.args[0], nearest_spellings(self.args[0], self._words))

    def __reduce__(self) -> tuple[type[KeyError], tuple[str]]:
        return KeyError, (str(self),)  # pickled as text, without the vocabulary


def nearest_spellings(word: str, words: Sequence[str], number: int = 5) -> list[str]:
    """Find the words that differ from a word by the fewest edits; of equally near ones the first.

    An edit inserts, deletes or replaces a letter, or exchanges two neighbouring letters; upper and lower case of ASCII
    are the same. At most 1 edit is allowed for a word of 2 or 3 letters, 2 for one of 4 to 7, and 3 for a longer one.

    Parameters
    ----------
    word : str
    words : sequence of str
        By decreasing frequency.
    number : int
        The most that are returned.

    Examples
    --------
    >>> nearest_spellings("quen", ["the", "green", "queen", "quern"])
    ['queen', 'quern']
    """
    if not 0 < len(word) <= _LONGEST:
        return []
    most = (0, 0, 1, 1, 2, 2, 2, 2, 3)[min(len(word), 8)]
    asked = _letters([word])
    lengths = np.fromiter(map(len, words), np.intp, len(words))
    starts = np.cumsum(lengths) - lengths
    letters = _letters(words)
    candidates: list[tuple[int, int]] = []
    for length in range(max(1, len(word) - most), len(word) + most + 1):
        rows = np.flatnonzero(lengths == length)
        for block in np.split(rows, range(_BLOCK_WORDS, len(rows), _BLOCK_WORDS)):
            distances = _distances(asked, letters[starts[block] + np.arange(length)[:, None]], most)
            near = np.flatnonzero(distances <= most)
            candidates += zip(distances[near].tolist(), block[near].tolist(), strict=True)
    return [words[row] for _, row in sorted(candidates)[:number]]


def _letters(words: Sequence[str]) -> NDArray[np.uint32]:
    """Code points of all words, concatenated, ASCII in lower case."""
    letters = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.where((letters >= ord("A")) & (letters <= ord("Z")), letters + 32, letters)


def _distances(asked: NDArray[np.uint32], letters: NDArray[np.uint32], most: int) -> NDArray[np.uint8]:
    """Damerau-Levenshtein distances [words] (optimal string alignment): exact up to `most`, else any number above it.

    `letters` [length, words] are words of one length. Only the cells of the table at most `most` from its diagonal are
    computed.
    """
    length, words = letters.shape
    # table[i % 3, j]: the distance between the first i letters of `asked` and the first j of each word.
    table = np.full((3, length + 1, words), most + 1, np.uint8)
    table[0, : most + 1] = np.arange(min(most, length) + 1, dtype=np.uint8)[:, None]
    for i in range(1, len(asked) + 1):
        new, old, older = table[i % 3], table[(i - 1) % 3], table[(i - 2) % 3]
        new[:] = most + 1
        if i <= most:
            new[0] = i
        for j in range(max(1, i - most), min(length, i + most) + 1):
            cell = np.minimum(old[j], new[j - 1]) + np.uint8(1)
            np.minimum(cell, old[j - 1] + (letters[j - 1] != asked[i - 1]), out=cell)
            if i > 1 and j > 1:
                exchanged = (letters[j - 1] == asked[i - 2]) & (letters[j - 2] == asked[i - 1])
                np.minimum(cell, older[j - 2] + np.uint8(1), out=cell, where=exchanged)
            new[j] = cell
    return table[len(asked) % 3, length]
