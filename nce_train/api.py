"""Where the rooms meet: what a notebook calls and what the commands call."""

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nce_train.arguments import check_corpus, check_integer, check_number, check_path, format_value
from nce_train.embeddings import Embeddings
from nce_train.embeddings.embeddings import with_vectors
from nce_train.embeddings.formats.compression import check_writable, open_writing
from nce_train.embeddings.postprocess import all_but_the_top, unit_length
from nce_train.errors import InputError
from nce_train.evaluation import resampling
from nce_train.evaluation.classifier import Model
from nce_train.evaluation.measure import EvaluationSets, Measured, count, measure, read_sets
from nce_train.evaluation.measure import compare as compare_measured
from nce_train.files import check_output_path, is_same_file, is_stream, report_write_failure
from nce_train.text.sources import list_sources
from nce_train.training.settings import load_settings, read_config, usable_cpus

if TYPE_CHECKING:
    from nce_train.progress import ProgressDisplay
    from nce_train.report.tensorboard import TensorBoardLog
    from nce_train.runs.early_stopping import Heldout
    from nce_train.runs.estimate import Estimate
    from nce_train.runs.evaluations import Report
    from nce_train.runs.executor import Executor
    from nce_train.runs.run import TrainedModel
    from nce_train.runs.warm_start import How, WarmStart
    from nce_train.runs.watcher import Watcher
    from nce_train.text.phrases import PhrasedCorpus
    from nce_train.text.sources import Corpus
    from nce_train.text.vocabulary import Vocabulary
    from nce_train.training.readings import Callback, TrainingState
    from nce_train.training.settings import Settings

__all__ = ["Model", "evaluate", "export", "phrases", "report", "train"]

PathLike = str | os.PathLike[str]
AnyModel = Embeddings | Model | PathLike
RESTRICT_VOCAB = 30_000
BOOTSTRAP = {"level": resampling.LEVEL, "resamples": resampling.RESAMPLES, "seed": resampling.SEED}


