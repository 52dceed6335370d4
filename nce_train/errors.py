"""The kinds of failure that a person is told about, each as one clear sentence, and the one kind of warning.

The command line prints the sentence and, of an error, ends with its `exit_code`; from Python they are ordinary
exceptions and warnings.
"""


class NceTrainError(Exception):
    """A failure whose text is one sentence for a person: what is wrong, where, what to do."""

    exit_code = 1


class InputError(NceTrainError, ValueError):
    """Wrong usage, bad input, a missing extra, or a limit told beforehand."""

    exit_code = 2


class RunError(NceTrainError, RuntimeError):
    """Something that failed in mid-run: no space, NaN, a read error, a corpus that changed meanwhile."""

    exit_code = 1


class LostError(RunError):
    """What a run relied on elsewhere is gone, and what it has done so far is whole."""


class NceTrainWarning(UserWarning):
    """Something that a person should know, in one sentence; the work goes on."""
