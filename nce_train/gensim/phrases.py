"""`Phrases` and `FrozenPhrases` (`Phraser`) with gensim 4's names: neighbouring words that belong together are joined.

Sentences are counted, pairs are scored, and sentences come out with `new_york` for `new`, `york`. `nce_train.phrases`
does the same for text files, compiled.
"""

import itertools
import json
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from nce_train.arguments import PathLike, check_output, check_path
from nce_train.errors import InputError
from nce_train.files import atomic_write, report_write_failure

ENGLISH_CONNECTOR_WORDS = frozenset(
    {"a", "an", "the", "for", "of", "with", "without", "at", "from", "to", "in", "on", "by", "and", "or"}
)

Scorer = Callable[[int, int, int, int, int, int], float]


def original_scorer(
    worda_count: int, wordb_count: int, bigram_count: int, len_vocab: int, min_count: int, corpus_word_count: int
) -> float:
    """(count(a b) - min_count) / (count(a) · count(b)) · len_vocab: Mikolov et al. 2013, equation 6."""
    if not worda_count or not wordb_count:
        return -math.inf
    return (bigram_count - min_count) / worda_count / wordb_count * len_vocab


def npmi_scorer(
    worda_count: int, wordb_count: int, bigram_count: int, len_vocab: int, min_count: int, corpus_word_count: int
) -> float:
    """Compute log(p(a b) / (p(a) · p(b))) / -log p(a b), from -1 to 1: Bouma 2009; below `min_count` minus infinity."""
    if bigram_count < min_count or not bigram_count or not worda_count or not wordb_count:
        return -math.inf
    together = bigram_count / corpus_word_count
    if together >= 1:
        return math.inf
    ratio = together / (worda_count / corpus_word_count) / (wordb_count / corpus_word_count)
    return math.log(ratio) / -math.log(together)


SCORERS: dict[str, Scorer] = {"default": original_scorer, "npmi": npmi_scorer}


class _Joining:
    """What `Phrases` and `FrozenPhrases` share: they find phrases in sentences, given the score of a candidate."""

    threshold: float
    min_count: int
    delimiter: str
    connector_words: frozenset[str]

    def score_candidate(self, word_a: str, word_b: str, in_between: Sequence[str]) -> tuple[str | None, float | None]:
        """Return the phrase of two words with connectors between them, and its score, or (None, None) for none."""
        raise NotImplementedError

    def analyze_sentence(self, sentence: Iterable[str]) -> Iterator[tuple[str, float | None]]:
        """Yield each word or phrase of a sentence, and the score of a phrase or None."""
        first: str | None = None
        between: list[str] = []
        for word in sentence:
            if word in self.connector_words:
                if first is None:
                    yield word, None
                else:
                    between.append(word)
                continue
            if first is None:
                first = word
                continue
            phrase, score = self.score_candidate(first, word, between)
            if phrase is not None:
                yield phrase, score
                first = None
            else:
                yield first, None
                yield from ((each, None) for each in between)
                first = word
            between = []
        if first is not None:
            yield first, None
        yield from ((each, None) for each in between)

    def __getitem__(self, sentence: Any) -> Any:
        """Join the phrases of a sentence, a list; or of many sentences, whenever the result is iterated."""
        is_one, sentences = _one_or_many(sentence)
        if is_one:
            return [word for word, _ in self.analyze_sentence(sentences)]
        return JoinedSentences(self, sentences)

    def find_phrases(self, sentences: Iterable[Iterable[str]]) -> dict[str, float]:
        """Find the phrases that occur in sentences, with their scores."""
        found: dict[str, float] = {}
        for sentence in sentences:
            found |= {word: score for word, score in self.analyze_sentence(sentence) if score is not None}
        return found

    def add_lifecycle_event(self, event_name: str, log_level: int = 20, **event: Any) -> None:
        """Do nothing: no events are kept."""

    def _settings(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "min_count": self.min_count,
            "delimiter": self.delimiter,
            "connector_words": sorted(self.connector_words),
        }


class JoinedSentences:
    """Sentences with their phrases joined, each time they are iterated."""

    def __init__(self, phrases: _Joining, sentences: Iterable[Iterable[str]]) -> None:
        self._phrases = phrases
        self._sentences = sentences

    def __iter__(self) -> Iterator[list[str]]:
        for sentence in self._sentences:
            yield self._phrases[list(sentence)]


