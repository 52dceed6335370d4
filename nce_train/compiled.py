"""Compiled functions that are kept on the disk for the next run, where that can be done.

Numba ends a program with an error when its cache cannot be written or is damaged. A cache is no part of a run: here
what cannot be read is compiled anew and replaced, and what cannot be written costs one warning.
"""

import contextlib
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

from nce_train.errors import NceTrainWarning

_told = threading.Event()


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's `njit` with a cache (`NUMBA_CACHE_DIR`, else beside the source, else in the home) that may fail.

    Parameters
    ----------
    **options
        Those of `numba.njit`, but for `cache`.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        if isinstance(dispatcher, Dispatcher):  # else NUMBA_DISABLE_JIT is set
            try:
                dispatcher._cache = _HarmlessCache(function)  # type: ignore[attr-defined]
            except (OSError, RuntimeError) as error:  # none of the places can be written
                _tell(f"There is no place to keep compiled kernels ({_shown(error)})")
        return dispatcher

    return compiled


class _HarmlessCache(FunctionCache):
    """A function's cache on the disk; without it the function is compiled."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # damaged bytes, unpickled, may raise anything
            with contextlib.suppress(OSError):
                self.flush()  # a damaged index would not let anything be saved
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # a full disk, or an index that another program damaged just now
            _tell(f"The cache of compiled kernels, {self.cache_path}, cannot be written ({_shown(error)})")


def _shown(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _tell(what: str) -> None:
    if _told.is_set():  # one function after the other would say the same
        return
    _told.set()
    warnings.warn(
        f"{what}: they are compiled anew in each run until that is mended or NUMBA_CACHE_DIR names another directory.",
        NceTrainWarning,
        stacklevel=2,
    )
