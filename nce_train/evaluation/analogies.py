"""Analogy questions (a is to b as c is to ?), answered by 3CosAdd and 3CosMul.

In: `Embeddings` and questions. Out: which of them could be asked and which were answered correctly; from these outcomes
the counts of one model, or the comparison of two.

    3CosAdd = cos(d, b) - cos(d, a) + cos(d, c)
    3CosMul = cos'(d, b) · cos'(d, c) / (cos'(d, a) + ε),   cos' = (cos + 1) / 2, summed as logarithms

T. Mikolov, W. Yih, G. Zweig: "Linguistic Regularities in Continuous Space Word Representations", 2013;
O. Levy, Y. Goldberg: "Linguistic Regularities in Sparse and Explicit Word Representations", 2014.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nce_train.embeddings import Embeddings
from nce_train.embeddings.postprocess import unit_length
from nce_train.errors import InputError
from nce_train.evaluation.analogy_sets import Question
from nce_train.evaluation.any_case import AnyCase, drop_distant_answers
from nce_train.evaluation.significance import difference_interval, mcnemar_p, proportion_interval
from nce_train.evaluation.unknown_words import AnyWord
from nce_train.folding import other_spellings

# A block's two tables take 2 · 512 · 16,384 float32 = 67 MB, and as much its vectors; a sum of the tables' rows fits a
# core's cache.
_WORDS_PER_BLOCK = 512
_ROWS_PER_BLOCK = 1 << 14
_NUMBERS_PER_BLOCK = 1 << 24

# For a cos' of a that is 0: gensim's value; Levy and Goldberg use 0.001.
_EPSILON = np.float32(1e-6)

# Replaces a cos' that is 0, or below 0 by rounding. Its logarithm is finite: -inf means an excluded row.
_LEAST = np.finfo(np.float32).tiny

Progress = Callable[[int, int], None]


class AnalogyOutcome(NamedTuple):
    """The outcome of a set's questions among the first `words` words of a model; bool [questions] each.

    `asked`: whether the words of a question, and a correct answer, are among these words. `add`, `mul`: whether 3CosAdd
    and 3CosMul answered it correctly; False where it was not asked.
    """

    words: int
    asked: NDArray[np.bool_]
    add: NDArray[np.bool_]
    mul: NDArray[np.bool_]


def measure_analogies(
    embeddings: Embeddings,
    questions: Sequence[Question],
    restrict_vocab: int | None = 30_000,
    progress: Progress | None = None,
    fold_case: bool = False,
) -> tuple[AnalogyOutcome, AnalogyOutcome]:
    """Ask questions among the `restrict_vocab` most frequent words, and among all words.

    An answer is the word with the highest score other than a, b and c. A question is asked when a, b, c and a correct
    answer are among the words, as given or else in lower case; with `fold_case` in any case (`any_case`), where other
    spellings of a, b and c are no answers, and any spelling of a correct answer is correct. `embeddings` are by
    decreasing frequency. `progress` is called with (done, total) for the most frequent words and then for all.
    """
    rows = restricted_rows(embeddings, restrict_vocab)
    frequent = _ask(embeddings, questions, rows, progress, fold_case)
    if rows == len(embeddings):
        return frequent, frequent
    return frequent, _ask(embeddings, questions, len(embeddings), progress, fold_case)


def measure_analogies_oov(
    embeddings: Embeddings,
    questions: Sequence[Question],
    restrict_vocab: int | None = 30_000,
    progress: Progress | None = None,
    fold_case: bool = False,
) -> AnalogyOutcome:
    """Ask questions among the `restrict_vocab` most frequent words, also those with other words in them.

    As `measure_analogies`, but a, b and c may be any words with a vector: less frequent ones, and unknown ones, whose
    vectors are composed of their n-grams. Answers are among the most frequent words.
    """
    return _ask(embeddings, questions, restricted_rows(embeddings, restrict_vocab), progress, fold_case, oov=True)


def summarise_analogies(
    questions: Sequence[Question],
    frequent: AnalogyOutcome,
    whole: AnalogyOutcome,
    oov: AnalogyOutcome | None = None,
) -> dict[str, Any]:
    """Count the outcomes of a model, from `measure_analogies` and `measure_analogies_oov`.

    Returns
    -------
    dict
        `words` (the number of words searched), `correct` (by 3CosAdd), `asked`, `questions`, `accuracy` (correct ÷
        asked, None when none was asked), `coverage` (asked ÷ questions), `interval` (of the accuracy, see
        `nce_train.evaluation.significance`), `cosmul` (`correct`, `accuracy` and `interval` of 3CosMul), `sections`
        (the same keys for each section), and `whole_vocabulary` (the same keys for questions asked among all words).
        With `oov` also `oov` (the same keys for questions with any words).
    """
    sections: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        sections.setdefault(question.section, []).append(number)
    every = slice(None)
    return {
        "words": frequent.words,
        **_counts(frequent, every),
        "sections": {name: _counts(frequent, numbers) for name, numbers in sections.items()},
        "whole_vocabulary": {"words": whole.words, **_counts(whole, every)},
        **({} if oov is None else {"oov": {"words": oov.words, **_counts(oov, every)}}),
    }


def compare_analogies(first: AnalogyOutcome, second: AnalogyOutcome) -> dict[str, Any]:
    """Compare two models on the questions that were asked of both, each among its own words.

    Returns
    -------
    dict
        `words` (of each model), `asked` (of both models), `questions`, `coverage`; for 3CosAdd `accuracy` (of each),
        `only_first` and `only_second` (questions that only one of them answered correctly), `difference` of the
        accuracies (first less second) with its `interval`, and McNemar's `p`; the same for 3CosMul as `cosmul`. Where
        no question was asked of both, `accuracy`, `difference`, `interval` and `p` are None.
    """
    both = first.asked & second.asked
    return {
        "words": [first.words, second.words],
        "asked": int(both.sum()),
        "questions": len(both),
        "coverage": float(both.mean()),
        **_paired_accuracies(first.add[both], second.add[both]),
        "cosmul": _paired_accuracies(first.mul[both], second.mul[both]),
    }


def answer_questions(
    vectors: NDArray[np.float32],
    questions: NDArray[np.intp],
    progress: Progress | None = None,
    excluded: Sequence[Sequence[int]] | None = None,
    asked_vectors: NDArray[np.float32] | None = None,
) -> NDArray[np.intp]:
    """Answer each question (a, b, c) with the rows of the highest 3CosAdd and 3CosMul, other than a, b and c.

    Few words make many questions. Cosines are therefore computed once a word, in matrix products of blocks of words and
    rows. A question then costs the sum of three rows of such a block and a search for the largest number.

    In: `vectors` [rows, dim] of any length, rows of a, b and c in `questions` [questions, 3], and for each question the
    rows that are no answer, by default a, b and c. With `asked_vectors` [any, dim], `questions` are rows of these. Out:
    the rows by 3CosAdd and by 3CosMul [2, questions]; -1 where there is no other row. `progress(done, total)` counts
    questions.
    """
    excluded = questions.tolist() if excluded is None else excluded
    asked_vectors = vectors if asked_vectors is None else asked_vectors
    answers = np.empty((2, len(questions)), np.intp)
    rows = min(_ROWS_PER_BLOCK, max(1, _NUMBERS_PER_BLOCK // vectors.shape[1]))
    for start, stop in _groups(questions):
        group = questions[start:stop]
        words, places = np.unique(group, return_inverse=True)
        word_places = places.reshape(-1, 3).tolist()
        word_units = unit_length(asked_vectors[words])
        best_add, best_mul = ([(-np.inf, -1)] * len(group) for _ in range(2))
        for first in range(0, len(vectors), rows):
            cosines = word_units @ unit_length(vectors[first : first + rows]).T
            _improve(best_add, first, cosines, cosines, word_places, excluded[start:stop])
            shifted = cosines  # the same memory
            shifted += 1
            shifted /= 2
            np.maximum(shifted, _LEAST, out=shifted)
            minus = shifted + _EPSILON
            np.log(minus, out=minus)
            np.log(shifted, out=shifted)
            _improve(best_mul, first, shifted, minus, word_places, excluded[start:stop])
            del cosines, shifted, minus  # before there are others
            if progress is not None:
                share = min(1.0, (first + rows) / len(vectors))
                progress(start + round((stop - start) * share), len(questions))
        answers[:, start:stop] = [[row for _, row in best] for best in (best_add, best_mul)]
    return answers


def restricted_rows(embeddings: Embeddings, restrict_vocab: int | None) -> int:
    """Return the number of rows among the `restrict_vocab` most frequent words; 0 and None stand for all words."""
    if restrict_vocab is not None and restrict_vocab < 0:
        raise InputError(f"restrict_vocab is {restrict_vocab}; give a number of words, or 0 for all")
    return min(restrict_vocab or len(embeddings), len(embeddings))


def find_row(index: Mapping[str, int], word: str, rows: int) -> int:
    """Find a word, as given or else as `other_spellings`, among the first `rows` rows; -1 when it is not there."""
    for form in itertools.chain([word], other_spellings(word)):
        row = index.get(form, rows)
        if row < rows:
            return row
    return -1


class AsGiven:
    """The first `rows` rows of a model by their words, with `find_row`; `any_case.AnyCase` has the same methods."""

    def __init__(self, index: Mapping[str, int], rows: int) -> None:
        self._index = index
        self._rows = rows

    def find(self, word: str) -> int:
        """Return the row of a word; -1 when it is not there."""
        return find_row(self._index, word, self._rows)

    def find_all(self, words: Iterable[str]) -> set[int]:
        """Return the rows of the words that are there."""
        return {self.find(word) for word in words} - {-1}

    def spellings(self, rows: Iterable[int]) -> list[int]:
        """Return the rows themselves."""
        return list(rows)


def word_rows(embeddings: Embeddings, rows: int, fold_case: bool) -> AsGiven | AnyCase:
    """The look-up of words among the first `rows` rows."""
    return AnyCase(embeddings.index_to_key[:rows]) if fold_case else AsGiven(embeddings.key_to_index, rows)


def _ask(
    embeddings: Embeddings,
    questions: Sequence[Question],
    rows: int,
    progress: Progress | None,
    fold_case: bool,
    oov: bool = False,
) -> AnalogyOutcome:
    words = word_rows(embeddings, rows, fold_case)
    finder = AnyWord(embeddings, [words, word_rows(embeddings, len(embeddings), fold_case)]) if oov else words
    ids = np.array([[finder.find(word) for word in question[1:4]] for question in questions], np.intp)
    ids = ids.reshape(-1, 3)
    # Looked up once for each set of answers: every line of a file of pairs has the answers of many questions.
    rows_of = {
        expected: words.find_all(expected)
        for expected in {(question.expected, *question.also) for question in questions}
    }
    accepted = [rows_of[question.expected, *question.also] for question in questions]
    asked = (ids.min(axis=1) >= 0) & np.array(list(map(bool, accepted)), bool)
    abc = ids[asked]
    excluded = [words.spellings(row for row in question if row < rows) for question in abc.tolist()]
    vectors = embeddings.vectors[:rows]
    if isinstance(finder, AnyWord):
        numbers, places = np.unique(abc, return_inverse=True)
        asked_vectors, abc = finder.vectors_of(numbers), places.reshape(-1, 3)
    else:
        asked_vectors = vectors
    answers = answer_questions(vectors, abc, progress, excluded, asked_vectors)
    if fold_case:
        drop_distant_answers(vectors, asked_vectors[abc], ids[asked], excluded, answers[0])
    correct = np.zeros((2, len(questions)), bool)
    for number, add, mul in zip(np.flatnonzero(asked).tolist(), *answers.tolist(), strict=True):
        correct[:, number] = add in accepted[number], mul in accepted[number]
    return AnalogyOutcome(rows, asked, *correct)


def _groups(questions: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Divide the questions into ranges of at most `_WORDS_PER_BLOCK` different words."""
    start = 0
    words: set[int] = set()
    for number, question in enumerate(questions.tolist()):
        words.update(question)
        if len(words) > _WORDS_PER_BLOCK and number > start:
            yield start, number
            start, words = number, set(question)
    if start < len(questions):
        yield start, len(questions)


