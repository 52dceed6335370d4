"""Count the words of a corpus."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nce_train.api.inputs import corpus_inputs, refuse_inside_corpus, refuse_overwriting
from nce_train.arguments import PathLike, check_output, check_positive
from nce_train.files import check_output_path, report_write_failure
from nce_train.training.settings import usable_cpus

if TYPE_CHECKING:
    from nce_train.text.corpus import TextSize
    from nce_train.text.vocabulary import Vocabulary


class CountedWords(NamedTuple):
    """What `count_words` returns.

    Attributes
    ----------
    vocabulary : Vocabulary
        `words` and `counts`, by decreasing count.
    sources : list of dict
        `name`, `bytes` and `sha256` of each source, as stored.
    warnings : list of str
        One sentence each.
    text : TextSize
        `distinct_words` and `tokens` of the whole corpus, whether in the vocabulary or not.
    """

    vocabulary: "Vocabulary"
    sources: list[dict[str, Any]]
    warnings: list[str]
    text: "TextSize"


def count_words(
    corpus: Any,
    output: PathLike | None = None,
    *,
    tokens: str = "whitespace",
    lowercase: bool = False,
    normalize: str = "none",
    min_count: int = 5,
    max_vocab: int | None = None,
    unknown: str | None = None,
    threads: int | None = None,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> CountedWords:
    """Count the words of a corpus, to inspect them or for the setting `vocab` of `train`.

    Parameters
    ----------
    corpus : path, list of paths, or iterable of token sequences
        As for `train`.
    output : path, optional
        Write the words here as `word<TAB>count`, the most frequent first.
    tokens, lowercase, normalize, min_count, max_vocab, unknown
        The settings of `train` with these names.
    threads : int, optional
        By default the CPUs this process may use.
    progress : callable, optional
        Called as `progress(done, total, phase)` with bytes; `total` is None where it is unknown.

    Returns
    -------
    CountedWords

    Raises
    ------
    InputError
        A wrong argument, a corpus that cannot be read or has no such words, an output that cannot be written or that is
        part of the corpus.
    RunError
        A failure while reading or writing.

    Examples
    --------
    >>> from nce_train.api import count_words
    >>> counted = count_words([["red", "blue"], ["red"]], min_count=1)
    >>> counted.vocabulary.words, counted.vocabulary.counts.tolist()
    (['red', 'blue'], [2, 1])
    """
    from nce_train.text.corpus import count_corpus

    check_positive("min_count", min_count)
    check_positive("max_vocab", max_vocab, or_none=True)
    check_positive("threads", threads, or_none=True)
    if output is not None:
        check_output("output", output)
        check_output_path(output)
        refuse_overwriting(output, corpus_inputs(corpus))
        refuse_inside_corpus(output, corpus)
    vocabulary, text, sources, warnings = count_corpus(
        corpus,
        tokens=tokens,
        lowercase=lowercase,
        normalize=normalize,
        min_count=min_count,
        max_vocab=max_vocab,
        unknown=unknown,
        threads=threads or usable_cpus(),
        progress=progress,
    )
    if output is not None:
        with report_write_failure(output):
            vocabulary.save(output)
    return CountedWords(vocabulary, sources, warnings, text)
