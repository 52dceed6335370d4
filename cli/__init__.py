"""The commands: each module parses, calls one library function, and prints."""

import sys
from types import TracebackType


def _tell_early_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one sentence that Ctrl-C came before a command began; `_common` sees to it from then on."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print("Error: interrupted; nothing was written", file=sys.stderr)
    raise SystemExit(130)


if sys.excepthook is sys.__excepthook__:
    sys.excepthook = _tell_early_interrupt
