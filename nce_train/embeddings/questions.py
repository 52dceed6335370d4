"""The questions of `nce-query`, answered with dictionaries that `json.dumps` can write.

A word is looked up as given, else unescaped (`%_new%20york`), else lower-cased. Answers name it as asked (`asked`)
and as the vocabulary has it (`word`). For an unknown word the nearest spellings are given.
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
    top: int = 10,
    restrict_vocab: int = 0,
    index: "ApproximateIndex | None" = None,
    spell_limit: int = 10,
) -> dict[str, Any]:
    """Find the nearest words of each known word, and the nearest spellings of each unknown one.

    Parameters
    ----------
    embeddings : Embeddings
    words : sequence of str
    top : int
        The number of neighbours of each.
    restrict_vocab : int
        Search only this many first words; 0 for all.
    index : ApproximateIndex, optional
    spell_limit : int
        For how many unknown words the nearest spellings are searched, which takes up to 0.1 seconds each.

    Returns
    -------
    dict
        `neighbours`: for each known word `{"asked", "word", "nearest": [{"word", "similarity"}, …]}`; `unknown`: for
        each unknown word `{"asked", "spellings"}`, where `spellings` is None beyond the limit.

    Raises
    ------
    ValueError
        As `Embeddings.neighbours`.
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
    embeddings: Embeddings, a: str, b: str, c: str, top: int = 10, restrict_vocab: int = 0, method: Method = "3cosadd"
) -> dict[str, Any]:
    """Answer "a is to b as c is to ?".

    Parameters
    ----------
    embeddings : Embeddings
    a, b, c : str
    top : int
        The number of answers.
    restrict_vocab : int
        Search only this many first words; 0 for all.
    method : {"3cosadd", "3cosmul"}
        `Embeddings.most_similar` or `Embeddings.most_similar_cosmul` of b and c without a.

    Returns
    -------
    dict
        `words`: `{"asked", "word"}` of a, b and c; `method`; `answers`: `{"word", "score"}`, the best first.

    Raises
    ------
    InputError
        When a word is not in the vocabulary.
    """
    words = _all_known(embeddings, [a, b, c])
    a, b, c = (pair["word"] for pair in words)
    search = embeddings.most_similar_cosmul if method == "3cosmul" else embeddings.most_similar
    answers = search(positive=[b, c], negative=[a], topn=top, restrict_vocab=restrict_vocab)
    return {"words": words, "method": method, "answers": _scored(answers, "score")}


def similarity(embeddings: Embeddings, first: str, second: str) -> dict[str, Any]:
    """Compute two words' cosine similarity.

    Returns
    -------
    dict
        `words`: `{"asked", "word"}` of both; `similarity`.

    Raises
    ------
    InputError
        When a word is not in the vocabulary.
    """
    words = _all_known(embeddings, [first, second])
    return {"words": words, "similarity": embeddings.similarity(*(pair["word"] for pair in words))}


def odd_one_out(embeddings: Embeddings, words: Sequence[str]) -> dict[str, Any]:
    """Find the word that is farthest from the mean of all.

    Returns
    -------
    dict
        `words`: `{"asked", "word"}` of each; `odd_one_out`: one of them, as asked.

    Raises
    ------
    InputError
        When a word is not in the vocabulary.
    """
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
