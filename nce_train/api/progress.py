"""What a run shows a person: bars on a terminal or in a notebook, plain lines elsewhere and in a log file."""

import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

    from nce_train.text.corpus import EncodedCorpus
    from nce_train.training.readings import Reading

_LINE_EVERY = 5.0  # seconds between plain lines of the scan
_PHASES = {"vocabulary": "reading", "encode": "turning words into ids"}
_LONG_PART = 1.0  # seconds: what took them is named in the summary
_LONG_SAVE = 1.0  # seconds: a checkpoint that is written within them is not shown


def shown_duration(seconds: float) -> str:
    """A duration that is not known to the second, in the two units that matter.

    Examples
    --------
    >>> [shown_duration(seconds) for seconds in (40, 300, 10_000, 400_000)]
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
    """Shows a run on stderr. A `Watcher` of `nce_train.runs.protocols`; a context manager that closes its bars.

    Parameters
    ----------
    quiet : bool
        Show nothing but warnings.
    log_file : path, optional
        Plain lines are appended to this file, whatever stderr shows.
    """

    def __init__(self, quiet: bool = False, log_file: Path | None = None) -> None:
        # a closed stderr, or a reader that has gone, must not end a run
        self._quiet = quiet or sys.stderr is None
        self._bars = not self._quiet and (sys.stderr.isatty() or _in_notebook())
        self._log: IO[str] | None = None if log_file is None else open(log_file, "a", encoding="utf-8")  # noqa: SIM115 (held open for the run)
        self._bar: tqdm[Any] | None = None
        self._phase = ""
        self._last_line = time.monotonic()
        self._saving_since: float | None = None

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()
        self._close_log()

    def note(self, sentence: str) -> None:
        """Show a warning or a hint."""
        self._line(sentence, even_if_quiet=True)

    def say(self, sentence: str) -> None:
        """Show what goes on, unless all is quiet."""
        self._line(sentence)

    def scanning(self, done: int, total: int | None, phase: str) -> None:
        """Show how far the text is read."""
        if self._bars:
            self._bar_at(done, total, _PHASES[phase], "B")
        elif time.monotonic() - self._last_line >= _LINE_EVERY:
            self._line(_scanned_so_far(done, total, phase))

    def scanned(self, corpus: "EncodedCorpus") -> None:
        """Say what the corpus holds."""
        self._close_bar()
        seconds = corpus.timings["vocabulary"] + corpus.timings["encode"]
        how = f"{seconds:.1f} s"
        if corpus.from_cache:
            how = "ids of an earlier run on the same files are reused; --no-cache to read them anew"
        self._line(f"vocabulary: {len(corpus.vocabulary):,} words, {corpus.token_count:,} tokens in it ({how})")

    def compiling(self) -> None:
        """Say what a first run waits for."""
        self._line("compiling the kernel, which later runs load")

    def training(self, done: int, total: int) -> None:
        """Show how far training is."""
        if self._bars:
            self._bar_at(done, total, "training", "tok")

    def reading(self, reading: "Reading", progress: float) -> None:
        """Show a reading."""
        loss = "-" if reading.loss is None else f"{reading.loss:.4f}"
        if self._bar is not None and self._phase == "training":
            self._bar.set_postfix_str(f"loss {loss} per sample, lr {reading.learning_rate:.4f}", refresh=False)
        left = "time left not known yet"
        if progress > 0 and reading.tokens_per_second > 0:  # at the speed that stands beside it
            left = f"{shown_duration(reading.tokens * (1 - progress) / progress / reading.tokens_per_second)} left"
        self._line(
            f"epoch {reading.epoch + 1}, {progress:.0%}: {reading.tokens:,} tokens, "
            f"{reading.tokens_per_second:,.0f} tokens/s, loss {loss} per sample, lr {reading.learning_rate:.5f}, "
            f"{left}",
            on_terminal=False,
        )

    def heldout(self, epoch: int, loss: float) -> None:
        """Show the loss of the held-out text."""
        self._line(f"held-out loss after epoch {epoch}: {loss:.4f} per pair")

    def evaluated(self, tokens: int, report: dict[str, Any]) -> None:
        """Show the results of an evaluation."""
        self._line(f"evaluation after {tokens:,} tokens: {_results_of(report)}")

    def evaluated_best(self, epoch: int, report: dict[str, Any]) -> None:
        """Show the results of the parameters that the model has."""
        self._line(f"evaluation of the model, which is that of epoch {epoch}: {_results_of(report)}")

    def resumed(self, step: int, progress: float) -> None:
        """Say from where an interrupted run goes on."""
        self._line(f"going on from step {step:,} ({progress:.0%})")

    def saving(self, done: int, total: int) -> None:
        """Show how far a checkpoint is written, when that takes long."""
        if done == total:
            self._saving_since = None
            if self._phase == "checkpoint":
                self._close_bar()
            return
        now = time.monotonic()
        self._saving_since = self._saving_since or now
        if now - self._saving_since < _LONG_SAVE:
            return
        if self._bars:
            self._bar_at(done, total, "checkpoint", "B")
        elif now - self._last_line >= _LINE_EVERY:
            self._line(f"writing the checkpoint: {done / 1e6:,.1f} MB of {total / 1e6:,.1f} MB")

    def finished(self, manifest: dict[str, Any]) -> None:
        """Sum the run up."""
        self._close_bar()
        timings = manifest["timings"]
        loss = "-" if manifest["loss"] is None else f"{manifest['loss']:.4f}"
        self._line(
            f"trained {manifest['tokens_trained']:,} tokens in {timings['train']:.1f} s "
            f"({manifest['tokens_per_second']:,.0f} tokens/s; mean loss {loss} per sample); "
            f"{_in_all(timings)}; {timings['compile']:.1f} s compiling or loading the kernel, begun with the reading"
        )

    def _line(self, text: str, *, even_if_quiet: bool = False, on_terminal: bool = True) -> None:
        self._last_line = time.monotonic()
        if self._log is not None:
            try:
                self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
                self._log.flush()
            except OSError:  # a full disk must not end a run
                self._close_log()
        if self._quiet and not even_if_quiet:
            return
        if self._bar is not None:
            if on_terminal:
                self._bar.write(text, file=sys.stderr)
        elif on_terminal or not self._bars:
            try:
                print(text, file=sys.stderr, flush=True)
            except OSError:
                self._quiet = True

    def _bar_at(self, done: int, total: int | None, phase: str, unit: str) -> None:
        from tqdm.auto import tqdm

        if self._bar is None or self._phase != phase:
            self._close_bar()
            self._phase = phase
            self._bar = tqdm(
                total=total,
                desc=phase,
                unit=unit,
                unit_scale=True,
                dynamic_ncols=True,
                file=sys.stderr,
                leave=False,
            )
        self._bar.update(done - self._bar.n)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _close_log(self) -> None:
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.close()
            self._log = None


def _results_of(report: dict[str, Any]) -> str:
    results = [
        f"{name} {_shown(counts['accuracy'])} ({counts['correct']:,} of {counts['asked']:,})"
        for name, counts in report.get("analogies", {}).items()
    ]
    results += [
        f"{name} {_shown(counts['spearman'])} ({counts['pairs']:,} pairs)"
        for name, counts in report.get("similarity", {}).items()
    ]
    return ", ".join(results)


def _scanned_so_far(done: int, total: int | None, phase: str) -> str:
    if phase == "encode":  # what is counted are bytes of ids, which nobody knows
        return f"{_PHASES[phase]}: {done / max(total or 1, 1):.0%}"
    of = "" if not total else f" of {total / 1e6:,.1f} MB"
    return f"{_PHASES[phase]}: {done / 1e6:,.1f} MB{of}"


def _in_all(timings: Mapping[str, float]) -> str:
    """The seconds of a run, with what took long of it but for training."""
    parts = [
        ("reading", timings["vocabulary"] + timings["encode"]),
        ("held-out text", timings["heldout"]),
        ("evaluation", timings["evaluation"]),
        ("checkpoints", timings["checkpoints"]),
        ("saving", timings["save"]),
    ]
    long = [f"{seconds:.1f} s {name}" for name, seconds in parts if seconds >= _LONG_PART]
    return f"{timings['total']:.1f} s in all" + (f", of them {', '.join(long)}" if long else "")


def _shown(result: float | None) -> str:
    return "-" if result is None else f"{result:.3f}"


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and "IPKernelApp" in running.config
