"""The display of a training run: bars on a terminal or in a notebook, plain lines elsewhere and in a log file."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from nce_train.api.inputs import refuse_overwriting, run_inputs
from nce_train.api.progress_bar import ProgressBar
from nce_train.arguments import PathLike
from nce_train.errors import InputError
from nce_train.names import OWN_BYTES

if TYPE_CHECKING:
    from nce_train.text.corpus import EncodedCorpus
    from nce_train.training.readings import Reading
    from nce_train.training.settings import Settings

_LINE_EVERY = 5.0  # seconds between plain lines while the text is read or a checkpoint is written
_PHASES = {"vocabulary": "reading", "encode": "turning words into ids"}
_LONG_PART = 1.0  # seconds: the summary names the parts of a run that took longer
_LONG_SAVE = 1.0  # seconds: only a checkpoint that takes longer is shown


@contextlib.contextmanager
def open_display(
    quiet: bool,
    log_file: PathLike | None,
    corpus: Any,
    config: PathLike | None,
    settings: Mapping[str, Any],
    init: Any = None,
    resume: PathLike | None = None,
) -> "Iterator[ProgressDisplay]":
    """Open the display of a run; see `ProgressDisplay` and, for the other arguments, `train`.

    Raises
    ------
    InputError
        When the log file cannot be written, or is one of the files that the run reads.
    """
    is_new_log = log_file is not None and not os.path.exists(log_file)
    try:
        display = ProgressDisplay(quiet, log_file)
    except OSError as error:
        raise InputError(f"The log file {log_file} cannot be written: {error.strerror}.") from None
    with display:
        if log_file is not None:
            try:  # after it was opened: a new file can be part of a directory that is the corpus
                refuse_overwriting(log_file, run_inputs(corpus, config, settings, init, resume))
            except InputError:
                if is_new_log:
                    os.unlink(log_file)
                raise
        yield display


def format_duration(seconds: float) -> str:
    """An estimated duration in its largest two units.

    Examples
    --------
    >>> [format_duration(seconds) for seconds in (40, 300, 10_000, 400_000)]
    ['40 s', '5 min', '2 h 47 min', '4 d 15 h']
    """
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


class ProgressDisplay:
    """Shows a run on stderr: a `Watcher` of `nce_train.runs.protocols`, and a context manager that removes its bar.

    Parameters
    ----------
    quiet : bool
        Show only warnings.
    log_file : path, optional
        Append all lines to this file too, even when quiet.
    """

    def __init__(self, quiet: bool = False, log_file: PathLike | None = None) -> None:
        # A closed stderr must not end a run.
        self._quiet = quiet or sys.stderr is None
        self._bars = not self._quiet and (sys.stderr.isatty() or _in_notebook())
        self._log: IO[str] | None = None
        if log_file is not None:
            self._log = open(log_file, "a", encoding="utf-8", errors=OWN_BYTES)  # noqa: SIM115 (held open for the run)
        self._bar = ProgressBar(dynamic_ncols=True, file=sys.stderr)
        self._last_line = time.monotonic()
        self._saving_since: float | None = None

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(self, *failure: object) -> None:
        self._bar.close()
        self._close_log()

    def note(self, sentence: str) -> None:
        """Show a warning or a hint."""
        self._line(sentence, even_if_quiet=True)

    def say(self, sentence: str) -> None:
        """Show a message, unless the display is quiet."""
        self._line(sentence)

    def scanning(self, done: int, total: int | None, phase: str) -> None:
        """Show how much of the text is read."""
        if self._bars:
            self._bar.show(_PHASES[phase], done, total, "B")
        elif time.monotonic() - self._last_line >= _LINE_EVERY:
            self._line(_reading_line(done, total, phase))

    def scanned(self, corpus: "EncodedCorpus") -> None:
        """Show the size of the corpus."""
        self._bar.close()
        if corpus.from_cache:
            origin = "token ids of an earlier run on the same files are reused; --no-cache reads the files again"
        else:
            origin = f"{corpus.timings['vocabulary'] + corpus.timings['encode']:.1f} s"
        numbers = len(corpus.vocabulary), corpus.token_count
        size = corpus.text.describe(*numbers, "tokens in it", corpus.num_unknown())
        self._line(f"vocabulary: {size[:-1]}; {origin})" if size.endswith(")") else f"vocabulary: {size} ({origin})")

    def chose_ngrams(self, settings: "Settings", share_of_letters: float) -> None:
        """Show what `ngrams` auto has become, and why."""
        if settings.ngrams == "off":
            reason, other = "fewer than nine tenths of the words are letters only", "--ngrams 5 learns them"
        else:
            reason, other = "the words look like those of a language", "--ngrams off leaves them out"
        self._line(f"n-grams: {settings.ngrams}, since {reason} ({share_of_letters:.0%}); {other}")

    def compiling(self) -> None:
        """Show why a first run waits."""
        from nce_train.compiled import has_warned

        # it is stored at the end, which may fail as it did for the kernels of reading
        self._line("compiling the kernel" + ("" if has_warned() else ", to be stored for later runs"))

    def training(self, done: int, total: int) -> None:
        """Show how many tokens are trained."""
        if self._bars:
            self._bar.show("training", done, total, "tok")

    def reading(self, reading: "Reading", progress: float) -> None:
        """Show a reading."""
        loss = "-" if reading.loss is None else f"{reading.loss:.4f}"
        if self._bar.phase == "training":
            self._bar.set_postfix(f"loss {loss} per sample, lr {reading.learning_rate:.4f}")
        left = "time left not known yet"
        if progress > 0 and reading.tokens_per_second > 0:  # at the speed shown in the same line
            left = f"{format_duration(reading.tokens * (1 - progress) / progress / reading.tokens_per_second)} left"
        self._line(
            f"epoch {reading.epoch + 1}, {progress:.0%}: {reading.tokens:,} tokens, "
            f"{reading.tokens_per_second:,.0f} tokens/s, loss {loss} per sample, lr {reading.learning_rate:.5f}, "
            f"{left}",
            on_terminal=False,
        )

    def heldout(self, epoch: int, loss: float) -> None:
        """Show the loss of the held-out text."""
        self._line(f"held-out loss after epoch {epoch}: {loss:.4f} per example")

    def evaluated(self, tokens: int, report: dict[str, Any]) -> None:
        """Show the results of an evaluation."""
        self._line(f"evaluation after {tokens:,} tokens: {_format_results(report)}")

    def evaluated_best(self, epoch: int, report: dict[str, Any]) -> None:
        """Show the results of the saved model, whose parameters are those of an earlier epoch."""
        self._line(f"evaluation of the model, which is that of epoch {epoch}: {_format_results(report)}")

    def resumed(self, step: int, progress: float) -> None:
        """Show where an interrupted run resumes."""
        self._line(f"resuming from step {step:,} ({progress:.0%})")

    def saving(self, done: int, total: int) -> None:
        """Show how much of a checkpoint is written, when that takes long."""
        if done == total:
            self._saving_since = None
            if self._bar.phase == "checkpoint":
                self._bar.close()
            return
        now = time.monotonic()
        self._saving_since = self._saving_since or now
        if now - self._saving_since < _LONG_SAVE:
            return
        if self._bars:
            self._bar.show("checkpoint", done, total, "B")
        elif now - self._last_line >= _LINE_EVERY:
            self._line(f"writing the checkpoint: {done / 1e6:,.1f} MB of {total / 1e6:,.1f} MB")

    def finished(self, manifest: dict[str, Any]) -> None:
        """Show a summary of the run."""
        self._bar.close()
        timings = manifest["timings"]
        loss = "-" if manifest["loss"] is None else f"{manifest['loss']:.4f}"
        self._line(
            f"trained {manifest['tokens_trained']:,} tokens in {timings['train']:.1f} s "
            f"({manifest['tokens_per_second']:,.0f} tokens/s; mean loss {loss} per sample); "
            f"{_format_timings(timings)}; {timings['compile']:.1f} s compiling or loading the kernel, which may go on "
            "beside the reading"
        )

    def _line(self, text: str, *, even_if_quiet: bool = False, on_terminal: bool = True) -> None:
        self._last_line = time.monotonic()
        if self._log is not None:
            try:
                self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
                self._log.flush()
            except OSError as error:  # a full disk must not end a run
                name = self._log.name
                self._close_log()
                self.note(f"Nothing more is written to the log file {name}: {error.strerror}.")
        if self._quiet and not even_if_quiet:
            return
        if self._bar.phase is not None:
            if on_terminal:
                self._bar.write(text)
        elif on_terminal or not self._bars:
            try:
                print(text, file=sys.stderr, flush=True)
            except OSError:  # its reader has ended, which must not end a run
                self._quiet = True

    def _close_log(self) -> None:
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.close()
            self._log = None


def _format_results(report: dict[str, Any]) -> str:
    results = [
        f"{name} {_format_result(counts['accuracy'])} ({counts['correct']:,} of {counts['asked']:,})"
        for name, counts in report.get("analogies", {}).items()
    ]
    results += [
        f"{name} {_format_result(counts['spearman'])} ({counts['pairs']:,} pairs)"
        for name, counts in report.get("similarity", {}).items()
    ]
    return ", ".join(results)


def _reading_line(done: int, total: int | None, phase: str) -> str:
    if phase == "encode":  # the unit is bytes of ids, which mean nothing to a person
        return f"{_PHASES[phase]}: {done / max(total or 1, 1):.0%}"
    of = "" if not total else f" of {total / 1e6:,.1f} MB"
    return f"{_PHASES[phase]}: {done / 1e6:,.1f} MB{of}"


def _format_timings(timings: Mapping[str, float]) -> str:
    """The total time of a run, with the parts other than training that took long."""
    parts = [
        ("reading", timings["vocabulary"] + timings["encode"]),
        ("held-out text", timings["heldout"]),
        ("evaluation", timings["evaluation"]),
        ("checkpoints", timings["checkpoints"]),
        ("saving", timings["save"]),
    ]
    long = [f"{seconds:.1f} s {name}" for name, seconds in parts if seconds >= _LONG_PART]
    return f"{timings['total']:.1f} s in total" + (f", of which {', '.join(long)}" if long else "")


def _format_result(result: float | None) -> str:
    return "-" if result is None else f"{result:.3f}"


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and "IPKernelApp" in running.config
