"""`KeyedVectors` with gensim 4's names: keys with vectors that can be added, changed, compared and stored.

It is an `Embeddings`, so that what nce-train does with these it does with a model's `wv`: neighbours, evaluation,
export. What differs is that it changes: vectors may be added and replaced, and keys may be any hashable values.
`vector_store` holds the keys, vectors and attributes; files are in `vector_files`, evaluations in `evaluations`.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.arguments import PathLike
from nce_train.embeddings.postprocess import unit_length
from nce_train.gensim.evaluations import Correlation, word_analogies, word_pairs
from nce_train.gensim.vector_store import VectorStore

_USE_VECATTR = "use get_vecattr(key, 'count'), key_to_index and index_to_key"


class KeyedVectors(VectorStore):
    """Keys with vectors, with the interface of gensim 4's `KeyedVectors`.

    docs/gensim.md has a table of what is the same, what differs and what is refused.

    Parameters
    ----------
    vector_size : int
    count : int
        Room for so many keys, which are None until they are added.
    dtype : type
        Of the vectors.
    mapfile_path
        Without effect.

    Attributes
    ----------
    index_to_key : list
    key_to_index : dict
    vectors : array [keys, vector_size]
    expandos : dict of array
        Attributes of the keys by name, such as `count`.
    norms : float32 [keys] or None
        The lengths of the vectors, 1 for zeros, once they were needed. Call `fill_norms(force=True)` after changing
        `vectors` in place.

    Examples
    --------
    >>> vectors = KeyedVectors(2)
    >>> vectors.add_vectors(["east", "west", "north"], [[1, 0], [-1, 0], [0, 1]])
    >>> vectors.similarity("east", "west"), vectors.most_similar("north", topn=1)[0][0]
    (-1.0, 'east')
    """

    def most_similar(
        self,
        positive: Any = None,
        negative: Any = None,
        topn: int | None = 10,
        clip_start: int = 0,
        clip_end: int | None = None,
        restrict_vocab: int | None = None,
        indexer: Any = None,
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the nearest words; see `nce_train.Embeddings.most_similar`. An `indexer` is refused."""
        if indexer is not None:
            raise NotImplementedError(
                "an indexer of gensim is not supported; nce_train.Embeddings.neighbours takes an index of our own"
            )
        return super().most_similar(positive, negative, topn, clip_start, clip_end, restrict_vocab)

    def most_similar_to_given(self, key1: Any, keys_list: Sequence[Any]) -> Any:
        """Return which of some keys is nearest to `key1`."""
        return keys_list[int(np.argmax([self.similarity(key1, key) for key in keys_list]))]

    def relative_cosine_similarity(self, wa: Any, wb: Any, topn: int = 10) -> float:
        """Divide the similarity of two words by the sum of those of `wa` and its `topn` nearest words.

        A. Leeuwenberg et al.: "A Minimally Supervised Approach for Synonym Extraction with Word Embeddings", 2016.
        """
        nearest = self.most_similar(wa, topn=topn)
        return self.similarity(wa, wb) / sum(similarity for _, similarity in nearest)

    def rank_by_centrality(self, words: Sequence[Any], use_norm: bool = True) -> list[tuple[float, Any]]:
        """Sort words by how near they are to the mean of all of them, as (similarity, word); unknown ones left out.

        Raises
        ------
        ValueError
            When none of the words has a vector.
        """
        known = [word for word in words if word in self]
        if not known:
            raise ValueError(f"rank_by_centrality needs a word in the vocabulary; of {len(words)} words 0 are")
        vectors = self[known]
        vectors = unit_length(vectors) if use_norm else vectors
        mean = unit_length(vectors.mean(axis=0, keepdims=True))[0]
        return sorted(zip((vectors @ mean).tolist(), known, strict=True), reverse=True)

    def similar_by_word(
        self, word: Any, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> list[tuple[str, float]] | NDArray[np.float32]:
        """Find the words nearest to a word; see `most_similar`."""
        return self.most_similar([word], topn=topn, restrict_vocab=restrict_vocab)

    def words_closer_than(self, word1: Any, word2: Any) -> list[Any]:
        """Find all words that are closer to `word1` than `word2` is; see `closer_than`."""
        return self.closer_than(word1, word2)

    @staticmethod
    def cosine_similarities(vector_1: ArrayLike, vectors_all: ArrayLike) -> NDArray:
        """Compute the cosines of a vector [dim] and of each of many [vectors, dim]."""
        one, many = np.asarray(vector_1, np.float64), np.asarray(vectors_all, np.float64)
        return np.asarray(many @ one / (np.linalg.norm(one) * np.linalg.norm(many, axis=1)))

    def vectors_for_all(
        self, keys: Iterable[Any], allow_inference: bool = True, copy_vecattrs: bool = False
    ) -> "KeyedVectors":
        """Return the vectors of those of some keys that have one.

        Parameters
        ----------
        keys : iterable
        allow_inference : bool
            With sub-words, also vectors of unknown words.
        copy_vecattrs : bool
            With the attributes of the keys.
        """
        wanted = dict.fromkeys(keys)
        has_vector = self.__contains__ if allow_inference else self.key_to_index.__contains__
        found = [key for key in wanted if has_vector(key)]
        chosen = KeyedVectors(self.vector_size, dtype=self.vectors.dtype)
        chosen.add_vectors(found, self[found])
        if copy_vecattrs:
            for name in self.expandos:
                for key in found:
                    if key in self.key_to_index:
                        chosen.set_vecattr(key, name, self.get_vecattr(key, name))
        return chosen

    def evaluate_word_pairs(
        self,
        pairs: PathLike,
        delimiter: str = "\t",
        encoding: str = "utf8",
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
    ) -> tuple[Correlation, Correlation, float]:
        """Correlate similarities with those of a file with lines of two words and a number.

        Returns
        -------
        pearson, spearman : (statistic, pvalue)
        oov_ratio : float
            The percentage of pairs with a word that is not among the `restrict_vocab` first ones.

        Raises
        ------
        ValueError
            When no pair is known.
        """
        return word_pairs(self, pairs, delimiter, encoding, restrict_vocab, case_insensitive, dummy4unknown)

    def evaluate_word_analogies(
        self,
        analogies: PathLike,
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
        similarity_function: str = "most_similar",
    ) -> tuple[float, list[dict[str, Any]]]:
        """Answer the questions of a file with lines of four words, and `: NAME` before each section.

        Returns
        -------
        score : float
            The share of the questions that were answered correctly.
        sections : list of dict
            `section`, `correct` and `incorrect`, lists of (a, b, c, expected); the last one has all questions.

        Raises
        ------
        ValueError
            When a question comes before the first section, or `similarity_function` is neither "most_similar" nor
            "most_similar_cosmul".
        """
        return word_analogies(self, analogies, restrict_vocab, case_insensitive, dummy4unknown, similarity_function)

    def wmdistance(self, document1: Any, document2: Any, norm: bool = True) -> float:
        """Refuse: the distance of documents needs a solver of transport problems."""
        raise NotImplementedError(
            "wmdistance needs a solver of transport problems, which nce-train does not have; with the package POT, "
            "ot.emd2 computes it from `distances`"
        )

    # --- what gensim 4 has renamed or made useless ----------------------------------------------------------------

    def word_vec(self, key: Any, norm: bool = False) -> NDArray:
        """Look up a vector; see `get_vector`."""
        return self.get_vector(key, norm=norm)

    def init_sims(self, replace: bool = False) -> None:
        """Compute the norms, or with `replace` scale all vectors to length 1; deprecated as in gensim."""
        warnings.warn("init_sims is deprecated; use fill_norms or unit_normalize_all", DeprecationWarning, stacklevel=2)
        self.fill_norms()
        if replace:
            self.unit_normalize_all()

    def add_lifecycle_event(self, event_name: str, log_level: int = 20, **event: Any) -> None:
        """Do nothing: no events are kept."""

    @property
    def vocab(self) -> Any:
        """Removed in gensim 4."""
        raise AttributeError(f"The vocab attribute was removed from KeyedVectors in gensim 4; {_USE_VECATTR}")

    @property
    def index2word(self) -> Any:
        """Removed in gensim 4."""
        raise AttributeError("The index2word attribute was replaced by index_to_key in gensim 4; use that")

    @property
    def index2entity(self) -> Any:
        """Removed in gensim 4."""
        raise AttributeError("The index2entity attribute was replaced by index_to_key in gensim 4; use that")

    @property
    def vectors_norm(self) -> Any:
        """Removed in gensim 4."""
        raise AttributeError("The vectors_norm attribute was removed in gensim 4; use get_normed_vectors()")

    @property
    def vectors_lockf(self) -> Any:
        """Refused: no row can be kept from training."""
        raise AttributeError("vectors_lockf is not supported, as no row can be kept from training; leave it out")

    @vectors_lockf.setter
    def vectors_lockf(self, _: Any) -> None:
        raise AttributeError("vectors_lockf is not supported, as no row can be kept from training; leave it out")
