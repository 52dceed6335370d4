"""The questions of `nce-query`, answered with dictionaries that `json.dumps` can write.

A word is looked up as given, else unescaped (`%_new%20york`), else lower-cased. Answers name it as asked (`asked`)
and as the vocabulary has it (`word`). An unknown word raises InputError with the nearest spellings, but `neighbours`
answers the other words.

With sub-words, an unknown word has a vector composed of its known n-grams, in the spelling that has the most of them.
The word then has further keys: `composed`, True; `known_ngrams`, their number; `spellings`, the nearest in the
vocabulary.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from nce_train.embeddings.embeddings import Embeddings
from nce_train.embeddings.spelling import find_composable, find_word, nearest_spellings, not_in_vocabulary
from nce_train.errors import InputError

if TYPE_CHECKING:
    from nce_train.embeddings.approximate import ApproximateIndex

Method = Literal["3cosadd", "3cosmul"]


def neighbours(
    embeddings: Embeddings,
    words: Sequence[str],
    top: int,
    restrict_vocab: int,
    index: "ApproximateIndex | None",
    spell_limit: int,
) -> dict[str, Any]:
    """Find the nearest words of each word that has a vector, and the nearest spellings of the others.

    The answer has `neighbours`, for each word with a vector
    `{"asked", "word", "nearest": [{"word", "similarity"}, …]}`, and `unknown`, for each other word
    `{"asked", "spellings"}`. `spellings` are searched only for the first `spell_limit` words that are not in the
    vocabulary, which takes up to 0.1 seconds each; they are None for the others.
    """
    with_vector: list[dict[str, Any]] = []
    without: list[dict[str, Any]] = []
    missing = 0
    for asked in words:
        pair = _look_up(embeddings, asked, missing < spell_limit)
        missing += "spellings" in pair
        (with_vector if "word" in pair else without).append(pair)
    nearest = embeddings.neighbours([pair["word"] for pair in with_vector], top, restrict_vocab, index)
    return {
        "neighbours": [
            {**pair, "nearest": _scored(answers, "similarity")}
            for pair, answers in zip(with_vector, nearest, strict=True)
        ],
        "unknown": without,
    }


def analogy(
    embeddings: Embeddings, a: str, b: str, c: str, top: int, restrict_vocab: int, method: Method
) -> dict[str, Any]:
    """Answer "a is to b as c is to ?" by `most_similar` (3cosadd) or `most_similar_cosmul` of b and c without a.

    The answer has `words`, `{"asked", "word"}` of a, b and c; `method`; `answers`, `{"word", "score"}`, the best first.
    """
    words = _all_known(embeddings, [a, b, c])
    a, b, c = (pair["word"] for pair in words)
    search = embeddings.most_similar_cosmul if method == "3cosmul" else embeddings.most_similar
    answers = search(positive=[b, c], negative=[a], topn=top, restrict_vocab=restrict_vocab)
    return {"words": words, "method": method, "answers": _scored(answers, "score")}


def similarity(embeddings: Embeddings, first: str, second: str) -> dict[str, Any]:
    """Compute the cosine similarity of two words: `{"words": [{"asked", "word"}, …], "similarity"}`."""
    words = _all_known(embeddings, [first, second])
    return {"words": words, "similarity": embeddings.similarity(*(pair["word"] for pair in words))}


def odd_one_out(embeddings: Embeddings, words: Sequence[str]) -> dict[str, Any]:
    """Find the word that is farthest from the mean of all: `{"words": [{"asked", "word"}, …], "odd_one_out"}`."""
    known = _all_known(embeddings, words)
    odd = embeddings.doesnt_match([pair["word"] for pair in known])
    return {"words": known, "odd_one_out": next(pair["asked"] for pair in known if pair["word"] == odd)}


def _all_known(embeddings: Embeddings, words: Sequence[str]) -> list[dict[str, Any]]:
    pairs = []
    for asked in words:
        pair = _look_up(embeddings, asked)
        if "word" not in pair:
            raise InputError(not_in_vocabulary(asked, pair["spellings"]))
        pairs.append(pair)
    return pairs


def _look_up(embeddings: Embeddings, asked: str, with_spellings: bool = True) -> dict[str, Any]:
    """Find a word, or else its nearest spellings and, with sub-words, the spelling whose vector can be composed."""
    word = find_word(asked, embeddings.key_to_index)
    if word is not None:
        return {"asked": asked, "word": word}
    spellings = nearest_spellings(asked, embeddings.index_to_key) if with_spellings else None
    subwords = embeddings.subwords
    word = None if subwords is None else find_composable(asked, subwords)
    if subwords is None or word is None:
        return {"asked": asked, "spellings": spellings}
    known_ngrams = subwords.known_ngrams(word)
    return {"asked": asked, "word": word, "composed": True, "known_ngrams": known_ngrams, "spellings": spellings}


def _scored(answers: Any, score: str) -> list[dict[str, Any]]:
    return [{"word": word, score: value} for word, value in answers]
