"""Ctrl-C and SIGTERM during a run: the first one has it stop, or finish what is nearly done, and nothing is lost."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn


class FirstSignal:
    """While it is open, the first SIGINT or SIGTERM calls `stop`; another one does what it did before.

    Without effect outside of the main thread, and for a signal that is ignored or ends the process.

    Parameters
    ----------
    stop : callable
        Called inside the signal handler: it may take no lock.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self.received: int | None = None

    def __enter__(self) -> "FirstSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if callable(before):
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
                self._before[self.received](self.received, None)
            raise KeyboardInterrupt
        except KeyboardInterrupt as interrupt:
            interrupt.args = (sentence,)
            raise

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            self._stop()
        else:
            self._before[number](number, frame)
