"""Where text comes from: files, directories, standard input, or token sequences in Python.

In goes what the user named; out come blocks of bytes, decompressed as their content (not their name) tells,
each block ending at white space, hashed as they are read. Nothing is mapped: a file cut short meanwhile must
end in a sentence, not in a signal.
"""

import bz2
import dataclasses
import hashlib
import io
import itertools
import lzma
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from nce_train.errors import InputError, RunError
from nce_train.text.buffers import Buffers
from nce_train.text.vocabulary import is_token

BLOCK_BYTES = 1 << 20
PADDING = 16  # bytes behind a block's text that the scanner may read (eight at a time) but does not count

PathName = str | os.PathLike[str]
Corpus = PathName | Sequence[PathName] | Iterable[Sequence[str]]

_COMPRESSED_CHUNK = 1 << 16
_HEAD_BYTES = 10  # as many as the longest magic number needs
_SPACES = b" \n\t\r\v\f"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass
class Source:
    """One file, standard input, or an iterable of token sequences; `bytes` and, unless a part, `sha256` once read."""

    name: str
    path: Path | None = None
    status: os.stat_result | None = None  # of a regular file, when it was listed
    sentences: Iterable[Sequence[str]] | None = None
    url: str | None = None  # where fsspec opens it
    size: int | None = None  # bytes as stored, where they are known beforehand
    span: tuple[int, int] | None = None  # of a plain file: the bytes to read, which end behind white space
    bytes: int = 0  # as stored: before decompression
    sha256: str = ""

    @property
    def shown(self) -> str:
        """What messages call it."""
        return "standard input" if self.name == "-" else self.name

    def description(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256}


@dataclass
class Block:
    """A stretch of text that ends at ASCII white space, never inside a token."""

    text: np.ndarray  # uint8 [end + PADDING or more]
    end: int
    source: Source
    offset: int  # of text[0] in the source's decompressed text
    buffers: Buffers  # that `text` was taken from

    def give_back(self) -> None:
        """The text is not needed any more."""
        self.buffers.give_back(self.text)


@dataclass
class SourceList:
    """The sources of one corpus, in reading order."""

    sources: list[Source]
    called: str = "corpus"  # in messages
    bytes_read: int = field(default=0, init=False)  # as stored, so far

    @property
    def total_bytes(self) -> int | None:
        """Bytes as stored of all sources, or None when one of them does not tell beforehand."""
        total = 0
        for source in self.sources:
            if source.size is None:
                return None
            total += source.size
        return total

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
        """Read everything, once.

        Parameters
        ----------
        block_bytes : int
            Size of a block; one that holds no white space grows until it does.

        Yields
        ------
        Block

        Raises
        ------
        InputError
            A damaged or truncated compressed file, a missing extra, a sentence of an iterable that is none.
        RunError
            A read error, or a file that changed since it was listed.
        """
        buffers = Buffers(np.uint8)
        for source in self.sources:
            with _open(source) as file:
                counting = _CountingReader(file, source, self)
                try:
                    if source.span is None:
                        yield from _blocks_of(_decompressed(counting, source), source, block_bytes, buffers)
                    else:
                        file.seek(source.span[0])
                        yield from _blocks_of(counting, source, block_bytes, buffers)
                except InputError:
                    _check_untouched(source, file)  # a file still being written looks damaged
                    raise
                if source.span is None:
                    source.sha256 = counting.digest.hexdigest()
                _check_untouched(source, file)
                if source.size is not None and source.span is None and source.bytes != source.size:
                    raise _changed(source)


def parts_of(source: Source, part_bytes: int, at_lines: bool) -> list[Source]:
    """Cut a plain file into parts that can be read side by side; a compressed one stays whole.

    Parameters
    ----------
    source : Source
        A file or URL whose `size` is known.
    part_bytes : int
        Cut about every so many bytes.
    at_lines : bool
        Cut behind line ends only, else behind any white space. Where none comes before the next cut, there is none.
    """
    assert source.size is not None
    if source.size <= part_bytes:
        return [source]
    with _open(source) as file:
        head = file.read(_HEAD_BYTES) or b""
        if _codec_of(head, source) is not None:
            return [source]
        cuts = [0]
        for target in range(part_bytes, source.size, part_bytes):
            cut = _first_space(file, target, min(source.size, target + part_bytes), at_lines)
            if cut is not None:
                cuts.append(cut)
    if cuts[-1] < source.size:
        cuts.append(source.size)
    return [dataclasses.replace(source, span=span) for span in itertools.pairwise(cuts)]


