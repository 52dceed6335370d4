"""Train word embeddings, or resume an interrupted run.

A corpus and settings go in; a trained model comes out, and its directory on disk. `train` is what Python callers use;
`train_or_resume`, which the command calls too, hands the work to `nce_train.runs`.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.api.evaluate import evaluation_on
from nce_train.api.executor import open_executor, settings_for
from nce_train.api.inputs import refuse_inside_corpus
from nce_train.api.progress import ProgressDisplay, open_display
from nce_train.api.start import find_start, settings_and_start
from nce_train.arguments import PathLike, check_corpus, check_output, check_path
from nce_train.embeddings import Embeddings
from nce_train.embeddings.subwords import SubWords
from nce_train.errors import InputError
from nce_train.files import is_same_file
from nce_train.training.settings_files import load_settings, read_config

if TYPE_CHECKING:
    from nce_train.report.tensorboard import TensorBoardLog
    from nce_train.runs.finish import TrainedModel
    from nce_train.runs.protocols import Heldout
    from nce_train.text.vocabulary import Vocabulary
    from nce_train.training.readings import Callback, TrainingState
    from nce_train.training.settings import Settings

    Run = Callable[..., TrainedModel]


def train(
    corpus: Any = None,
    *,
    output: PathLike | None = None,
    config: PathLike | None = None,
    resume: PathLike | None = None,
    init: PathLike | Embeddings | None = None,
    continue_from: PathLike | None = None,
    overwrite: bool = False,
    keep_checkpoint: bool = False,
    cache: bool = True,
    progress: bool = True,
    log_file: PathLike | None = None,
    callback: "Callback | Iterable[Callback]" = (),
    tensorboard: PathLike | None = None,
    cluster: str | None = None,
    **settings: Any,
) -> Embeddings:
    """Train word embeddings.

    Parameters
    ----------
    corpus : path, list of paths, or iterable of token sequences
        Text files (plain or compressed), directories, or sentences as lists of words.
    output : path, optional
        Write the model directory here too.
    config : path or str, optional
        A YAML file of settings, or the name of a preset.
    resume : path, optional
        Continue the interrupted run that was writing this model directory. Its corpus and settings need not be given
        again; `epochs` may be raised.
    init : path or Embeddings, optional
        Words of the corpus that have a vector here start with it; if this is a model directory, with its output vector
        and bias too. Words are compared exactly. `dim` is that of the vectors.
    continue_from : path, optional
        Train this model further, on a new text. Its words stay, words of the text are added, and counts are summed.
        Settings that are not given are the model's, except `threads`, `round_tokens`, `round_tau`, `vocab`, `heldout`,
        `patience`, `eval_every` and `eval_set`. `lr` starts where one schedule over both texts would be.
    overwrite : bool
        Replace a model that is at `output`.
    keep_checkpoint : bool
        Keep the checkpoint at the end, so that epochs can be added.
    cache : bool
        Reuse the token ids of an earlier run on the same files.
    progress : bool
        Show progress on stderr or in the notebook.
    log_file : path, optional
        Append the lines of progress to this file too.
    callback : callable or iterable of callables, optional
        Each is called as `callback(state)` with a `TrainingState` at each reading (every `log_every`, or at multiples
        of `log_every_steps`), held-out loss and evaluation: `state.epoch`, `state.tokens`, `state.loss` and more. If
        one returns True, training ends and the model is written. If one raises, training ends as after Ctrl-C, and
        the exception is raised here. Timed readings are taken while training continues.
    tensorboard : path, optional
        Write the readings and, at the end, the most frequent words to this directory, for TensorBoard (extra
        `tensorboard`).
    cluster : str, optional
        Read and train on the workers of a Dask cluster, `tcp://host:8786`, or `local:N` for N processes of this
        machine (from a script only under `if __name__ == "__main__":`). The model is that of `deterministic=True`.
    **settings
        Any setting by name, such as `dim=100`; it overrides `config`.

    Returns
    -------
    Embeddings
        The input embeddings, in order of decreasing frequency.

    Raises
    ------
    InputError
        A wrong setting, a corpus that cannot be read, an output that cannot be written.
    RunError
        A failure during the run.
    KeyboardInterrupt
        After Ctrl-C. With an `output` a checkpoint is written first, and the exception says how to resume.
    Exception
        What a callback raised. With an `output` as after Ctrl-C; a note of the exception says how to resume.

    Examples
    --------
    >>> import nce_train
    >>> sentences = [["red", "green", "blue"], ["green", "red", "blue"]] * 100
    >>> model = nce_train.train(sentences, dim=8, subsample=0, progress=False)
    >>> model
    Embeddings(3 words, dim 8)

    A callback sees the loss, and can end the run:

    >>> losses = []
    >>> def until_third_epoch(state):
    ...     losses.append(state.loss)
    ...     return state.epoch >= 2
    ...
    >>> options = {"dim": 8, "subsample": 0, "log_every_steps": 20, "threads": 1, "progress": False}
    >>> model = nce_train.train(sentences, epochs=50, callback=until_third_epoch, **options)
    >>> losses[-1] < losses[0]
    True
    """
    for name, path in {"config": config, "resume": resume}.items():
        if path is not None:
            check_path(name, path)
    for name, path in {"output": output, "log_file": log_file, "tensorboard": tensorboard}.items():
        if path is not None:
            check_output(name, path)
    if corpus is not None:
        check_corpus(corpus)
    with open_display(not progress, log_file, corpus, config, settings, init, resume) as display:
        model = train_or_resume(
            corpus,
            output,
            config,
            settings,
            display,
            resume=resume,
            init=init,
            continue_from=continue_from,
            overwrite=overwrite,
            keep_checkpoint=keep_checkpoint,
            cache=cache,
            callbacks=_as_callbacks(callback),
            tensorboard=tensorboard,
            cluster=cluster,
        )
    try:
        vectors = np.ascontiguousarray(model.input)
    except MemoryError:  # the rows of a wider table are as good
        vectors = model.input
    words, counts = model.vocabulary.words, model.vocabulary.counts
    return Embeddings(words, vectors, counts, model.manifest["config"], subwords=_subwords(model))


def _subwords(model: "TrainedModel") -> SubWords | None:
    if model.ngrams is None or model.ngram_buckets is None:
        return None
    lengths = load_settings(None, model.manifest["config"]).ngram_lengths
    assert lengths is not None
    buckets = model.manifest["config"]["buckets"]
    return SubWords(*lengths, buckets, model.ngram_buckets, np.ascontiguousarray(model.ngrams))


def train_or_resume(
    corpus: Any,
    output: PathLike | None,
    config: PathLike | None,
    settings: Mapping[str, Any],
    display: ProgressDisplay,
    *,
    resume: PathLike | None = None,
    init: PathLike | Embeddings | None = None,
    continue_from: PathLike | None = None,
    overwrite: bool = False,
    keep_checkpoint: bool = False,
    cache: bool = True,
    callbacks: "Sequence[Callback]" = (),
    tensorboard: PathLike | None = None,
    cluster: str | None = None,
) -> "TrainedModel":
    """What `train` and `nce-train` have in common; see `train`, and `nce_train.runs.run` for the result."""
    from nce_train.runs.protocols import Hooks
    from nce_train.runs.resume import resume_model
    from nce_train.runs.run import train_model

    run: Run
    if resume is None:
        if corpus is None:
            raise InputError("Name a corpus to train on, or a run to resume.")
        chosen, start = settings_and_start(config, settings_for(cluster, settings), init, continue_from)
        directory = None if output is None else Path(output)
        run = functools.partial(train_model, corpus, chosen, directory, display, overwrite=overwrite, start=start)
    else:
        if init is not None or continue_from is not None:
            raise InputError("A run that is resumed has started already: leave init and continue out.")
        if overwrite:
            raise InputError("resume continues a run, overwrite replaces it: give one of them.")
        if output is not None and not is_same_file(output, resume):
            raise InputError(f"The run in {resume} cannot write to {output} when it is resumed: leave the output out.")
        changes = {**({} if config is None else read_config(config)), **settings}
        run = functools.partial(resume_model, Path(resume), changes, display, corpus=corpus, find_start=find_start)
    with (
        _tensorboard_log(tensorboard, resume or output, corpus, display) as log,
        _model_is_complete(resume or output) as completed,
        open_executor(cluster, display, corpus) as executor,
    ):
        followers: list[Callback] = [*callbacks] if log is None else [log, *callbacks]
        call_followers = functools.partial(_call_all, followers)
        hooks = Hooks(_heldout_text, evaluation_on, call_followers)
        if log is not None:
            hooks = dataclasses.replace(hooks, resumed=log.resume, saved=functools.partial(_write_projector, log))
        completed.append(run(cache=cache, keep_checkpoint=keep_checkpoint, hooks=hooks, cluster=executor))
        return completed[0]


@contextlib.contextmanager
def _model_is_complete(output: PathLike | None) -> "Iterator[list[TrainedModel]]":
    """Say so in a KeyboardInterrupt that comes when the model is in the list, as while a cluster is stopped."""
    completed: list[TrainedModel] = []
    try:
        yield completed
    except KeyboardInterrupt as interrupt:
        if completed and output is not None and not interrupt.args:
            interrupt.args = (f"interrupted when all was done: the model in {os.fspath(output)} is complete",)
        raise


def _tensorboard_log(
    directory: PathLike | None, model: PathLike | None, corpus: Any, display: ProgressDisplay
) -> "contextlib.AbstractContextManager[TensorBoardLog | None]":
    """The log for TensorBoard; refuse a directory inside the model directory or the corpus."""
    if directory is None:
        return contextlib.nullcontext()
    from nce_train.report.tensorboard import TensorBoardLog

    if model is not None and Path(os.path.abspath(directory)).is_relative_to(os.path.abspath(model)):
        raise InputError(f"{directory} is inside the model directory: choose another place for TensorBoard's files.")
    if corpus is not None:
        refuse_inside_corpus(directory, corpus)
    return TensorBoardLog(Path(directory), display.note)


def _write_projector(log: "TensorBoardLog", model: "TrainedModel") -> None:
    log.write_projector(model.vocabulary.words, model.vocabulary.counts, model.input)


def _as_callbacks(callback: "Callback | Iterable[Callback]") -> "list[Callback]":
    callbacks = list(callback) if isinstance(callback, Iterable) else [callback]
    for each in callbacks:
        if not callable(each):
            raise InputError(f"callback is {each!r}; give a function of one argument, or a list of functions")
    return callbacks


def _call_all(callbacks: "Sequence[Callback]", state: "TrainingState") -> bool:
    """Call all callbacks, even after one of them has asked to stop; True when one has."""
    answers = [callback(state) for callback in callbacks]
    return any(answers)


def _heldout_text(text: str, vocabulary: "Vocabulary", settings: "Settings") -> "Heldout":
    from nce_train.evaluation.heldout import HeldoutText

    return HeldoutText(text, vocabulary, settings.model_dump())
