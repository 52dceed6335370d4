"""The kernels are compiled while the text is read: in a process of their own, from whose cache they are loaded.

Numba compiles one function at a time in a process, so on a fresh installation the kernels of training would wait for
those of reading. Whatever goes wrong with the other process, the kernels are compiled here instead.
"""

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from nce_train.training.settings import Settings
from nce_train.training.settings_files import load_settings

if TYPE_CHECKING:
    from nce_train.training.trainer import Trainer

SLOW = 2.0  # seconds: loading a compiled kernel takes less


@contextlib.contextmanager
def report_if_slow(report: Callable[[], None]) -> Iterator[None]:
    """Call `report`, from another thread, when what is done within takes longer than `SLOW`."""
    timer = threading.Timer(SLOW, report)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class BackgroundCompilation:
    """Compiles the kernel, or loads it, in a thread; leaving waits for it.

    It starts with the first `start` and not before, so that a wrong path is reported at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None
        self.seconds = 0.0

    def __enter__(self) -> "BackgroundCompilation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None and not isinstance(error, KeyboardInterrupt):
            self._thread.join()

    def start(self) -> None:
        """Start, if that has not been done."""
        if self._thread is None:
            thread = threading.Thread(target=self._compile, daemon=True)
            thread.start()
            self._thread = thread

    def wait(self, report: Callable[[], None]) -> None:
        """Wait until it is done; `report` is called when that takes long."""
        if self._thread is not None:
            with report_if_slow(report):
                self._thread.join()

    def _compile(self) -> None:
        started = time.perf_counter()
        with contextlib.suppress(Exception):  # the trainer compiles too, and reports what fails
            compile_elsewhere(self._settings)
            compile_kernels(self._settings)
        self.seconds = time.perf_counter() - started


def trainer_type(settings: Settings) -> "type[Trainer]":
    """The kind of trainer that the settings ask for; loads the compiler."""
    if settings.deterministic:
        from nce_train.training.rounds import RoundTrainer

        return RoundTrainer
    from nce_train.training.hogwild import HogwildTrainer

    return HogwildTrainer


def compile_kernels(settings: Settings) -> None:
    """Compile, or load from the cache, all that training with these settings needs."""
    from nce_train.training.ngram_rows import ngram_rows  # with the compiler

    stream = np.array([0, 1, -1], np.int32)
    stream.flags.writeable = False  # as the token file is mapped: another type to the compiler
    smallest = settings.model_copy(update={"unique": False, "threads": 1}).with_rounds(2, 2)
    words, counts = ["twelve", "thirteen"], np.array([1, 1])  # with n-grams, where the settings want or may want them
    smallest = smallest.with_ngrams(words)
    trainer = trainer_type(settings)(stream, 2, counts, smallest, ngram_rows(words, counts, smallest))
    trainer.compile()
    trainer.word_vectors()


def compile_elsewhere(settings: Settings) -> None:
    """Have another process fill the cache of kernels if there is one that lacks them; wait for it.

    That process ends when this one ends, for whatever reason.
    """
    if not sys.executable or not _is_to_be_compiled(settings):
        return
    command = [sys.executable, "-P", "-m", __name__]  # -P: nothing is imported from the working directory
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if not settings.deterministic:
        # the kernel's vector code is written out: higher levels gain nothing, and take a twelfth of the time
        environment.setdefault("NUMBA_OPT", "1")
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return
    assert process.stdin is not None
    try:
        process.stdin.write(settings.to_yaml().encode() + b"\0")
        process.stdin.flush()  # stays open: the other process ends when it is closed
        process.wait()
    except OSError:
        process.kill()
    finally:
        process.stdin.close()


def _is_to_be_compiled(settings: Settings) -> bool:
    """Whether nothing of the kind that these settings need is in the cache, and there is one."""
    from nce_train.compiled import is_missing_from_cache
    from nce_train.kernel.bags import compose_words
    from nce_train.kernel.combine import add_changes
    from nce_train.kernel.train import train_blocks

    # each is compiled behind the `train_blocks` of its kind
    kinds = [(train_blocks, True), (add_changes, settings.deterministic), (compose_words, settings.ngrams != "off")]
    return any(is_missing_from_cache(kernel) for kernel, is_needed in kinds if is_needed)


def _end_with_the_other_process() -> None:
    # not through sys.stdin: its lock would be held at exit, and Python waits a second for it, then aborts
    while os.read(0, 1):
        pass
    os._exit(1)


def _main() -> None:
    import yaml

    gc.disable()  # this process ends with its work; looking for cycles would take a fourteenth of the time

    content = bytearray()
    while (byte := os.read(0, 1)) not in (b"\0", b""):
        content += byte
    settings = load_settings(None, yaml.safe_load(bytes(content)))
    threading.Thread(target=_end_with_the_other_process, daemon=True).start()
    compile_kernels(settings)


if __name__ == "__main__":
    _main()
