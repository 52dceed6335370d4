"""Names of files: the name of an output that was not given, and names that are not UTF-8 in texts that must be.

Python holds a byte that is no UTF-8 as a lone surrogate, which strict readers of JSON and protocol buffers refuse.
"""

import codecs
import os
import re
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

OWN_BYTES = "nce_train.own_bytes"  # an error handler for `open`: names are written in their own bytes

# also where it leads to a regular file, as `/dev/stdin < text.txt`
_OPEN_FILE = re.compile(r"/dev/(fd/\d+|stdin|stdout|stderr)|/proc/[^/]+/fd/\d+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def own_name(path: str | os.PathLike[str]) -> str | None:
    """The last part of a file's or URL's name; None for standard input, pipes, open files (`/dev/fd/3`) and `/`."""
    name = os.fspath(path)
    if "://" in name:
        return os.path.basename(urlsplit(name).path.rstrip("/")) or None
    if name == "-" or _OPEN_FILE.fullmatch(os.path.abspath(name)) or _is_pipe_or_device(name):
        return None
    is_relative = os.path.basename(name) in (".", "..")
    return Path(os.path.realpath(name) if is_relative else name).name or None


def _is_pipe_or_device(name: str) -> bool:
    try:
        kind = os.stat(name).st_mode
    except (OSError, ValueError):  # whoever reads it reports it
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def readable(value: Any) -> Any:
    """A str with `\\xe9` for a byte that is no UTF-8; of a list or dict, with its keys, the same with these.

    Examples
    --------
    >>> import os
    >>> readable({"corpus": [os.fsdecode(b"caf\\xe9.txt")], "bytes": 5})
    {'corpus': ['caf\\\\xe9.txt'], 'bytes': 5}
    """
    if isinstance(value, str):
        return _SURROGATE.sub(_escaped, value)
    if isinstance(value, dict):
        return {readable(key): readable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(item) for item in value]
    return value


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _own_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode bytes that are no UTF-8 as themselves, and characters that the encoding lacks with a backslash."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return b"".join(map(_own_byte, error.object[error.start : error.end])), error.end


def _own_byte(character: str) -> bytes:
    code = ord(character)
    return bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else character.encode("ascii", "backslashreplace")


codecs.register_error(OWN_BYTES, _own_bytes)
