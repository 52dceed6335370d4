"""What a person is told about a text: warnings, and the likely reason when it has too few words.

What reading and counting found goes in, as `TextFacts`; sentences come out.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nce_train.text.encodings import PlacedWords, TornTokens, likely_encoding
from nce_train.text.not_text import pipe_to_training, quoted
from nce_train.text.sources import SourceList, described
from nce_train.text.text_forms import TextForm
from nce_train.text.token_rules import BLANKS

if TYPE_CHECKING:
    from nce_train.text.word_runs import MergedWords

_PUNCTUATION_SHARE = 0.05
_BLANKS_SHARE = 0.01
_MANY_BLANKS_SHARE = 0.2  # that may be why words are few
_DROPPED_SHARE = 1 / 3
_WITHOUT_BLANKS_BYTES = 20  # of the mean token: segmented Thai, Khmer and Burmese have 13 to 18, Chinese 5
_WITHOUT_BLANKS_SHARE = 0.3  # of the characters in the sample
# Code points of scripts that put no blanks between words: first and last.
_SCRIPTS_WITHOUT_BLANKS = [
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0x20000, 0x3FFFF),
]


@dataclass
class TextFacts:
    """What is known of a text when its words are counted."""

    listed: SourceList
    num_words: int = 0  # distinct
    num_tokens: int = 0
    num_bytes: int = 0  # of all tokens
    num_punctuated: int = 0  # tokens that end in punctuation
    num_with_blanks: dict[str, int] = field(default_factory=dict)  # tokens that hold each blank other than ASCII's
    num_not_utf8: int = 0  # tokens
    not_utf8: PlacedWords = field(default_factory=list)  # the first of their words
    torn: TornTokens = field(default_factory=TornTokens)  # with --tokens words

    @classmethod
    def of(cls, listed: SourceList, torn: TornTokens, merged: "MergedWords") -> "TextFacts":
        """The facts of a text whose words are merged."""
        return cls(
            listed=listed,
            num_words=merged.num_words,
            num_tokens=merged.num_tokens,
            num_bytes=merged.num_bytes,
            num_punctuated=merged.num_punctuated,
            num_with_blanks=dict(zip(BLANKS, merged.num_with_blanks.tolist(), strict=True)),
            num_not_utf8=merged.num_not_utf8,
            not_utf8=merged.not_utf8,
            torn=torn,
        )


def text_warnings(facts: TextFacts) -> list[str]:
    """Warnings about a text that has words, one sentence each."""
    forms = _form_warnings(facts.listed)
    causes = [*forms, *_encoding_warnings(facts), *_blanks_warnings(facts), *_warnings_of_missing_blanks(facts)]
    return causes if forms else [*causes, *_punctuation_warnings(facts)]


def cause_of_few_words(facts: TextFacts) -> str | None:
    """The likely reason why a text has too few words, as the end of a sentence."""
    causes = [
        *_encoding_warnings(facts),
        *_blanks_warnings(facts, _MANY_BLANKS_SHARE),
        *_warnings_of_missing_blanks(facts),
        *_form_warnings(facts.listed),
    ]
    return causes[0] if causes else None


def left_out_warnings(listed: SourceList) -> list[str]:
    """A warning for each kind of things in corpus directories that cannot be read."""
    return [f"{each}: left out" for each in described(listed.left_out)]


def dropped_warnings(
    num_tokens: int, num_kept: int, num_rows: int, *, min_count: int, max_vocab: int | None, is_given: bool
) -> list[str]:
    """A warning when much of a text is left out, with what limits the vocabulary."""
    num_dropped = num_tokens - num_kept
    if num_dropped <= _DROPPED_SHARE * num_tokens:
        return []
    if is_given:
        why = (
            "their words are not in the given vocabulary; check that --tokens, --lowercase and --unknown are as it was "
            "made with"
        )
    elif max_vocab is not None and num_rows >= max_vocab:
        why = f"--max-vocab keeps {max_vocab:,} words; raise it to keep more"
    else:
        why = f"their words occur less than {min_count} times; lower --min-count to keep more"
    return [f"{_share(num_dropped, num_tokens)} of the {num_tokens:,} tokens are left out, because {why}"]


def _form_warnings(listed: SourceList) -> list[str]:
    """A warning for each kind of records among the sources, with the first of these."""
    names: dict[str, list[str]] = {}
    forms: dict[str, TextForm] = {}
    for source in listed.sources:
        if source.form is not None:
            names.setdefault(source.form.what, []).append(source.display_name)
            forms.setdefault(source.form.what, source.form)
    return [
        f"{_first_of(names[what])} to be {what}, {form.consequence}: take the text out first "
        f"({form.way_out(names[what][0])})"
        for what, form in forms.items()
    ]


def _first_of(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} seems"
    return f"{names[0]} and {len(names) - 1:,} more {'file seem' if len(names) == 2 else 'files seem'}"


def _encoding_warnings(facts: TextFacts) -> list[str]:
    """A warning when tokens hold, or are torn at, bytes that are not UTF-8."""
    torn = facts.torn.num_torn + facts.torn.num_lost
    if torn:
        total = facts.num_tokens + facts.torn.num_lost
        how = "are torn or lost at bytes that are not UTF-8, which --tokens words takes for separators"
        words, count = facts.torn.words, torn
    elif facts.num_not_utf8:
        total, count, words = facts.num_tokens, facts.num_not_utf8, facts.not_utf8
        how = f"hold bytes that are not UTF-8, such as {facts.not_utf8[0][1][:40]!r}"
    else:
        return []
    encoding = likely_encoding(words)
    perhaps = "perhaps the text is in another encoding" if encoding is None else f"perhaps the text is in {encoding}"
    files = [source for source in facts.listed.sources if source.sentences is None]
    name = quoted(files[0].display_name) if len(files) == 1 else "FILE"
    command = pipe_to_training(f"iconv -f {(encoding or 'ENCODING').upper()} -t UTF-8 {name}")
    return [f"{_share(count, total)} of the {total:,} tokens {how}: {perhaps}; convert what is not UTF-8 ({command})"]


def _warnings_of_missing_blanks(facts: TextFacts) -> list[str]:
    """A warning when the words of a script without blanks have not been separated."""
    mean = facts.num_bytes / max(1, facts.num_tokens)
    if mean <= _WITHOUT_BLANKS_BYTES or not _is_without_blanks(facts.listed.sample.decode("utf-8", "ignore")):
        return []
    return [
        f"the mean token has {mean:.0f} bytes: text in a script without blanks between words must be segmented into "
        "words first (for example with jieba for Chinese, MeCab for Japanese, PyThaiNLP for Thai)"
    ]


def _is_without_blanks(sample: str) -> bool:
    letters = [ord(character) for character in sample if character.isalnum()]
    found = sum(any(first <= code <= last for first, last in _SCRIPTS_WITHOUT_BLANKS) for code in letters)
    return found > _WITHOUT_BLANKS_SHARE * len(letters)


def _blanks_warnings(facts: TextFacts, least_share: float = _BLANKS_SHARE) -> list[str]:
    """A warning when many tokens hold blanks, so that each is several words."""
    num_with_blanks = sum(facts.num_with_blanks.values())
    if num_with_blanks <= least_share * facts.num_tokens:
        return []
    blank = max(facts.num_with_blanks, key=facts.num_with_blanks.__getitem__)
    name = f"U+{ord(blank):04X} ({unicodedata.name(blank, 'NEXT LINE').lower()})"
    share = _share(num_with_blanks, facts.num_tokens)
    return [f"{share} of the tokens hold blanks such as {name}; --tokens words splits at them"]


def _punctuation_warnings(facts: TextFacts) -> list[str]:
    """A warning when many tokens end in punctuation."""
    if facts.num_punctuated <= _PUNCTUATION_SHARE * facts.num_tokens:
        return []
    share = _share(facts.num_punctuated, facts.num_tokens)
    return [f"{share} of the tokens end in punctuation; --tokens words would leave it out"]


def _share(part: int, whole: int) -> str:
    share = part / whole
    return f"{share:.0%}" if share >= 0.01 else f"{share:.2%}" if share >= 0.0001 else f"{part:,}"
