"""The errors that users see, each as one clear sentence, and the warning category.

The commands print the sentence, and exit with the `exit_code` of an error. In Python these are ordinary exceptions and
warnings.
"""


class NceTrainError(Exception):
    """An error whose message is one sentence for the user: what is wrong, where, what to do."""

    exit_code = 1


class InputError(NceTrainError, ValueError):
    """Wrong usage, bad input, a missing extra, or a limit detected before the work starts."""

    exit_code = 2


class RunError(NceTrainError, RuntimeError):
    """A failure during a run: a full disk, NaN, a read error, a corpus that changed."""

    exit_code = 1


class DivergedError(RunError):
    """Numbers became infinite or far too large. The same settings would do so again."""


class LostError(RunError):
    """A run lost another process or file that it needs. What it has saved so far is intact."""


class NceTrainWarning(UserWarning):
    """A message of one sentence for the user. The work continues."""
