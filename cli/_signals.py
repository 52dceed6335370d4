"""What Ctrl-C and the other signals that end a process do to a command, from its first import to its last line."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from nce_train.runs.signals import ENDING_SIGNALS, SAME_WISH_SECONDS

Handler = Callable[[int, FrameType | None], Any] | signal.Handlers

_CALLBACKS = {"_raw_object_cache_notify", "cb"}  # of llvmlite, and of the lock of an import
_CALLBACK_SECONDS = 0.02

_before: dict[int, Any] = {}  # what signals did before a command of this process
_is_command = False  # whether the process is a command, and not another program that calls one


class Ended(KeyboardInterrupt):
    """A signal has ended the command; cleaning up is the same as after Ctrl-C in any other program."""

    def __init__(self, number: int, *sentence: str) -> None:
        super().__init__(*sentence)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells have it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.number

    @property
    def sentence(self) -> str:
        """What is printed."""
        return str(self) or f"{_verb(self.number)}; nothing more was written"


def exit_on_signals() -> None:
    """End the process, which is a command, at once while nothing has been done."""
    global _is_command
    _is_command = True

    def leave(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            os.write(2, f"Error: {_verb(number)}; nothing was written\n".encode())
        os._exit(128 + number)

    _handle_signals(leave)


def raise_on_signals() -> None:
    """Raise `Ended`, but not again for a signal that follows at once: cleaning up would be cut short."""
    raised_at = -SAME_WISH_SECONDS

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal raised_at
        now = time.monotonic()
        if _is_in_callback(frame):
            again = threading.Timer(_CALLBACK_SECONDS, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
        elif now - raised_at >= SAME_WISH_SECONDS:
            raised_at = now
            raise Ended(number)

    _handle_signals(stop)


def ignore_signals() -> None:
    """Let nothing disturb the exit of a command that is done; Python takes some milliseconds for it.

    In another program that calls a command, signals do again what they did before.
    """
    if _is_command:
        _handle_signals(signal.SIG_IGN)  # Python would take a function back before the process ends
        return
    while _before:
        signal.signal(*_before.popitem())


def exit_at_once(sentence: str, exit_code: int) -> NoReturn:
    """Print a sentence and exit without waiting for threads, one of which may be compiling."""
    with contextlib.suppress(OSError):
        print(f"Error: {sentence}", file=sys.stderr, flush=True)
        sys.stdout.flush()
    os._exit(exit_code)


def _is_in_callback(frame: FrameType | None) -> bool:
    """Whether Python would drop an exception here: in a function that C code has called."""
    while frame is not None:
        if frame.f_code.co_name in _CALLBACKS:
            return True
        frame = frame.f_back
    return False


def _handle_signals(handler: Handler) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in ENDING_SIGNALS:
        before = signal.getsignal(number)
        if before is not signal.SIG_IGN:  # as `nohup` ignores SIGHUP
            _before.setdefault(number, before)
            signal.signal(number, handler)


def _verb(number: int) -> str:
    return "interrupted" if number == signal.SIGINT else "terminated"
