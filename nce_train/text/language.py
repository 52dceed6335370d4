"""Whether words look like those of a language: words that share letters are akin then.

Names that share digits, such as those of items, nodes or messages of a log, share nothing else.
"""

import unicodedata
from collections.abc import Sequence

LANGUAGE_SHARE = 0.9  # of the words that consist of letters, from which on they look like those of a language
_INSIDE_WORDS = frozenset("'’-‐")  # apostrophes and hyphens


def share_of_letters(words: Sequence[str]) -> float:
    """The share of words that are letters, with marks, and with apostrophes or hyphens inside.

    Examples
    --------
    >>> share_of_letters(["naïve", "don't", "rock-n-roll", "भारत"]), share_of_letters(["rose", "item12"])
    (1.0, 0.5)
    """
    return sum(map(_is_of_letters, words)) / len(words)


def _is_of_letters(word: str) -> bool:
    if word.isalpha():
        return True
    others = [each for each in word if not each.isalpha()]
    if len(others) == len(word) or word[0] in _INSIDE_WORDS or word[-1] in _INSIDE_WORDS:
        return False
    return all(each in _INSIDE_WORDS or unicodedata.category(each).startswith("M") for each in others)