class Phrases(_Joining):
    """Find words that are neighbours more often than by chance, with the interface of gensim 4's `Phrases`.

    Parameters
    ----------
    sentences : iterable of lists of words, optional
        Counted at once.
    min_count : int
        Subtracted from the count of each pair by the default score.
    threshold : float
        Pairs with a higher score are phrases.
    max_vocab_size : int
        Where more words and pairs are held, the rarest are forgotten.
    delimiter : str
        Between the words of a phrase.
    progress_per
        Without effect.
    scoring : {"default", "npmi"} or callable
        A callable takes the counts of both words and of the pair, the number of words and pairs, `min_count`, and
        the number of tokens.
    connector_words : iterable of str
        Words that may be inside a phrase, and never begin or end one.

    Attributes
    ----------
    vocab : dict of str to int
        How often each word and each pair occurs.
    corpus_word_count : int

    Raises
    ------
    InputError
        When a number is out of range, or `scoring` is not known.

    Examples
    --------
    >>> phrases = Phrases([["new", "york", "is", "large"], ["new", "york", "is", "new"]], min_count=1, threshold=1)
    >>> phrases[["to", "new", "york"]]
    ['to', 'new_york']
    """

    def __init__(
        self,
        sentences: Iterable[Iterable[str]] | None = None,
        min_count: int = 5,
        threshold: float = 10.0,
        max_vocab_size: int = 40_000_000,
        delimiter: str = "_",
        progress_per: int = 10_000,
        scoring: str | Scorer = "default",
        connector_words: Iterable[str] = frozenset(),
    ) -> None:
        if min_count <= 0:
            raise InputError(f"min_count is {min_count}; give at least 1")
        if threshold <= 0 and scoring == "default":
            raise InputError(f"threshold is {threshold}; give a number above 0, or with scoring='npmi' from -1 to 1")
        if scoring == "npmi" and not -1 <= threshold <= 1:
            raise InputError(f"threshold is {threshold}; with scoring='npmi' give a number from -1 to 1")
        if max_vocab_size <= 0:
            raise InputError(f"max_vocab_size is {max_vocab_size}; give at least 1")
        if not callable(scoring) and scoring not in SCORERS:
            raise InputError(f"scoring is {scoring!r}; give one of {', '.join(SCORERS)}, or a function")
        self.min_count, self.threshold, self.max_vocab_size = min_count, threshold, max_vocab_size
        self.delimiter, self.progress_per = delimiter, progress_per
        self.scoring: Scorer = scoring if callable(scoring) else SCORERS[scoring]
        self.connector_words = frozenset(connector_words)
        self.vocab: dict[str, int] = {}
        self.corpus_word_count = 0
        self.min_reduce = 1
        if sentences is not None:
            self.add_vocab(sentences)

    def __repr__(self) -> str:
        settings = f"min_count={self.min_count}, threshold={self.threshold}, max_vocab_size={self.max_vocab_size}"
        return f"{type(self).__name__}<{len(self.vocab)} vocab, {settings}>"

    def add_vocab(self, sentences: Iterable[Iterable[str]]) -> None:
        """Count the words and pairs of further sentences."""
        counts: defaultdict[str, int] = defaultdict(int, self.vocab)
        for sentence in sentences:
            first: str | None = None
            between: list[str] = []
            for word in sentence:
                self.corpus_word_count += 1
                if word in self.connector_words:
                    if first is not None:
                        between.append(word)
                    continue
                counts[word] += 1
                if first is not None:
                    counts[self.delimiter.join([first, *between, word])] += 1
                first, between = word, []
            if len(counts) > self.max_vocab_size:
                for word in [word for word, count in counts.items() if count < self.min_reduce]:
                    del counts[word]
                self.min_reduce += 1
        self.vocab = dict(counts)

    def score_candidate(self, word_a: str, word_b: str, in_between: Sequence[str]) -> tuple[str | None, float | None]:
        """See `_Joining.score_candidate`."""
        phrase = self.delimiter.join([word_a, *in_between, word_b])
        count_a, count_b, count = (self.vocab.get(word, 0) for word in (word_a, word_b, phrase))
        if min(count_a, count_b, count) <= 0:
            return None, None
        score = self.scoring(count_a, count_b, count, len(self.vocab), self.min_count, self.corpus_word_count)
        return (phrase, score) if score > self.threshold else (None, None)

    def export_phrases(self) -> dict[str, float]:
        """Return all phrases and their scores."""
        found: dict[str, float] = {}
        for token in self.vocab:
            words = token.split(self.delimiter)
            if len(words) > 1:
                phrase, score = self.score_candidate(words[0], words[-1], words[1:-1])
                if phrase is not None and score is not None:
                    found[phrase] = score
        return found

    def freeze(self) -> "FrozenPhrases":
        """Return an object that joins the same phrases, and holds nothing else."""
        return FrozenPhrases(self)

    def save(self, fname: PathLike, *_: Any, **__: Any) -> None:
        """Write a JSON file, which `load` reads.

        Raises
        ------
        InputError
            When `scoring` is a function of your own, or the file cannot be written.
        """
        name = next((name for name, scorer in SCORERS.items() if scorer is self.scoring), None)
        if name is None:
            raise InputError("scoring is a function, which a file does not hold; save phrases.freeze() instead")
        more = {"max_vocab_size": self.max_vocab_size, "scoring": name}
        _write(fname, {**self._settings(), **more, "corpus_word_count": self.corpus_word_count, "vocab": self.vocab})

    @classmethod
    def load(cls, fname: PathLike, *_: Any, **__: Any) -> Self:
        """Read what `save` wrote; InputError when it is something else."""
        values = _read(fname, "vocab")
        vocab, words = values.pop("vocab"), values.pop("corpus_word_count", 0)
        phrases = cls(**values)
        phrases.vocab, phrases.corpus_word_count = vocab, words
        return phrases