def _first_space(file: BinaryIO | io.RawIOBase, begin: int, end: int, at_lines: bool) -> int | None:
    """The place behind the first line end, or white space, in [begin, end) of a file."""
    file.seek(begin)
    while begin < end:
        chunk = file.read(min(1 << 16, end - begin)) or b""
        found = [chunk.find(space) for space in (b"\n" if at_lines else _SPACES)]
        if any(place >= 0 for place in found):
            return begin + min(place for place in found if place >= 0) + 1
        if not chunk:
            return None
        begin += len(chunk)
    return None


def list_sources(corpus: Corpus, called: str = "corpus") -> SourceList:
    """Find out what a corpus consists of, without reading it.

    Parameters
    ----------
    corpus : path, `"-"`, list of these, or iterable of token sequences
        A directory stands for its regular non-hidden files, recursively, in byte order of path, but for those of
        model directories in it; `"-"` for standard input; a name with `://` is a URL, which fsspec opens. An
        iterable's tokens are taken as they are; an empty one is left out.
    called : str
        What messages call the corpus.

    Raises
    ------
    InputError
        When a path does not exist or cannot be read, a directory holds no file, or `"-"` occurs twice.
    """
    names: list[PathName]
    if isinstance(corpus, str | os.PathLike):
        names = [corpus]
    elif isinstance(corpus, list | tuple) and all(isinstance(item, str | os.PathLike) for item in corpus):
        names = list(corpus)
    elif isinstance(corpus, Iterable) and not isinstance(corpus, bytes | bytearray):
        return SourceList([Source("iterable", sentences=corpus)])  # type: ignore[arg-type]
    else:
        kind = type(corpus).__name__
        raise InputError(f"a corpus is a path, a list of paths or an iterable of token sequences, not {kind}")
    if not names:
        raise InputError(f"no {called} was given: name at least one file")
    if [os.fspath(name) for name in names].count("-") > 1:
        raise InputError("standard input (-) was named twice, but it can be read only once")
    return SourceList([source for name in names for source in _sources_of(os.fspath(name), called)], called)


def _sources_of(name: str, called: str) -> list[Source]:
    if not name:
        raise InputError(f"the name of the {called} is empty; name a file")
    if name == "-":
        return [Source("-")]
    if "://" in name:
        return [_remote_source(name, called)]
    try:
        status = Path(name).stat()
        if not stat.S_ISDIR(status.st_mode):
            return [_file_source(name, status)]
        sources = [_file_source(path, Path(path).stat()) for path in _files_below(name)]
    except OSError as error:
        where = error.filename if error.filename is not None else name
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise InputError(f"cannot read the {called} {os.fsdecode(where)}: {reason}") from None
    except ValueError as error:  # a NUL character in the name
        raise InputError(f"cannot read the {called} {name!r}: {error}") from None
    if not sources:
        raise InputError(f"the directory {name} holds no file to read (hidden ones and those of models do not count)")
    return sources


def _file_source(name: str, status: os.stat_result) -> Source:
    if not stat.S_ISREG(status.st_mode):  # a FIFO, a terminal: to be opened once, when it is read
        return Source(name, Path(name))
    with Path(name).open("rb"):  # may it be read?
        return Source(name, Path(name), status, size=status.st_size)


def _remote_source(url: str, called: str) -> Source:
    try:
        import fsspec
    except ImportError:
        raise InputError(f"{url} is a URL, which needs an extra: pip install 'nce-train[cluster]'") from None
    try:
        system, path = fsspec.url_to_fs(url)
        return Source(url, url=url, size=system.info(path)["size"])
    except (OSError, ValueError, ImportError) as error:  # ImportError: what fsspec needs for this protocol
        raise InputError(f"cannot read the {called} {url}: {error}") from None


def _files_below(directory: str) -> list[str]:
    def give_up(error: OSError) -> None:
        raise error

    found: list[str] = []
    for parent, directories, files in os.walk(directory, onerror=give_up):
        directories[:] = [
            name for name in directories if not name.startswith(".") and not _holds_a_model(os.path.join(parent, name))
        ]
        paths = [os.path.join(parent, name) for name in files if not name.startswith(".")]
        found.extend(path for path in paths if os.path.isfile(path))
    return sorted(found, key=os.fsencode)


def _holds_a_model(directory: str) -> bool:
    """Whether it is a model directory, finished or begun: after `-o texts/model.nce` that is no part of texts/."""
    holds = [os.path.isfile(os.path.join(directory, name)) for name in ("manifest.json", "vocab.tsv")]
    return all(holds) or os.path.isfile(os.path.join(directory, "checkpoint", "run.json"))


def _open(source: Source) -> BinaryIO | io.RawIOBase:
    if source.sentences is not None:
        return _TokenReader(source.sentences)
    if source.url is not None:
        import fsspec

        return fsspec.open(source.url, "rb").open()
    if source.path is None:
        try:
            return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
        except (AttributeError, OSError, ValueError):
            raise InputError("the corpus is standard input (-), but there is none") from None
    try:
        return source.path.open("rb", buffering=0)
    except OSError as error:
        raise RunError(f"cannot read {source.shown}, which was there before: {error.strerror}") from None


