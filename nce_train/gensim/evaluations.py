"""gensim's evaluations of vectors: correlation with judged pairs, and analogies, with gensim's rules and results.

`nce_train.evaluate` measures the same sets with intervals and comparisons.
"""

import logging
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.arguments import PathLike
from nce_train.embeddings import Embeddings
from nce_train.embeddings.postprocess import unit_length
from nce_train.gensim.sentences import open_text

logger = logging.getLogger(__name__)

_QUESTIONS_AT_ONCE = 128
_LOOKED_AT = 5  # gensim takes the first of so many nearest words that is not a word of the question
_EPSILON = np.float32(1e-6)


class Correlation(NamedTuple):
    """A coefficient of correlation, and the probability of one as large by chance."""

    statistic: float
    pvalue: float


def word_pairs(
    vectors: Embeddings,
    path: PathLike,
    delimiter: str,
    encoding: str,
    restrict_vocab: int | None,
    case_insensitive: bool,
    dummy4unknown: bool,
) -> tuple[Correlation, Correlation, float]:
    """See `KeyedVectors.evaluate_word_pairs`."""
    rows = _rows_by_spelling(vectors, restrict_vocab, case_insensitive)
    judged: list[float] = []
    found: list[float] = []
    unknown = 0
    for number, line in _lines(path, encoding):
        fields = (line.upper() if case_insensitive else line).split(delimiter)
        try:
            first, second, score = fields[0].strip(), fields[1].strip(), float(fields[2])
        except (IndexError, ValueError):
            logger.info("%s, line %d: not two words and a number", path, number)
            continue
        if first in rows and second in rows:
            found.append(float(vectors.similarity(rows[first], rows[second])))
        else:
            unknown += 1
            if not dummy4unknown:
                continue
            found.append(0.0)
        judged.append(score)
    if not judged:
        raise ValueError(
            f"No valid similarity judgements found in {os.fspath(path)}: either invalid or all are out-of-vocabulary"
        )
    ratio = unknown / (len(judged) + (0 if dummy4unknown else unknown)) * 100
    gold, ours = np.array(judged), np.array(found)
    return _correlation(gold, ours), _correlation(_ranks(gold), _ranks(ours)), ratio


def word_analogies(
    vectors: Embeddings,
    path: PathLike,
    restrict_vocab: int | None,
    case_insensitive: bool,
    dummy4unknown: bool,
    similarity_function: str,
) -> tuple[float, list[dict[str, Any]]]:
    """See `KeyedVectors.evaluate_word_analogies`."""
    if similarity_function not in ("most_similar", "most_similar_cosmul"):
        raise ValueError(
            f"similarity_function is {similarity_function!r}; give 'most_similar' or 'most_similar_cosmul'"
        )
    rows = _rows_by_spelling(vectors, restrict_vocab, case_insensitive)
    sections: list[dict[str, Any]] = []
    asked: list[tuple[dict[str, Any], tuple[str, ...]]] = []
    for number, line in _lines(path, "utf-8"):
        if line.startswith(": "):
            sections.append({"section": line[2:].strip(), "correct": [], "incorrect": []})
            continue
        if not sections:
            raise ValueError(f"Missing section header before line #{number} in {os.fspath(path)}; write `: NAME`")
        words = tuple((line.upper() if case_insensitive else line).split())
        if len(words) != 4:
            logger.info("%s, line %d: not four words", path, number)
        elif all(word in rows for word in words):
            asked.append((sections[-1], words))
        elif dummy4unknown:
            sections[-1]["incorrect"].append(words)
    names = [key.upper() if case_insensitive and isinstance(key, str) else key for key in vectors.index_to_key]
    questions = np.array([[rows[word] for word in words[:3]] for _, words in asked], np.intp).reshape(-1, 3)
    answers = _answers(vectors, questions, restrict_vocab, similarity_function == "most_similar_cosmul")
    for (section, words), nearest in zip(asked, answers, strict=True):
        answer = next((names[row] for row in nearest if names[row] in rows and names[row] not in words[:3]), None)
        section["correct" if answer == words[3] else "incorrect"].append(words)
    total: dict[str, Any] = {"section": "Total accuracy"}
    for kind in ("correct", "incorrect"):
        total[kind] = [words for section in sections for words in section[kind]]
    sections.append(total)
    return _accuracy(total), sections


def _answers(
    vectors: Embeddings, questions: NDArray[np.intp], restrict_vocab: int | None, product: bool
) -> Iterator[list[int]]:
    """Yield for each question its nearest rows other than a, b and c, the nearest first."""
    units = unit_length(np.asarray(vectors.vectors, np.float32))
    searched = units[: restrict_vocab or None]
    for start in range(0, len(questions), _QUESTIONS_AT_ONCE):
        part = questions[start : start + _QUESTIONS_AT_ONCE]
        a, b, c = (units[part[:, place]] for place in range(3))
        if product:
            to_a, to_b, to_c = ((1 + each @ searched.T) / 2 for each in (a, b, c))
            scores = to_b * to_c / (to_a + _EPSILON)
        else:
            scores = (b - a + c) @ searched.T
        for own, row in zip(part.tolist(), scores, strict=True):
            row[[each for each in own if each < len(row)]] = -np.inf
            most = min(_LOOKED_AT, len(row))
            best = np.argpartition(-row, most - 1)[:most]
            yield best[np.argsort(-row[best], kind="stable")].tolist()


def _rows_by_spelling(vectors: Embeddings, restrict_vocab: int | None, any_case: bool) -> dict[str, int]:
    """The rows of the first words; of spellings that differ in case only, the first one counts."""
    rows: dict[str, int] = {}
    for row, key in enumerate(vectors.index_to_key[: restrict_vocab or None]):
        if isinstance(key, str):
            rows.setdefault(key.upper() if any_case else key, row)
    return rows


def _lines(path: PathLike, encoding: str) -> Iterator[tuple[int, str]]:
    with open_text(path) as file:
        for number, raw in enumerate(file, start=1):
            line = raw.decode(encoding).rstrip("\r\n")
            if line and not line.startswith("#"):
                yield number, line


def _accuracy(section: dict[str, Any]) -> float:
    correct, incorrect = len(section["correct"]), len(section["incorrect"])
    return correct / (correct + incorrect) if correct + incorrect else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, the mean rank for equal values."""
    _, place, number = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(number)
    return (ends - (number - 1) / 2)[place]


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> Correlation:
    """Pearson's coefficient, and its two-sided p-value under independence; NaN where one of them does not vary."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return Correlation(math.nan, math.nan)
    r = float(np.clip(np.corrcoef(one, other)[0, 1], -1, 1))
    degrees = len(one) - 2
    return Correlation(r, 1.0 if degrees == 0 else _incomplete_beta(degrees / 2, 0.5, 1 - r * r))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (Abramowitz and Stegun, 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly
        return 1 - _incomplete_beta(b, a, 1 - x)
    factor = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    terms: Sequence[float] = [
        -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        if odd
        else m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        for m in range(300)
        for odd in (False, True)
    ][1:]
    value = 1.0
    for term in reversed(terms):
        value = 1 + term / value
    return factor / (a * value)