class FrozenPhrases(_Joining):
    """Phrases that are found already, and take less memory than `Phrases`.

    Parameters
    ----------
    phrases_model : Phrases or FrozenPhrases

    Attributes
    ----------
    phrasegrams : dict of str to float
        The phrases and their scores.
    """

    def __init__(self, phrases_model: "Phrases | FrozenPhrases") -> None:
        self.threshold, self.min_count = phrases_model.threshold, phrases_model.min_count
        self.delimiter, self.connector_words = phrases_model.delimiter, phrases_model.connector_words
        self.phrasegrams: dict[str, float] = (
            dict(phrases_model.phrasegrams)
            if isinstance(phrases_model, FrozenPhrases)
            else phrases_model.export_phrases()
        )

    def __repr__(self) -> str:
        settings = f"min_count={self.min_count}, threshold={self.threshold}"
        return f"{type(self).__name__}<{len(self.phrasegrams)} phrases, {settings}>"

    def score_candidate(self, word_a: str, word_b: str, in_between: Sequence[str]) -> tuple[str | None, float | None]:
        """See `_Joining.score_candidate`."""
        phrase = self.delimiter.join([word_a, *in_between, word_b])
        score = self.phrasegrams.get(phrase)
        return (None, None) if score is None else (phrase, score)

    def save(self, fname: PathLike, *_: Any, **__: Any) -> None:
        """Write a JSON file, which `load` reads."""
        _write(fname, {**self._settings(), "phrasegrams": self.phrasegrams})

    @classmethod
    def load(cls, fname: PathLike, *_: Any, **__: Any) -> Self:
        """Read what `save` wrote; InputError when it is something else."""
        values = _read(fname, "phrasegrams")
        phrases = cls.__new__(cls)
        phrases.phrasegrams = values["phrasegrams"]
        phrases.threshold, phrases.min_count = values["threshold"], values["min_count"]
        phrases.delimiter, phrases.connector_words = values["delimiter"], frozenset(values["connector_words"])
        return phrases


def _one_or_many(sentence: Any) -> tuple[bool, Any]:
    """Whether this is one sentence, and it with its first item put back."""
    if isinstance(sentence, str):
        return True, sentence
    if isinstance(sentence, Sequence):
        return not len(sentence) or isinstance(sentence[0], str), sentence
    items = iter(sentence)
    first = next(items, None)
    whole = itertools.chain([] if first is None else [first], items) if items is sentence else sentence
    return first is None or isinstance(first, str), whole


def _write(path: PathLike, values: dict[str, Any]) -> None:
    check_output("fname", path)
    with report_write_failure(path), atomic_write(Path(path), "w", encoding="utf-8") as file:
        json.dump(values, file, ensure_ascii=True)


def _read(path: PathLike, needed: str) -> dict[str, Any]:
    check_path("fname", path)
    try:
        values = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be read ({error.strerror}); check the path") from None
    except ValueError:
        values = None
    if not isinstance(values, dict) or not isinstance(values.get(needed), dict):
        raise InputError(f"{os.fspath(path)}: not what save of this class writes (JSON with {needed!r}); save it again")
    return values


Phraser = FrozenPhrases
