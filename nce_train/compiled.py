"""Compiled functions that are kept on the disk for the next run, where that can be done.

Numba ends a program with an error when its cache cannot be written or is damaged. A cache is no part of a run: here
what cannot be read is compiled anew and replaced, and what cannot be written costs one warning.

It lies beside the source in a checkout, but not in an installed package: pip leaves files there that it has not
written, and Python then takes what is left of a package that was removed for the package.
"""

import contextlib
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.dispatcher import Dispatcher

from nce_train.errors import NceTrainWarning

_INSTALLED = {"site-packages", "dist-packages"}

_told = threading.Event()


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's `njit` with a cache that may fail.

    It is in `NUMBA_CACHE_DIR`, else beside the source, else in `$XDG_CACHE_HOME/numba` (by default `~/.cache/numba`);
    of an installed package, only in the first or the last.

    Parameters
    ----------
    **options
        Those of `numba.njit`, but for `cache`.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        if isinstance(dispatcher, Dispatcher):  # else NUMBA_DISABLE_JIT is set
            try:
                is_installed = _INSTALLED.intersection(Path(function.__code__.co_filename).parts)
                cache = (_CacheElsewhere if is_installed else _HarmlessCache)(function)
                dispatcher._cache = cache  # type: ignore[attr-defined]
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


class _Elsewhere(CompileResultCacheImpl):
    """Where the cache may lie: not beside the source."""

    _locator_classes = [  # noqa: RUF012 - as Numba has it
        locator for locator in CompileResultCacheImpl._locator_classes if "InTree" not in locator.__name__
    ]


class _CacheElsewhere(_HarmlessCache):
    _impl_class = _Elsewhere  # type: ignore[assignment]


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