def _improve(
    best: list[tuple[float, int]],
    first: int,
    plus: NDArray[np.float32],
    minus: NDArray[np.float32],
    places: list[list[int]],
    excluded: Sequence[Sequence[int]],
) -> None:
    """Replace, in place, the best (score, row) of each question by a better one in the block of rows from `first`.

    The score of a row is plus[b] - minus[a] + plus[c], of `plus` and `minus` [words, rows of the block], where `places`
    are a, b and c of each question. Its `excluded` rows are no answer; they may be outside of the block.
    """
    width = plus.shape[1]
    offset, scores = np.empty((2, width), np.float32)
    pair = (-1, -1)
    for number, (a, b, c) in enumerate(places):
        if (a, b) != pair:  # many consecutive questions begin with the same pair
            np.subtract(plus[b], minus[a], out=offset)
            pair = (a, b)
        np.add(offset, plus[c], out=scores)
        for row in excluded[number]:
            if first <= row < first + width:
                scores[row - first] = -np.inf
        place = int(scores.argmax())
        if scores[place] > best[number][0]:
            best[number] = float(scores[place]), first + place


def _counts(outcome: AnalogyOutcome, which: slice | list[int]) -> dict[str, Any]:
    asked, questions = int(outcome.asked[which].sum()), len(outcome.asked[which])
    add, mul = (_accuracy(correct[which], asked) for correct in (outcome.add, outcome.mul))
    return {
        "correct": add["correct"],
        "asked": asked,
        "questions": questions,
        "accuracy": add["accuracy"],
        "coverage": asked / questions,
        "interval": add["interval"],
        "cosmul": mul,
    }


def _accuracy(outcomes: NDArray[np.bool_], asked: int) -> dict[str, Any]:
    correct = int(outcomes.sum())
    return {
        "correct": correct,
        "accuracy": correct / asked if asked else None,
        "interval": proportion_interval(correct, asked),
    }


def _paired_accuracies(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    asked = len(first)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return {
        "accuracy": [float(correct.mean()) if asked else None for correct in (first, second)],
        "only_first": only_first,
        "only_second": only_second,
        "difference": (only_first - only_second) / asked if asked else None,
        "interval": difference_interval(only_first, only_second, asked),
        "p": mcnemar_p(only_first, only_second) if asked else None,
    }