def _check_untouched(source: Source, file: BinaryIO | io.RawIOBase) -> None:
    """Raise RunError when a regular file was written to since it was listed."""
    if source.status is None:
        return
    now = os.fstat(file.fileno())
    if (now.st_size, now.st_mtime_ns) != (source.status.st_size, source.status.st_mtime_ns):
        raise _changed(source)


def _changed(source: Source) -> RunError:
    read = f"{source.size} bytes at first" + (f", {source.bytes} read" if source.span is None else "")
    return RunError(f"{source.shown} changed while it was read ({read}): start again when it is complete")


def _blocks_of(stream: io.RawIOBase, source: Source, block_bytes: int, buffers: Buffers) -> Iterator[Block]:
    head = np.empty(len(_BYTE_ORDER_MARK), np.uint8)
    carried = head[: _fill(stream, head, 0)]
    offset = 0 if source.span is None else source.span[0]
    if carried.tobytes() == _BYTE_ORDER_MARK and source.sentences is None and offset == 0:
        carried = carried[:0]
        offset = len(_BYTE_ORDER_MARK)
    while True:
        # Doubling, when there was no white space, keeps the copying linear in the length of a long token.
        size = max(block_bytes, 2 * len(carried))
        text = buffers.take(size + PADDING)
        text[: len(carried)] = carried
        filled = _fill(stream, text[:size], len(carried))
        if filled < size:
            text[filled] = ord("\n")  # the end of a file ends its last line
            yield Block(text, filled + 1, source, offset, buffers)
            return
        cut = _end_of_last_space(text, len(carried), filled)
        carried = text[cut:filled]
        if cut:
            carried = carried.copy()  # whoever has the text may give it back
            yield Block(text, cut, source, offset, buffers)
        offset += cut


def _fill(stream: io.RawIOBase, text: np.ndarray, filled: int) -> int:
    """Read until `text` is full or the stream ends; the number of bytes in `text`."""
    view = text.data
    while filled < len(text):
        count = stream.readinto(view[filled:])
        if not count:
            break
        filled += count
    return filled


def _end_of_last_space(text: np.ndarray, start: int, end: int) -> int:
    """The position behind the last white space in `text[start:end]`, or 0 when there is none."""
    for begin in (max(start, end - 256), start):  # nearly always the last few bytes have one
        tail = text[begin:end].tobytes()
        last = max(tail.rfind(space) for space in _SPACES)
        if last >= 0:
            return begin + last + 1
    return 0


class _CountingReader(io.RawIOBase):
    """Counts and hashes the bytes of a source as they are stored."""

    def __init__(self, file: BinaryIO | io.RawIOBase, source: Source, total: SourceList) -> None:
        self.file = file
        self.source = source
        self.total = total
        self.digest = hashlib.sha256()

    def readinto(self, buffer: Any) -> int:
        if self.source.sentences is not None:
            count = self.file.readinto(buffer)  # type: ignore[union-attr]
        else:
            wanted = memoryview(buffer)
            if self.source.span is not None:
                begin, end = self.source.span
                wanted = wanted[: end - begin - self.source.bytes]
            try:
                count = self.file.readinto(wanted)  # type: ignore[union-attr]
            except OSError as error:
                raise RunError(f"cannot read {self.source.shown}: {error.strerror}") from None
        if self.source.span is None:  # the hash of a part is of no use
            self.digest.update(memoryview(buffer)[:count])
        self.source.bytes += count
        self.total.bytes_read += count
        return count


class _TokenReader(io.RawIOBase):
    """An iterable of token sequences as text: one sentence a line, tokens joined by spaces."""

    def __init__(self, sentences: Iterable[Sequence[str]]) -> None:
        self.sentences = enumerate(sentences, start=1)
        self.text = b""

    def readinto(self, buffer: Any) -> int:
        lines = [self.text]
        length = len(self.text)
        while length < len(buffer):
            numbered = next(self.sentences, None)
            if numbered is None:
                break
            lines.append(_sentence_line(*numbered))
            length += len(lines[-1])
        text = b"".join(lines)
        count = min(length, len(buffer))
        buffer[:count] = text[:count]
        self.text = text[count:]
        return count


