"""A progress bar on a terminal or in a notebook, one for each phase of the work."""

import contextlib
import functools
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


class ProgressBar:
    """A tqdm bar that starts again with each phase; a context manager that removes it at the end.

    Parameters
    ----------
    **options
        Passed to `tqdm` for each bar, such as `delay`.

    Attributes
    ----------
    phase : str or None
        The phase that is shown; None when there is no bar.
    """

    def __init__(self, **options: Any) -> None:
        self.phase: str | None = None
        self._options = {"leave": False, "unit_scale": True, **options}
        self._bar: tqdm[Any] | None = None
        self._total: int | None = None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def show(self, phase: str, done: int, total: int | None, unit: str = "") -> None:
        """Show that `done` of `total` units of a phase are done; `total` is None where it is unknown."""
        # A phase may come again, such as the same evaluation set for another model.
        if self._bar is None or (phase, total) != (self.phase, self._total) or done < self._bar.n:
            self.close()
            self.phase, self._total = phase, total
            self._bar = _bar_class()(total=total, desc=phase, unit=unit, **self._options)
        self._bar.update(done - self._bar.n)

    def set_postfix(self, text: str) -> None:
        """Show a text behind the bar from its next update."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def write(self, line: str) -> None:
        """Write a line above the bar, to standard error."""
        if self._bar is not None:
            with contextlib.suppress(OSError):  # the terminal is gone, which must not end the work
                self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = self.phase = None


@functools.cache
def _bar_class() -> "type[tqdm[Any]]":
    """tqdm's bar for a terminal or a notebook, with a lock of its own.

    tqdm's lock is a semaphore of the system. From Python 3.14 on, Python prints a warning about it when a command exits
    at once after Ctrl-C.
    """
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # a notebook without ipywidgets has the terminal's bar
        from tqdm.auto import tqdm

    class Bar(tqdm):
        _lock = threading.RLock()

    return Bar
