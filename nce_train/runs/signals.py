"""Signals that end a run: the first one has it stop, or finish what is nearly done, and nothing is lost."""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

# Ctrl-C, and what terminals (SIGHUP), batch systems and resource limits (the others) send before they kill a process.
ENDING_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)
)

# Wrappers such as `timeout`, `uv run` and `srun` pass a signal on that the process group gets too.
SAME_WISH_SECONDS = 2.0


def ignore_ending_signals() -> None:
    """Have this process ignore the signals, as another one decides what they mean."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class FirstSignal:
    """While it is open, the first of `ENDING_SIGNALS` calls `stop`; a later one does what it did before.

    Another one within `SAME_WISH_SECONDS` of the first is the same wish, and does nothing. Without effect outside of
    the main thread, and for a signal that is ignored.

    Parameters
    ----------
    stop : callable
        Called inside the signal handler: it may take no lock.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[int, Callable[[int, FrameType | None], Any] | signal.Handlers] = {}
        self._received_at = 0.0
        self.received: int | None = None

    def __enter__(self) -> "FirstSignal":
        if threading.current_thread() is threading.main_thread():
            for number in ENDING_SIGNALS:
                before = signal.getsignal(number)
                if callable(before) or before is signal.SIG_DFL:
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def pass_on(self, sentence: str) -> NoReturn:
        """Do what the signal did before, which raises KeyboardInterrupt, with a sentence for the person."""
        try:
            if self.received is not None:
                self._do_as_before(self.received, None)
            raise KeyboardInterrupt
        except KeyboardInterrupt as interrupt:
            interrupt.args = (sentence,)
            raise

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._received_at = number, time.monotonic()
            self._stop()
        elif number == getattr(signal, "SIGXCPU", None):
            pass  # comes every second from the limit on
        elif time.monotonic() - self._received_at > SAME_WISH_SECONDS:
            self._do_as_before(number, frame)

    def _do_as_before(self, number: int, frame: FrameType | None) -> None:
        before = self._before[number]
        if callable(before):
            before(number, frame)
        else:  # the process ends by the signal
            signal.signal(number, before)
            os.kill(os.getpid(), number)
