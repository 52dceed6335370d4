"""Join the words that stand side by side more often than chance would have it."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nce_train.api.arguments import PathLike
from nce_train.arguments import check_integer, check_number, check_path
from nce_train.embeddings.formats.compression import check_writable, open_writing
from nce_train.errors import InputError
from nce_train.files import check_output_path, is_same_file, is_stream, report_write_failure
from nce_train.text.sources import list_sources
from nce_train.training.settings import usable_cpus

if TYPE_CHECKING:
    from nce_train.text.phrases import PhrasedCorpus


def phrases(
    corpus: Any,
    output: PathLike,
    *,
    score: str = "word2vec",
    threshold: float | None = None,
    min_count: int = 5,
    passes: int = 1,
    delimiter: str = "_",
    tokens: str = "whitespace",
    lowercase: bool = False,
    list_file: PathLike | None = None,
    threads: int | None = None,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> "PhrasedCorpus":
    """Join the words that stand side by side more often than chance would have it, as `new_york`.

    Parameters
    ----------
    corpus : path, list of paths, or iterable of token sequences
        As `train` takes it.
    output : path
        A text for `train`: the same lines (but for those without a word), the words separated by one space. An ending
        `.gz`, `.bz2`, `.xz` or `.zst` compresses.
    score : {"word2vec", "npmi"}
        How neighbours are scored; see `nce_train.text.phrases`.
    threshold : float, optional
        Join above this score; 10 for word2vec and 0.5 for NPMI.
    min_count : int
        Do not join pairs that occur less often. The score word2vec takes it off each pair's count.
    passes : int
        Each further pass may join phrases of the one before: two of them give phrases of up to four words.
    delimiter : str
        What stands between joined words.
    tokens : {"whitespace", "words"}
        What a token is; see `train`.
    lowercase : bool
        Fold words to lower case.
    list_file : path, optional
        Write the phrases here, by pass and decreasing score: a table with tabs and a line of names.
    threads : int, optional
        By default the CPUs this process may use.
    progress : callable, optional
        Called as `progress(done, total, phase)`; `total` is None where it is unknown.

    Returns
    -------
    PhrasedCorpus
        With `phrases`, `tokens_read` and `tokens_written`.

    Raises
    ------
    InputError
        A wrong setting, a corpus that cannot be read, a place where nothing can be written, or that of the corpus.
    RunError
        A failure in mid-run; what stood at `output` is then as it was.
    """
    from nce_train.text.phrases import Rule, join_corpus, phrase_table

    for name, place in {"output": output, **({} if list_file is None else {"list_file": list_file})}.items():
        check_path(name, place)
    for name, number in {"passes": passes, "min_count": min_count, "threads": threads}.items():
        check_integer(name, number, or_none=name == "threads")
    if threshold is not None:
        check_number("threshold", threshold)
    if passes < 1:
        raise InputError(f"passes is {passes}; give a number of at least 1")
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}; give a number of at least 1")
    rule = Rule(score, threshold, min_count, delimiter)
    places = [Path(place) for place in (output, list_file) if place is not None]
    _check_outputs(places, corpus)
    scratch = None if is_stream(output) else os.path.dirname(os.path.realpath(output))
    with (
        tempfile.TemporaryDirectory(prefix=".nce-phrases-", dir=scratch) as directory,
        report_write_failure(output),
        open_writing(places[0]) as text,
    ):
        joined = join_corpus(
            corpus,
            text.write,
            directory,
            rule,
            passes=passes,
            tokens=tokens,
            lowercase=lowercase,
            threads=threads or usable_cpus(),
            progress=progress,
        )
        for place in places[1:]:  # before the text takes its place: without the list it stays away
            with report_write_failure(place), open_writing(place) as table:
                table.writelines(phrase_table(joined.phrases))
    return joined


def _check_outputs(places: Sequence[Path], corpus: Any) -> None:
    sources = [source.path for source in list_sources(corpus).sources if source.path is not None]
    for number, place in enumerate(places):
        check_writable(place)
        check_output_path(place)
        if any(is_same_file(source, place) for source in sources):
            raise InputError(f"{place}: this file is read as corpus; name another one to write")
        if any(place.absolute() == other.absolute() or is_same_file(place, other) for other in places[:number]):
            raise InputError(f"{place}: the text goes here; name another file for the list of phrases")
