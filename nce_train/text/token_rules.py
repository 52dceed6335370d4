"""What a token is and how it is spelled: the settings that decide which word a stretch of text is."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from nce_train.errors import InputError
from nce_train.folding import lower, without_invisible

# White space that is not ASCII, and the zero width space, which separates words in Khmer and Thai.
BLANKS = "\u0085\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200C))) + "\u2028\u2029\u202f\u205f\u3000"


class TokenRules(NamedTuple):
    """The settings of these names."""

    tokens: str = "whitespace"
    lowercase: bool = False
    normalize: str = "none"

    def check(self) -> None:
        """Raise InputError when a value is not one of the choices."""
        check_choice("tokens", self.tokens, "whitespace", "words")
        check_choice("normalize", self.normalize, "none", "nfc")

    def spell(self, token: str) -> str:
        """The word that a token stands for.

        Examples
        --------
        >>> TokenRules("words", lowercase=True).spell("Co\u00adop")  # with a soft hyphen
        'coop'
        """
        if self.tokens == "words":
            token = without_invisible(token)
        if self.normalize == "nfc":
            token = unicodedata.normalize("NFC", token)
        if self.lowercase:
            token = lower(token)
            if self.normalize == "nfc":  # a small letter may have a composed form where the capital has none: ǰ
                token = unicodedata.normalize("NFC", token)
        return token


def normal_form_warnings(words: Sequence[str]) -> list[str]:
    """A warning when some words of a vocabulary differ only in how their accents are encoded."""
    not_composed = [word for word in words if not word.isascii() and not unicodedata.is_normalized("NFC", word)]
    composed = {unicodedata.normalize("NFC", word) for word in not_composed}
    twice = [word for word in words if word in composed] if composed else []
    if not twice:
        return []
    return [
        f"{len(twice):,} of the {len(words):,} words are there twice, with composed and with decomposed characters, "
        f"such as {twice[0]!r}; --normalize nfc makes one word of both"
    ]


def check_choice(option: str, value: str, *choices: str) -> None:
    """Raise InputError when the value of an option is not one of its choices."""
    if value not in choices:
        raise InputError(f"--{option} is {value!r}: it must be {' or '.join(choices)}")
