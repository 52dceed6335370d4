"""Files that are no text: one sentence for each, with the shell command that gets at the text where there is one."""

import re
import shlex

from nce_train.errors import InputError
from nce_train.file_kinds import recognise
from nce_train.foreign_files import foreign_file

_OTHER_BINARY = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")  # bytes that no text has, but for NUL


def refuse_not_text(head: bytes, name: str) -> None:
    """Raise InputError for a file `name` that begins with `head`, when it is known to be something other than text."""
    kind = recognise(head, "UTF-8 text")
    if kind is not None and kind.for_text is not None:
        is_command = "{}" in kind.for_text
        advice = pipe_to_training(kind.for_text.format(quoted(name))) if is_command else kind.for_text
        raise foreign_file(name, kind.name, "UTF-8 text", advice)


def nul_byte_error(text: bytes, offset: int, name: str) -> InputError:
    """The error for a NUL byte at `offset` of a file; `text` is what stands around it."""
    where = f"a NUL byte at offset {offset}"
    if _OTHER_BINARY.search(text):
        return InputError(f"{name} is not text: it contains {where} and other bytes that no text has; leave it out")
    command = pipe_to_training(f"tr -d '\\000' < {quoted(name)}")
    return InputError(f"{name} contains {where}: if it is text with holes, as a crash leaves in a log, use {command}")


def pipe_to_training(command: str) -> str:
    """How the output of a shell command becomes the text."""
    return f"{command} | nce-train - -o …"


def quoted(name: str) -> str:
    """A file name for the shell."""
    return "FILE" if name == "standard input" else shlex.quote(name)
