"""The kinds of values that settings take, beside plain numbers and words: durations, intervals, paths, n-grams, …

Each is a type for pydantic; what a person may write in several ways is brought into one form. The functions below say
what the texts mean.
"""

import os
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from nce_train.arguments import is_plain_number
from nce_train.errors import InputError

MOST_INITIAL = 1000.0  # scale of initial values; vectors have numbers below 10
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?", re.ASCII)
_SECONDS = {"ms": 1e-3, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_TOKENS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kMG]?)\s*tokens|([kMG]))", re.ASCII)
_EPOCHS = re.compile(r"(\d+(?:\.\d+)?)\s*epochs?", re.ASCII)
AUTOMATIC = "auto:"  # before lengths that n-grams have only where the words look like those of a language
_NGRAMS = re.compile(rf"({AUTOMATIC})?\s*(\d{{1,4}})(?:\s*-\s*(\d{{1,4}}))?", re.ASCII)
MOST_NGRAM = 50  # characters: longer ones are whole words and sentences
_MULTIPLES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_NUMBER = r"(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)"
_INIT = re.compile(rf"(zero)|(uniform|normal|truncated-normal)\(\s*{_NUMBER}\s*(/\s*dim)?\s*\)", re.ASCII)


def _number(value: Any) -> Any:
    # YAML 1.1 reads 1e-4 (no point) as a string
    if isinstance(value, str) and is_plain_number(value):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _seconds(value: Any) -> Any:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("it should be a duration such as 5s, 2min or 1h")
        return float(match[1]) * _SECONDS[match[2]]
    return value


def _interval(value: Any, epoch_tokens: int = 0) -> Any:
    # a number alone would be taken for tokens by one user and for seconds by the next
    if not isinstance(value, str) or max(*parse_interval(value, epoch_tokens), 0) == 0:
        or_epochs = " or of epochs such as 1epoch" if epoch_tokens else ""
        raise ValueError(f"it should be a duration such as 30s or 5min, or a number of tokens such as 20M{or_epochs}")
    return value.strip()


def _interval_or_epochs(value: Any) -> Any:
    return value if value is None else _interval(value, epoch_tokens=1)


def _paths(value: Any) -> Any:
    several = [value] if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(several, (list, tuple)):
        return value
    return [os.fspath(path) if isinstance(path, os.PathLike) else path for path in several]


def _ngrams(value: Any) -> Any:
    if value is False:  # what YAML 1.1 makes of off
        return "off"
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value in ("auto", "off"):
        return value
    match = _NGRAMS.fullmatch(value.strip()) if isinstance(value, str) else None
    least, most = (0, 0) if match is None else (int(match[2]), int(match[3] or match[2]))
    if match is None or not 1 <= least <= most <= MOST_NGRAM:
        raise ValueError(
            f"it should be lengths such as 3-6 or 5, from 1 to {MOST_NGRAM}, or auto, auto with lengths such as "
            "auto:4-5, or off"
        )
    return f"{AUTOMATIC if match[1] else ''}{least}-{most}"


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("it names no file (is a variable unset?)")
    return value


def _init(value: Any) -> Any:
    match = _INIT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("it should be zero, uniform(A), normal(SIGMA) or truncated-normal(SIGMA), A also as 0.5/dim")
    if match[3] is not None and float(match[3]) > MOST_INITIAL:
        raise ValueError(f"numbers above {MOST_INITIAL:g} let training explode at once")
    return match[0].strip()


Number = Annotated[float, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Interval = Annotated[str, BeforeValidator(lambda value: _interval(value))]
IntervalOrEpochs = Annotated[str, BeforeValidator(_interval_or_epochs)]
File = Annotated[str, AfterValidator(_not_empty)]
Paths = Annotated[list[File], BeforeValidator(_paths)]
Initialiser = Annotated[str, BeforeValidator(_init)]
Ngrams = Annotated[str, BeforeValidator(_ngrams)]


def parse_initialiser(text: str, dim: int) -> tuple[str, float]:
    """`uniform(0.5/dim)` → ("uniform", 0.5 / dim); `zero` → ("zero", 0)."""
    match = _INIT.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} is no initialiser: give zero, uniform(A), normal(SIGMA) or truncated-normal(SIGMA)."
        )
    if match[1]:
        return "zero", 0.0
    return match[2], float(match[3]) / (dim if match[4] else 1)


def parse_interval(text: str, epoch_tokens: int = 0) -> tuple[float, int]:
    """`5min` → (300.0, 0), `20M` or `20Mtokens` → (0.0, 20_000_000): seconds and tokens; (0.0, 0) for no interval.

    `2epochs` is twice `epoch_tokens`; no interval where these are 0.
    """
    duration, tokens = _DURATION.fullmatch(text.strip()), _TOKENS.fullmatch(text.strip())
    epochs = _EPOCHS.fullmatch(text.strip())
    if duration is not None and duration[2] is not None:
        return float(duration[1]) * _SECONDS[duration[2]], 0
    if tokens is not None:
        return 0.0, round(float(tokens[1]) * _MULTIPLES[tokens[2] or tokens[3] or ""])
    if epochs is not None and epoch_tokens and float(epochs[1]):
        return 0.0, max(1, round(float(epochs[1]) * epoch_tokens))
    return 0.0, 0


def without_dim(initialiser: str, dim: int) -> str:
    """`uniform(0.5/dim)` → `uniform(0.005)` where dim is 100."""
    kind, scale = parse_initialiser(initialiser, dim)
    return kind if kind == "zero" else f"{kind}({scale!r})"