def _sentence_line(number: int, sentence: Sequence[str]) -> bytes:
    if isinstance(sentence, str | bytes):
        raise InputError(f"sentence {number} of the corpus is one text, not a sequence of tokens: split it")
    try:
        tokens = [token for token in sentence if token != ""]
        line = " ".join(tokens).encode("utf-8", "surrogateescape")
    except (TypeError, UnicodeEncodeError):
        hint = "; give paths as a list" if isinstance(sentence, os.PathLike) else ""
        raise InputError(f"sentence {number} of the corpus is not a sequence of tokens (str){hint}") from None
    pieces = line.split()
    if len(pieces) != len(tokens) or b" ".join(pieces) != line or b"\0" in line:
        culprit = next(token for token in tokens if not is_token(token))
        held = "a NUL character" if "\0" in culprit else "white space"
        raise InputError(f"sentence {number} of the corpus: the token {culprit[:80]!r} holds {held}")
    return line + b"\n"


class _Codec(NamedTuple):
    """A kind of compression: its name, what makes a decompressor for one member, what that one raises."""

    name: str
    new_member: Callable[[], Any]
    error: type[Exception]


def _decompressed(stored: io.RawIOBase, source: Source) -> io.RawIOBase:
    if source.sentences is not None:
        return stored
    head = np.empty(_HEAD_BYTES, np.uint8)
    start = head[: _fill(stored, head, 0)].tobytes()
    whole = _Prepended(start, stored)
    codec = _codec_of(start, source)
    return whole if codec is None else _Decompressor(whole, codec, source)


def _codec_of(head: bytes, source: Source) -> _Codec | None:
    """Told by the magic number: RFC 1952; bzip2's header and first block; the .xz format 1.2; RFC 8878."""
    if head.startswith(b"\x1f\x8b\x08"):
        return _Codec("gzip", lambda: zlib.decompressobj(wbits=31), zlib.error)
    if head.startswith(b"BZh") and head[4:] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return _Codec("bzip2", bz2.BZ2Decompressor, OSError)
    if head.startswith(b"\xfd7zXZ\0"):
        return _Codec("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), lzma.LZMAError)
    is_skippable_frame = head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F
    if head.startswith(b"\x28\xb5\x2f\xfd") or is_skippable_frame:
        try:
            import zstandard
        except ImportError:
            raise InputError(
                f"{source.shown} is compressed with zstd, which needs an extra: pip install 'nce-train[zstd]'"
            ) from None
        return _Codec("zstd", _ZstdMember, zstandard.ZstdError)
    return None


class _Prepended(io.RawIOBase):
    """A stream with the bytes put back that were read to tell its kind."""

    def __init__(self, head: bytes, rest: io.RawIOBase) -> None:
        self.head = head
        self.rest = rest

    def readinto(self, buffer: Any) -> int:
        if not self.head:
            return self.rest.readinto(buffer) or 0
        count = min(len(buffer), len(self.head))
        buffer[:count] = self.head[:count]
        self.head = self.head[count:]
        return count


class _Decompressor(io.RawIOBase):
    """All members of a compressed file, one after the other.

    Stricter than the standard library's file objects, which take damage behind the first member for the end.
    """

    def __init__(self, stored: io.RawIOBase, codec: _Codec, source: Source) -> None:
        self.stored = stored
        self.codec = codec
        self.source = source
        self.member: Any = None
        self.input = b""
        self.output = b""

    def readinto(self, buffer: Any) -> int:
        while not self.output:
            if not self.input and (self.member is None or getattr(self.member, "needs_input", True)):
                self.input = self.stored.read(_COMPRESSED_CHUNK) or b""
                if not self.input and self.member is not None:
                    raise InputError(f"{self.source.shown} is cut short: its {self.codec.name} data has no end")
                if not self.input:
                    return 0
            if self.member is None:
                self.input = self.input.lstrip(b"\0")  # padding between members
                if not self.input:
                    continue
                self.member = self.codec.new_member()
            self.output = self._decompress(len(buffer))
        count = min(len(buffer), len(self.output))
        buffer[:count] = self.output[:count]
        self.output = self.output[count:]
        return count

    def _decompress(self, limit: int) -> bytes:
        try:
            output = self.member.decompress(self.input, limit)
        except self.codec.error as error:
            raise InputError(
                f"{self.source.shown} is damaged: its {self.codec.name} data is invalid ({error})"
            ) from None
        if self.member.eof:
            self.input = self.member.unused_data
            self.member = None
        else:
            self.input = getattr(self.member, "unconsumed_tail", b"")
        return output


class _ZstdMember:
    """One frame, with the interface of the standard library's decompressors."""

    CHUNK = 4096  # zstandard returns all that its input holds: at most 128 KiB for each 4 bytes of it

    def __init__(self) -> None:
        import zstandard

        self.frame = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        self.eof = False
        self.unconsumed_tail = b""
        self.unused_data = b""

    def decompress(self, data: bytes, _limit: int) -> bytes:
        output = self.frame.decompress(data[: self.CHUNK])
        self.unconsumed_tail = data[self.CHUNK :]
        self.eof = self.frame.eof
        if self.eof:
            self.unused_data = self.frame.unused_data + self.unconsumed_tail
        return output
