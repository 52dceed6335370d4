"""The commands: each module parses, calls one function of `nce_train.api`, and prints."""

import sys
from types import TracebackType


def _report_early_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report Ctrl-C before a command has started, in one sentence; later, `_command` does."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print("Error: interrupted; nothing was written", file=sys.stderr)
    raise SystemExit(130)


if sys.excepthook is sys.__excepthook__:
    sys.excepthook = _report_early_interrupt
