"""Train word embeddings, go on with an interrupted run, or estimate what a run would take."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.api.arguments import PathLike
from nce_train.api.evaluate import evaluation_on
from nce_train.api.progress import ProgressDisplay
from nce_train.api.start import find_start, settings_and_start
from nce_train.arguments import check_corpus, check_path
from nce_train.embeddings import Embeddings
from nce_train.errors import InputError
from nce_train.files import is_same_file
from nce_train.text.sources import list_sources
from nce_train.training.settings_files import read_config

if TYPE_CHECKING:
    from nce_train.report.tensorboard import TensorBoardLog
    from nce_train.runs.estimate import Estimate
    from nce_train.runs.finish import TrainedModel
    from nce_train.runs.protocols import Executor, Heldout, Watcher
    from nce_train.text.sources import Corpus
    from nce_train.text.vocabulary import Vocabulary
    from nce_train.training.readings import Callback, TrainingState
    from nce_train.training.settings import Settings


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
        Go on with the interrupted run that was writing this model directory; its corpus and settings need not be given
        again, but `epochs` may be raised.
    init : path or Embeddings, optional
        Words of the corpus that have a vector here start with it: of a model directory, with its output vector and bias
        too. Words are compared as they are. `dim` is that of the vectors.
    continue_from : path, optional
        Train this model further, on a new text: its words stay, and words of the text are added. Counts are summed.
        Settings are the model's unless given, but `threads`, `round_tokens`, `round_tau`, `vocab`, `heldout`,
        `patience`, `eval_every` and `eval_set`; `lr` starts where it would be, had it fallen over both texts.
    overwrite : bool
        Replace a model that is at `output`.
    keep_checkpoint : bool
        Keep the state at the end, so that the run can be given more epochs.
    cache : bool
        Reuse the ids of an earlier run on the same files.
    progress : bool
        Show progress on stderr or in the notebook.
    callback : callable or iterable of callables, optional
        Each is called as `callback(state)` with a `TrainingState` at each reading (every `log_every`, or at multiples
        of `log_every_steps`), held-out loss and evaluation: `state.epoch`, `state.tokens`, `state.loss` and more. If
        one returns True, training ends and the model is written; if one raises, training ends as after Ctrl-C, and
        the exception comes out here. Timed readings are taken while training goes on.
    tensorboard : path, optional
        Write the readings and, at the end, the most frequent words to this directory, for TensorBoard (extra
        `tensorboard`).
    cluster : str, optional
        Read and train on the workers of a Dask cluster, `tcp://host:8786`, or `local:N` for N processes of this
        machine (from a script only under `if __name__ == "__main__":`). The model is that of `deterministic=True`.
    **settings
        Any setting by name, as `dim=100`; they win over `config`.

    Returns
    -------
    Embeddings
        The input embeddings, in order of decreasing frequency.

    Raises
    ------
    InputError
        A wrong setting, a corpus that cannot be read, an output that cannot be written.
    RunError
        A failure in mid-run.
    KeyboardInterrupt
        After Ctrl-C; with an `output` a checkpoint is written first, and the exception says how to go on.
    Exception
        What a callback raised; with an `output` as after Ctrl-C, and a note of the exception says how to go on.

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
    for name, path in {"output": output, "config": config, "resume": resume, "tensorboard": tensorboard}.items():
        if path is not None:
            check_path(name, path)
    if corpus is not None:
        check_corpus(corpus)
    with ProgressDisplay(quiet=not progress) as display:
        model = train_or_resume(
            corpus,
            None if output is None else Path(output),
            config,
            settings,
            display,
            resume=None if resume is None else Path(resume),
            init=init,
            continue_from=continue_from,
            overwrite=overwrite,
            keep_checkpoint=keep_checkpoint,
            cache=cache,
            callbacks=_callables(callback),
            tensorboard=None if tensorboard is None else Path(tensorboard),
            cluster=cluster,
        )
    vectors = np.ascontiguousarray(model.input)
    return Embeddings(model.vocabulary.words, vectors, model.vocabulary.counts, model.manifest["config"])


def _callables(callback: "Callback | Iterable[Callback]") -> "list[Callback]":
    callbacks = list(callback) if isinstance(callback, Iterable) else [callback]
    for each in callbacks:
        if not callable(each):
            raise InputError(f"callback is {each!r}; give a function of one argument, or a list of functions")
    return callbacks


def train_or_resume(
    corpus: Any,
    output: Path | None,
    config: PathLike | None,
    settings: Mapping[str, Any],
    watcher: ProgressDisplay,
    *,
    resume: Path | None = None,
    init: PathLike | Embeddings | None = None,
    continue_from: PathLike | None = None,
    overwrite: bool = False,
    keep_checkpoint: bool = False,
    cache: bool = True,
    callbacks: "Sequence[Callback]" = (),
    tensorboard: Path | None = None,
    cluster: str | None = None,
) -> "TrainedModel":
    """What `train` and `nce-train` have in common; see `train`, and `nce_train.runs.run` for the result."""
    from nce_train.runs.protocols import Hooks
    from nce_train.runs.resume import resume_model
    from nce_train.runs.run import train_model

    run: Callable[..., TrainedModel]
    if resume is None:
        if corpus is None:
            raise InputError("Name a corpus to train on, or a run to resume.")
        given = settings if cluster is None else _in_rounds(settings)
        chosen, start = settings_and_start(config, given, init, continue_from)
        run = functools.partial(train_model, corpus, chosen, output, watcher, overwrite=overwrite, start=start)
    else:
        if init is not None or continue_from is not None:
            raise InputError("A run that is resumed has started already: leave init and continue out.")
        if overwrite:
            raise InputError("resume goes on with a run, overwrite replaces it: give one of them.")
        if output is not None and not is_same_file(output, resume):
            raise InputError(f"The run in {resume} goes on there and cannot write to {output}: leave the output out.")
        changes = {**({} if config is None else read_config(config)), **settings}
        run = functools.partial(resume_model, resume, changes, watcher, corpus=corpus, find_start=find_start)

    with _tensorboard_log(tensorboard, output, resume, watcher) as log, _executor(cluster, watcher, corpus) as executor:
        told: list[Callback] = [*callbacks] if log is None else [log, *callbacks]

        def call_each(state: "TrainingState") -> bool:
            answers = [callback(state) for callback in told]  # all are told, whatever the first says
            return any(answers)

        model = run(
            cache=cache,
            keep_checkpoint=keep_checkpoint,
            hooks=Hooks(_heldout_text, evaluation_on, call_each),
            cluster=executor,
        )
        if log is not None:
            log.write_projector(model.vocabulary.words, model.vocabulary.counts, model.input)
    return model


def estimate(
    corpus: Any,
    config: PathLike | None,
    settings: Mapping[str, Any],
    watcher: ProgressDisplay,
    *,
    init: PathLike | Embeddings | None = None,
    continue_from: PathLike | None = None,
    cache: bool = True,
    cluster: str | None = None,
) -> "Estimate":
    """What a run would take: the dry run of `nce-train`; see `train` for the arguments."""
    from nce_train.runs.estimate import estimate as estimate_run

    given = settings if cluster is None else _in_rounds(settings)
    chosen, start = settings_and_start(config, given, init, continue_from)
    with _executor(cluster, watcher, corpus) as executor:
        return estimate_run(corpus, chosen, watcher, cache=cache, start=start, cluster=executor)


def _tensorboard_log(
    directory: Path | None, output: Path | None, resume: Path | None, watcher: "Watcher"
) -> "contextlib.AbstractContextManager[TensorBoardLog | None]":
    if directory is None:
        return contextlib.nullcontext()
    from nce_train.report.tensorboard import TensorBoardLog

    model = resume or output
    if model is not None and Path(os.path.abspath(directory)).is_relative_to(os.path.abspath(model)):
        raise InputError(f"{directory} is inside the model directory: choose another place for TensorBoard's files.")
    return TensorBoardLog(directory, resume is not None, watcher.note)


def _in_rounds(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run on a cluster: the model is that of a deterministic run."""
    if settings.get("deterministic") is False:
        raise InputError("A cluster trains in rounds, as --deterministic does: leave --no-deterministic out.")
    return {**settings, "deterministic": True}


@contextlib.contextmanager
def _executor(cluster: str | None, display: ProgressDisplay, corpus: "Corpus | None") -> Iterator["Executor | None"]:
    """Who reads and trains, if not this process; a corpus that it could not read is refused at once."""
    if cluster is None:
        yield None
        return
    if not isinstance(cluster, str):
        raise InputError(f"cluster is {cluster!r}; give the address of a scheduler, or 'local:2'")
    try:
        import distributed  # noqa: F401 - slow, and an extra
    except ImportError:
        raise InputError("--cluster needs an extra: pip install 'nce-train[cluster]'") from None
    from nce_train.cluster.cluster import connect
    from nce_train.cluster.reading import refuse_unreadable

    if corpus is not None:
        refuse_unreadable(list_sources(corpus))
    with connect(cluster, display.note, display.say) as executor:
        yield executor


def _heldout_text(text: str, vocabulary: "Vocabulary", settings: "Settings") -> "Heldout":
    from nce_train.evaluation.heldout import HeldoutText

    return HeldoutText(text, vocabulary, settings.model_dump())