def evaluate(
    model: AnyModel,
    sets: PathLike | Iterable[PathLike] = (),
    *,
    analogies: PathLike | Iterable[PathLike] = (),
    similarity: PathLike | Iterable[PathLike] = (),
    restrict_vocab: int | None = RESTRICT_VOCAB,
    heldout: PathLike | None = None,
    heldout_pairs: int = 100_000,
    compare: AnyModel | Iterable[AnyModel] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure embeddings on sets of analogies and of word similarities.

    Parameters
    ----------
    model : Embeddings, Model, str or os.PathLike
        Embeddings, a classifier, or a model directory or vectors file.
    sets : path or iterable of paths
        Sets whose contents tell which kind they are: see `nce_train.evaluation.sets`. With no set at all, the project's
        own analogy set. `FILE:COLUMN` names the column of a similarity set's scores.
    analogies, similarity : path or iterable of paths
        Sets of this kind.
    restrict_vocab : int
        The number of most frequent words of which sets are asked besides asking them of all words; 0 or None for all.
    heldout : path, optional
        Text that was not trained on: the losses of the trained classifier on it. Needs a `Model` or a model
        directory.
    heldout_pairs : int
        Look at no more than so many of its (centre, context) pairs, at least 1.
    compare : model, or iterable of models
        Further models, to be measured on the same sets and compared with `model`. One at a time is in memory.
    progress : callable, optional
        Called as `progress(what, done, total)`, where `what` is the name of the set, or "held-out".

    Returns
    -------
    dict
        `model` (the path, or None for a model in memory), `vocabulary`, `dim`, and, where asked for,
        `analogies` and `similarity`: by name (the file's stem) what `answer_analogies` and
        `correlate_similarities` return; `heldout`: what `heldout_loss` returns. With any set, `bootstrap`: the `level`
        of all intervals, the number of `resamples` and their `seed`. With `compare`, `comparison`: a list, for each of
        them with the same keys and `paired`: what `nce_train.evaluation.measure.compare` returns of `model` and it.

    Raises
    ------
    InputError
        When a model or a set cannot be read, two sets have the same name, or a number of words or pairs is
        wrong.

    Examples
    --------
    >>> from pathlib import Path
    >>> import nce_train
    >>> _ = Path("places.txt").write_text("paris france rome italy")
    >>> words = ["paris", "france", "rome", "italy"]
    >>> model = nce_train.Embeddings(words, [[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]])
    >>> report = nce_train.evaluate(model, "places.txt")
    >>> report["analogies"]["places"]["correct"], report["analogies"]["places"]["coverage"]
    (1, 1.0)
    """
    check_integer("heldout_pairs", heldout_pairs)
    check_integer("restrict_vocab", restrict_vocab, or_none=True)
    if heldout is not None:
        check_path("heldout", heldout)
    if heldout_pairs < 1:
        raise InputError(f"heldout_pairs is {heldout_pairs}; give a number of pairs, at least 1")
    is_one = isinstance(compare, (Embeddings, Model, str, os.PathLike)) or not isinstance(compare, Iterable)
    others: list[AnyModel] = [compare] if is_one else list(compare)  # type: ignore[arg-type, list-item]
    _check_models([model, *others])
    if heldout is not None and any(isinstance(one, Embeddings) for one in [model, *others]):
        raise InputError("held-out losses need a model directory; embeddings have no output vectors")
    # Sets are read first: a mistake in them should not cost the loading of a large model.
    read = read_sets(_as_list(sets), _as_list(analogies), _as_list(similarity))
    if not read.analogies and not read.similarity and heldout is None:
        read = _our_sets()
    for other in others:  # nor should a wrong name cost the evaluation of the models before it
        if isinstance(other, (str, os.PathLike)) and not os.path.exists(other):
            raise InputError(f"{os.fspath(other)}: no such file; check the path")

    report, first = _measure_model(model, read, restrict_vocab, heldout, heldout_pairs, progress)
    if read.analogies or read.similarity:
        report["bootstrap"] = BOOTSTRAP
    for other in others:
        other_report, measured = _measure_model(other, read, restrict_vocab, heldout, heldout_pairs, progress)
        other_report["paired"] = compare_measured(first, measured)
        report.setdefault("comparison", []).append(other_report)
    return report


def _check_models(models: Iterable[object]) -> None:
    for model in models:
        if not isinstance(model, (Embeddings, Model, str, os.PathLike)):
            kind = type(model).__name__
            raise InputError(
                f"a model is {format_value(model)}, of type {kind}; give Embeddings, a Model, or the path of one"
            )


def _measure_model(
    model: AnyModel,
    sets: EvaluationSets,
    restrict_vocab: int | None,
    heldout: PathLike | None,
    heldout_pairs: int,
    progress: Callable[[str, int, int], None] | None,
) -> tuple[dict[str, Any], Measured]:
    source = None if isinstance(model, (Embeddings, Model)) else os.fspath(model)
    if heldout is not None and not isinstance(model, (Embeddings, Model)):
        model = Model.load(model)
    if isinstance(model, Model):
        embeddings = Embeddings(model.words, model.input, model.counts)
    else:
        embeddings = model if isinstance(model, Embeddings) else Embeddings.load(model)
    measured = measure(embeddings, sets, restrict_vocab, progress)
    report: dict[str, Any] = {
        "model": source,
        "vocabulary": len(embeddings),
        "dim": embeddings.vectors.shape[1],
        **count(sets, measured),
    }
    if heldout is not None and isinstance(model, Model):
        from nce_train.evaluation.heldout import heldout_loss  # numba: only when it is needed

        report["heldout"] = heldout_loss(
            model,
            heldout,
            most_pairs=heldout_pairs,
            threads=usable_cpus(),
            progress=None if progress is None else functools.partial(progress, "held-out"),
        )
    return report, measured


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
    from nce_train.progress import ProgressDisplay

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
    watcher: "ProgressDisplay",
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
    from nce_train.runs.run import resume_model, train_model

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
        run = functools.partial(resume_model, resume, changes, watcher, corpus=corpus, find_start=_find_start)

    with _tensorboard_log(tensorboard, output, resume, watcher) as log, _executor(cluster, watcher, corpus) as executor:
        told: list[Callback] = [*callbacks] if log is None else [log, *callbacks]

        def call_each(state: "TrainingState") -> bool:
            answers = [callback(state) for callback in told]  # all are told, whatever the first says
            return any(answers)

        model = run(
            cache=cache,
            keep_checkpoint=keep_checkpoint,
            heldout=_heldout_text,
            evaluation=_evaluation_on,
            callback=call_each,
            cluster=executor,
        )
        if log is not None:
            log.project(model.vocabulary.words, model.vocabulary.counts, model.input)
    return model


def estimate(
    corpus: Any,
    config: PathLike | None,
    settings: Mapping[str, Any],
    watcher: "ProgressDisplay",
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


def settings_and_start(
    config: PathLike | None,
    given: Mapping[str, Any],
    init: PathLike | Embeddings | None = None,
    continue_from: PathLike | None = None,
) -> "tuple[Settings, WarmStart | None]":
    """The settings of a run that may have a warm start, and what it starts with; see `train`.

    Raises
    ------
    InputError
        When a setting is wrong or does not fit to the start, or the start cannot be read.
    """
    if init is None and continue_from is None:
        return load_settings(config, given), None
    from nce_train.runs.warm_start import settings_to_continue, settings_to_init

    for name, given_start in (("init", init), ("continue_from", continue_from)):
        if not isinstance(given_start, (str, os.PathLike, Embeddings, type(None))):
            kind = type(given_start).__name__
            raise InputError(f"{name} is of the type {kind}; give the path of a model or of vectors")
    if isinstance(continue_from, Embeddings):
        raise InputError("continue_from goes on with a model directory: give its path, or these vectors as init")
    if continue_from is not None:
        if init is not None:
            raise InputError("init begins a model, continue goes on with one: give one of them.")
        start = _find_start("continue", continue_from)
        return settings_to_continue(start, Path(continue_from), config, given), start
    assert init is not None
    start = _start_from(init) if isinstance(init, Embeddings) else _find_start("init", init)
    return settings_to_init(start, config, given), start


def _find_start(how: "How", path: PathLike) -> "WarmStart":
    from nce_train.runs.warm_start import Known, WarmStart
    from nce_train.text.vocabulary import Vocabulary

    directory = Path(path)
    is_classifier = all((directory / name).is_file() for name in ("output.npy", "bias.npy", "config.yaml"))
    if how == "init" and not is_classifier:
        return _start_from(Embeddings.load(path), path)
    model = Model.load(path)
    settings = load_settings(directory / "config.yaml")
    vocabulary = Vocabulary(model.words, model.counts, settings.unknown)
    known = Known(vocabulary, model.input, model.output, model.bias, settings.subsample)
    return WarmStart(how, path, known)


def _start_from(embeddings: Embeddings, path: PathLike | None = None) -> "WarmStart":
    from nce_train.runs.warm_start import Known, WarmStart
    from nce_train.text.vocabulary import Vocabulary

    counts = np.zeros(len(embeddings), np.int64)  # they matter to biases only, of which there are none
    return WarmStart("init", path, Known(Vocabulary(embeddings.index_to_key, counts), embeddings.vectors))


def _in_rounds(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run on a cluster: the model is that of a deterministic run."""
    if settings.get("deterministic") is False:
        raise InputError("A cluster trains in rounds, as --deterministic does: leave --no-deterministic out.")
    return {**settings, "deterministic": True}


@contextlib.contextmanager
def _executor(cluster: str | None, display: "ProgressDisplay", corpus: "Corpus | None") -> Iterator["Executor | None"]:
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
    from nce_train.evaluation.heldout_text import HeldoutText

    return HeldoutText(text, vocabulary, settings.model_dump())


def _evaluation_on(paths: list[str]) -> "Callable[[Vocabulary, np.ndarray], Report]":
    sets = read_sets(paths) if paths else _our_sets()

    def evaluate_now(vocabulary: "Vocabulary", vectors: np.ndarray) -> dict[str, Any]:
        words, counts = vocabulary.words, vocabulary.counts
        embeddings = Embeddings(words, vectors, counts)
        report = {"model": None, "vocabulary": len(embeddings), "dim": vectors.shape[1]}
        if len(words) <= RESTRICT_VOCAB:
            return {**report, **count(sets, measure(embeddings, sets, None)), "bootstrap": BOOTSTRAP}
        # analogies among all words would take several times as long
        frequent = Embeddings(words[:RESTRICT_VOCAB], vectors[:RESTRICT_VOCAB], counts[:RESTRICT_VOCAB])
        analogies = count(sets, measure(frequent, sets._replace(similarity={}), None))
        for result in analogies.get("analogies", {}).values():
            del result["whole_vocabulary"]
        similarity = count(sets, measure(embeddings, sets._replace(analogies={}), RESTRICT_VOCAB))
        return {**report, **analogies, **similarity, "bootstrap": BOOTSTRAP}

    return evaluate_now


def _our_sets() -> EvaluationSets:
    """The project's own analogies."""
    with resources.as_file(resources.files("nce_train.sample") / "analogies.txt") as path:
        return read_sets([], [path])


def export(
    model: Embeddings | PathLike,
    out: PathLike,
    *,
    format: str | None = None,
    top: int | None = None,
    vectors: str = "input",
    normalize: bool = False,
    postprocess: str | None = None,
    dtype: str = "float32",
) -> Embeddings:
    """Write embeddings as a file that other programs read.

    Parameters
    ----------
    model : Embeddings, str or os.PathLike
        Embeddings, or a model directory or vectors file.
    out : path
        The file, or the directory for `projector`; a further ending `.gz`, `.bz2`, `.xz` or `.zst` compresses.
    format : str, optional
        See `Embeddings.save`; without it the ending tells.
    top : int, optional
        Only so many first words, the most frequent.
    vectors : {"input", "output", "sum"}
        The words' vectors as centres, as contexts, or the sum; files and embeddings have the first only.
    normalize : bool
        Scale each vector to length 1, after `postprocess`.
    postprocess : {"abtt"}, optional
        Remove the mean and the top components of the vectors that are written.
    dtype : {"float32", "float16", "int8"}
        The type of the numbers written; see `Embeddings.save`.

    Returns
    -------
    Embeddings
        What was written, before it was rounded to `dtype`.

    Raises
    ------
    InputError
        When the model cannot be read, has no such vectors, or nothing can be written at `out`.

    Examples
    --------
    >>> from pathlib import Path
    >>> import nce_train
    >>> from nce_train.api import export
    >>> model = nce_train.Embeddings(["east", "north"], [[2, 0], [0, 3]])
    >>> export(model, "unit.txt", normalize=True)
    Embeddings(2 words, dim 2)
    >>> print(Path("unit.txt").read_text(), end="")
    2 2
    east 1.0 0.0
    north 0.0 1.0
    """
    if postprocess not in (None, "abtt"):
        raise InputError(f"postprocess is {postprocess!r}; the one there is is 'abtt'")
    if top is not None and top < 1:
        raise InputError(f"top is {top}; give a number of words, at least 1")
    if not isinstance(model, Embeddings):
        if is_same_file(Path(out).parent, model):
            raise InputError(f"{os.fspath(out)} is inside the model directory; write to another place")
        model = Embeddings.load(model, vectors=vectors)
    elif vectors != "input":
        raise InputError(f"embeddings in memory have no {vectors} vectors; give the model directory")
    chosen = model.vectors[:top]
    if postprocess == "abtt":
        chosen = all_but_the_top(chosen)
    if normalize:
        chosen = unit_length(chosen)
    written = with_vectors(model, chosen)
    written.save(out, format, dtype)
    return written


def report(
    model: PathLike,
    out: PathLike | None = None,
    *,
    sets: PathLike | Iterable[PathLike] = (),
    compare: PathLike | Iterable[PathLike] = (),
    words: int = 5000,
    layout: str = "pca",
    pictures: bool = False,
) -> list[Path]:
    """Write one HTML page about a model: curves, evaluation, settings, and a map of its words.

    Parameters
    ----------
    model : path
        A model directory or vectors file.
    out : path, optional
        The page; without it the model's name with `-report.html`, in the current directory.
    sets : path or iterable of paths
        What `evaluate` is asked; with none, the project's own analogy set.
    compare : path or iterable of paths
        Models whose curves and results are laid beside those of `model`.
    words : int
        How many of the most frequent words are mapped.
    layout : {"pca", "umap"}
        The map's two principal components, or UMAP (extra `umap`).
    pictures : bool
        Write the loss curve and the map as PNG files too, beside the page.

    Returns
    -------
    list of Path
        The files that were written, the page first.

    Raises
    ------
    InputError
        When a model or set cannot be read, nothing can be written at `out`, or an extra is missing.
    RunError
        When writing fails.
    """
    from nce_train.evaluation.sets import split_column
    from nce_train.report.report import write_report

    asked = _as_list(sets)
    return write_report(
        [model, *_as_list(compare)],
        out,
        lambda embeddings: evaluate(embeddings, asked),
        inputs=[split_column(path)[0] for path in asked],
        words=words,
        layout=layout,
        pictures=pictures,
    )


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


def _as_list(paths: PathLike | Iterable[PathLike]) -> list[PathLike]:
    several = [paths] if isinstance(paths, (str, os.PathLike)) or not isinstance(paths, Iterable) else list(paths)
    for path in several:
        check_path("a set or model", path)
    return several
