"""Compiled functions with a cache on disk that cannot fail a run.

Numba raises an error when its cache cannot be written or is damaged. Here a damaged cache is recompiled and replaced,
and a cache that cannot be written costs one warning.

The cache is next to the source in a checkout, but not in an installed package: pip does not remove files that it has
not written, and Python would import the directory that remains.
"""

import contextlib
import functools
import hashlib
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache

from nce_train.errors import InputError, NceTrainWarning

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined] # the kernels are vector instructions, which Python cannot interpret
    raise InputError("nce-train needs Numba's compiler: unset NUMBA_DISABLE_JIT")

_INSTALLED = {"site-packages", "dist-packages"}

_has_warned = threading.Event()


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's `njit` with a cache that may fail.

    The cache is in `NUMBA_CACHE_DIR`, or else next to the source, or else in `$XDG_CACHE_HOME/numba` (by default
    `~/.cache/numba`). For an installed package it is never next to the source. An entry is valid as long as no `*.py`
    file changes in the directory of the function: functions of other modules there may be inlined into it.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        try:
            dispatcher._cache = _FailSafeCache(function)
        except (OSError, RuntimeError) as error:  # no location can be written
            _warn(f"There is no place to keep compiled kernels ({_reason(error)})")
        return dispatcher

    return compiled


def has_warned() -> bool:
    """Whether a compiled function of this process could not be stored, which was told."""
    return _has_warned.is_set()


def is_missing_from_cache(function: Any) -> bool:
    """Whether a function of `cached_njit` has a cache without a valid entry; False when it has no cache."""
    cache = getattr(function, "_cache", None)
    return isinstance(cache, _FailSafeCache) and cache.is_empty()


class _CacheEntries(CompileResultCacheImpl):
    """The location of a function's cache entries, and the stamp that makes them valid."""

    def __init__(self, function: Callable[..., Any]) -> None:
        source = Path(function.__code__.co_filename)
        if _INSTALLED.intersection(source.parts):
            self._locator_classes = [
                locator for locator in CompileResultCacheImpl._locator_classes if "InTree" not in locator.__name__
            ]
        super().__init__(function)
        # Numba's own stamp covers the file of the function only.
        stamp = self._locator.get_source_stamp(), _source_hash(source.parent)
        self._locator.get_source_stamp = lambda: stamp


class _FailSafeCache(FunctionCache):
    """A function's cache on disk. When it fails, the function is compiled."""

    _impl_class = _CacheEntries

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling damaged bytes may raise anything
            with contextlib.suppress(OSError):
                self.flush()  # with a damaged index nothing can be saved
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # a full disk, or an index that another program has just damaged
            _warn(f"The cache of compiled kernels, {self.cache_path}, cannot be written ({_reason(error)})")

    def is_empty(self) -> bool:
        """Whether there is no valid entry for any signature."""
        try:
            return not self._cache_file._load_index()
        except Exception:  # damaged
            return True


@functools.cache
def _source_hash(directory: Path) -> str:
    """A hash of the names and contents of all `*.py` files in a directory."""
    digest = hashlib.sha256()
    for path in sorted(directory.glob("*.py")):
        digest.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _warn(problem: str) -> None:
    if _has_warned.is_set():  # the same is true for every other function
        return
    _has_warned.set()
    warnings.warn(
        f"{problem}: they are compiled in each run until this is fixed or NUMBA_CACHE_DIR names another directory.",
        NceTrainWarning,
        stacklevel=2,
    )
