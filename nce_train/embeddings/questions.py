"""The questions of `nce-query`, answered with dictionaries that `json.dumps` can write.

A word is looked up as given, else unescaped (`%_new%20york`), else lower-cased. Answers name it as asked (`asked`)
and as the vocabulary has it (`word`). An unknown word raises InputError with the nearest spellings, but `neighbours`
answers the other words.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from nce_train.embeddings.embeddings import Embeddings
from nce_train.embeddings.spelling import find_word, nearest_spellings, not_in_vocabulary
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
    """Find the nearest words of each known word, and the nearest spellings of the first `spell_limit` unknown ones.

    The answer has `neighbours`, for each known word `{"asked", "word", "nearest": [{"word", "similarity"}, …]}`, and
    `unknown`, for each unknown word `{"asked", "spellings"}`, where `spellings` is None beyond the limit: to search
    them takes up to 0.1 seconds each.
    """
    looked_up = [find_word(word, embeddings.key_to_index) for word in words]
    known = [(asked, word) for asked, word in zip(words, looked_up, strict=True) if word is not None]
    unknown = [asked for asked, word in zip(words, looked_up, strict=True) if word is None]
    nearest = embeddings.neighbours([word for _, word in known], top, restrict_vocab, index)
    return {
        "neighbours": [
            {"asked": asked, "word": word, "nearest": _scored(answers, "similarity")}
            for (asked, word), answers in zip(known, nearest, strict=True)
        ],
        "unknown": [
            {
                "asked": asked,
                "spellings": nearest_spellings(asked, embeddings.index_to_key) if number < spell_limit else None,
            }
            for number, asked in enumerate(unknown)
        ],
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


def _all_known(embeddings: Embeddings, words: Sequence[str]) -> list[dict[str, str]]:
    pairs = []
    for asked in words:
        word = find_word(asked, embeddings.key_to_index)
        if word is None:
            raise InputError(not_in_vocabulary(asked, nearest_spellings(asked, embeddings.index_to_key)))
        pairs.append({"asked": asked, "word": word})
    return pairs


def _scored(answers: Any, score: str) -> list[dict[str, Any]]:
    return [{"word": word, score: value} for word, value in answers]
