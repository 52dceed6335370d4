"""Compiled functions with a cache on disk that cannot fail a run.

Numba raises an error when its cache cannot be written or is damaged, and does not read one that it cannot write. Here a
damaged cache is recompiled and replaced, one that can only be read is read, and a function that had to be compiled and
can be stored nowhere costs one warning.

The cache is next to the source in a checkout, but not in an installed package: pip does not remove files that it has
not written, and Python would import the directory that remains.
"""

import contextlib
import functools
import hashlib
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nce_train.errors import InputError, NceTrainWarning
from nce_train.files import is_of_another_user, make_private_directory
from nce_train.memory import left_of_process_limits

# Address space that loading takes, with SciPy, which Numba loads where it is installed. SciPy's OpenBLAS tries for ever
# when it gets none, so there must be enough, and all is loaded now, before threads take more.
_NEEDED = 300 * 2**20 if "numba" in sys.modules else 480 * 2**20
_left = left_of_process_limits()
if _left is not None and _left < _NEEDED:
    raise InputError(
        f"The limit of this process's memory (ulimit -v or -d) leaves {_left / 2**20:,.0f} MiB, but the compiler of "
        f"the kernels needs {_NEEDED / 2**20:,.0f} MiB: raise the limit."
    )

import numba  # noqa: E402
from numba.core import config  # noqa: E402
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _Cache  # noqa: E402
from numba.core.registry import cpu_target  # noqa: E402

if config.DISABLE_JIT:  # type: ignore[attr-defined] # the kernels are vector instructions, which Python cannot interpret
    raise InputError("nce-train needs Numba's compiler: unset NUMBA_DISABLE_JIT")
if _left is not None:
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()

_INSTALLED = {"site-packages", "dist-packages"}

_has_warned = threading.Event()


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's `njit` with a cache that may fail.

    The cache is in `NUMBA_CACHE_DIR`, or else next to the source, or else in `$XDG_CACHE_HOME/numba` (by default
    `~/.cache/numba`). For an installed package it is never next to the source. It is written to the first of these
    directories that can be written, and read from the ones before it too. An entry is valid as long as no `*.py` file
    changes in the directory of the function: functions of other modules there may be inlined into it.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        dispatcher._cache = _FailSafeCache(function)
        return dispatcher

    return compiled


def has_warned() -> bool:
    """Whether a compiled function of this process could not be stored, which was told."""
    return _has_warned.is_set()


def is_missing_from_cache(function: Any) -> bool:
    """Whether a function of `cached_njit` has no valid entry in a cache that can be written."""
    cache = getattr(function, "_cache", None)
    return isinstance(cache, _FailSafeCache) and cache.can_be_written and cache.is_empty()


class _CacheEntries(CompileResultCacheImpl):
    """The location of a function's cache entries, and the stamp that makes them valid."""

    def __init__(self, function: Callable[..., Any], locator: Any) -> None:
        # Numba's own stamp covers the file of the function only, in some versions with its modification time, which
        # images of containers do not keep.
        stamp = _source_hash(Path(function.__code__.co_filename).parent)
        locator.get_source_stamp = lambda: stamp
        self._locator_classes = [SimpleNamespace(from_function=lambda function, path: locator)]  # type: ignore[list-item]
        super().__init__(function)


class _Place(FunctionCache):
    """A function's cache in one directory."""

    def __init__(self, function: Callable[..., Any], locator: Any, can_be_written: bool) -> None:
        self._impl_class = functools.partial(_CacheEntries, locator=locator)  # type: ignore[assignment]
        self.can_be_written = can_be_written
        super().__init__(function)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling damaged bytes may raise anything
            if self.can_be_written:
                with contextlib.suppress(OSError):
                    self.flush()  # with a damaged index nothing can be saved
            return None

    def is_empty(self) -> bool:
        """Whether there is no valid entry for any signature."""
        try:
            return not self._cache_file._load_index()
        except Exception:  # damaged
            return True


class _FailSafeCache(_Cache):
    """A function's cache on disk. When it fails, the function is compiled."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._places, self._problem = _places(function)

    @property
    def cache_path(self) -> str | None:
        """The directory that is written."""
        return self._places[-1].cache_path if self.can_be_written else None

    @property
    def can_be_written(self) -> bool:
        """Whether a compiled function can be stored."""
        return bool(self._places) and self._places[-1].can_be_written

    def is_empty(self) -> bool:
        """Whether there is no valid entry for any signature."""
        return all(place.is_empty() for place in self._places)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = (place.load_overload(sig, target_context) for place in self._places)
        data = next((data for data in found if data is not None), None)
        if data is None:
            _compile_anywhere()
        return data

    def save_overload(self, sig: Any, data: Any) -> None:
        if not self.can_be_written:
            _warn(f"There is no place to keep compiled kernels ({self._problem})")
            return
        try:
            self._places[-1].save_overload(sig, data)
        except Exception as error:  # a full disk, or an index that another program has just damaged
            _warn(f"The cache of compiled kernels, {self.cache_path}, cannot be written ({_reason(error)})")

    def enable(self) -> None:
        for place in self._places:
            place.enable()

    def disable(self) -> None:
        for place in self._places:
            place.disable()

    def flush(self) -> None:
        if self.can_be_written:
            self._places[-1].flush()


def _compile_anywhere() -> None:
    """Let Numba compile where the current directory was removed: it names lines of code by paths relative to that."""
    try:
        os.getcwd()
    except OSError:
        numba.core.ir.Loc.strformat = lambda loc, *_: f"{loc.filename} ({loc.line})"  # type: ignore[method-assign]


def _places(function: Callable[..., Any]) -> tuple[list[_Place], str]:
    """Where a function is cached: directories that can only be read, and then, if there is one, one to write.

    The second value is why there is none.
    """
    source = function.__code__.co_filename
    kinds: list[Any] = CompileResultCacheImpl._locator_classes
    places: list[_Place] = []
    problem = "no directory is known"
    for kind in kinds:
        is_given, is_in_tree, is_users = (name in kind.__name__ for name in ("UserProvided", "InTree", "UserWide"))
        if is_given:
            is_known = bool(getattr(config, "CACHE_DIR", ""))
        else:
            is_known = is_users or (is_in_tree and not _INSTALLED.intersection(Path(source).parts))
        if not is_known:  # a place for notebooks or archives, or not set
            continue
        locator = kind(function, source)
        path = locator.get_cache_path()
        try:
            if is_users:
                make_private_directory(path)
            locator.ensure_cache_path()
            return [*places, _Place(function, locator, can_be_written=True)], ""
        except OSError as error:
            problem = f"{path}: {_reason(error)}"
        if os.path.isdir(path) and not (is_users and is_of_another_user(path)):
            places.append(_Place(function, locator, can_be_written=False))
    return places, problem


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
