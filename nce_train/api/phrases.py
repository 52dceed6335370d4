"""Join words that occur together more often than chance predicts."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nce_train.api.inputs import corpus_inputs, refuse_inside_corpus, refuse_overwriting
from nce_train.arguments import PathLike, check_number, check_output, check_positive
from nce_train.embeddings.formats.compression import check_writable, open_writing
from nce_train.errors import InputError
from nce_train.files import check_output_path, is_same_file, is_stream, report_write_failure
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
    normalize: str = "none",
    list_file: PathLike | None = None,
    threads: int | None = None,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> "PhrasedCorpus":
    """Join neighbouring words that occur together more often than chance predicts, as in `new_york`.

    Parameters
    ----------
    corpus : path, list of paths, or iterable of token sequences
        As for `train`.
    output : path
        A text for `train`: the same lines, except those without a word, with one space between words. An ending `.gz`,
        `.bz2`, `.xz` or `.zst` compresses.
    score : {"word2vec", "npmi"}
        How pairs are scored; see `nce_train.text.phrases`.
    threshold : float, optional
        Join pairs with a higher score; by default 10 for word2vec and 0.5 for NPMI.
    min_count : int
        Do not join pairs that occur less often. The word2vec score subtracts it from each pair's count.
    passes : int
        Each further pass can join phrases too: two passes give phrases of up to four words.
    delimiter : str
        Text between joined words.
    tokens : {"whitespace", "words"}
        What a token is; see `train`.
    lowercase : bool
        Convert words to lower case.
    normalize : {"none", "nfc"}
        Bring words into Unicode's composed form (NFC), or leave them as they are.
    list_file : path, optional
        Write the phrases here, by pass and decreasing score: a table with tabs and a header.
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
        A wrong argument, a corpus that cannot be read, an output that cannot be written or that is part of the corpus.
    RunError
        A failure while reading or writing; an older file at `output` is then unchanged.
    """
    from nce_train.text.phrases import Rule, join_corpus, phrase_table

    check_output("output", output)
    if list_file is not None:
        check_output("list_file", list_file)
    check_positive("passes", passes)
    check_positive("min_count", min_count)
    check_positive("threads", threads, or_none=True)
    if threshold is not None:
        check_number("threshold", threshold)
    rule = Rule(score, threshold, min_count, delimiter)
    outputs = [Path(path) for path in (output, list_file) if path is not None]
    _check_outputs(outputs, corpus)
    scratch = None if is_stream(output) else os.path.dirname(os.path.realpath(output))
    with (
        tempfile.TemporaryDirectory(prefix=".nce-phrases-", dir=scratch) as directory,
        report_write_failure(output),
        open_writing(outputs[0]) as text,
    ):
        joined = join_corpus(
            corpus,
            text.write,
            directory,
            rule,
            passes=passes,
            tokens=tokens,
            lowercase=lowercase,
            normalize=normalize,
            threads=threads or usable_cpus(),
            progress=progress,
        )
        for path in outputs[1:]:  # before the text is complete: if the list fails, no text appears
            with report_write_failure(path), open_writing(path) as table:
                table.writelines(phrase_table(joined.phrases))
    return joined


def _check_outputs(outputs: Sequence[Path], corpus: Any) -> None:
    inputs = corpus_inputs(corpus)
    for number, path in enumerate(outputs):
        check_writable(path)
        check_output_path(path)
        refuse_overwriting(path, inputs)
        if any(path.absolute() == other.absolute() or is_same_file(path, other) for other in outputs[:number]):
            raise InputError(f"{path}: the text goes here; name another file for the list of phrases")
    for path in outputs:
        refuse_inside_corpus(path, corpus)
