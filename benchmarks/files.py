"""What is not training: reading text, writing and loading vectors, starting, and ending after Ctrl-C.

    python -m benchmarks.files --corpus corpus.txt.xz --rows 74000 --dim 128

Reading: counting and encoding together, as `nce-train` does it, on the plain text and on compressed copies, beside what
the bytes alone take (decompressed, if they are compressed); compiled beforehand. Vectors: a model of `--rows` words,
trained for one step; each timing is taken in a process of its own, without the imports. Medians of `--repeats`.
"""

import bz2
import contextlib
import gzip
import lzma
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._common import new_parser, positive, say, spread, table, write_results
from benchmarks._interrupts import interruptions
from benchmarks._processes import run, train
from benchmarks._setting import plain_text, setting, setting_lines
from nce_train.text.corpus import encode_corpus

LONG_TEXT = 100_000_000  # bytes: a run on it can be caught reading
_CHUNK = 1 << 20

_CODECS: dict[str, Any] = {"gz": gzip, "bz2": bz2, "xz": lzma}
with contextlib.suppress(ImportError):
    import zstandard

    _CODECS["zst"] = zstandard

_TIMED = (
    "import sys, time; from nce_train import Embeddings; {before}; "
    "started = time.perf_counter(); {call}; print(time.perf_counter() - started)"
)
_LOAD = "Embeddings.load(sys.argv[1])"
_START = {
    "python alone": ["-c", "pass"],
    "import nce_train": ["-c", "import nce_train"],
    "nce-train --help": ["-m", "nce_train.cli.train", "--help"],
}
_NUMBA_AFTER_HELP = (
    "import sys; from nce_train.cli.train import main; main(['--help'], standalone_mode=False); "
    "print('\\nnumba' if 'numba' in sys.modules else '\\nnothing')"
)


def main() -> None:
    """Measure, print, write."""
    parser = new_parser("benchmarks.files", __doc__ or "")
    parser.add_argument("--rows", type=positive, default=74_000)
    parser.add_argument("--dim", type=positive, default=128)
    parser.add_argument("--repeats", type=positive, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        scratch = Path(name)
        with plain_text(options.corpus, scratch) as (text, corpus):
            described = setting(corpus, "zstandard")
            words = _text_of_words(scratch / "words.txt", options.rows)
            result: dict[str, Any] = {
                "reading": reading(text, scratch, options.threads, options.repeats),
                "vectors": vectors(words, scratch, options.dim, options.repeats),
                "start": start(options.repeats),
                "numba_after_help": _is_numba_there(),
                "interruptions": interruptions(text, _longer(text, scratch), words, scratch, options.repeats),
            }
    heads = ["input", "MB", "reading, s", "tokens/s", "reading the bytes alone, s"]
    markdown = [
        f"# Files, start and end: {options.threads} threads",
        "",
        *table(heads, [_reading_row(kind, found, corpus["tokens"]) for kind, found in result["reading"].items()]),
        "",
        *table([f"{options.rows:,} words, dim {options.dim}", "seconds"], _seconds(result["vectors"])),
        "",
        *table(["start", "seconds"], _seconds(result["start"])),
        "",
        f"`nce-train --help` imports numba: {'yes' if result['numba_after_help'] else 'no'}.",
        "",
        *table(
            ["Ctrl-C while", "seconds until the end", "exit code"],
            [_interruption_row(phase, found) for phase, found in result["interruptions"].items()],
        ),
        "",
        *setting_lines(described),
    ]
    write_results(options.out, "files", markdown, {**described, **result})


# --- reading --------------------------------------------------------------------------------------------------


def reading(text: Path, scratch: Path, threads: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Seconds of `encode_corpus`, and of the decompressor alone, by the kind of file."""
    copies = {"plain": text} | {kind: _packed(text, scratch / f"corpus.{kind}", kind) for kind in _CODECS}
    found: dict[str, dict[str, Any]] = {kind: {"bytes": path.stat().st_size} for kind, path in copies.items()}
    for turn in range(repeats + 1):  # the first compiles and is not counted
        for kind, path in copies.items():
            say(f"reading {kind}, run {turn} of {repeats}")
            started = time.perf_counter()
            encode_corpus(path, scratch / "ids", threads=threads, cache=False)
            encoded = time.perf_counter()
            _unpack(path, kind)
            if turn:
                found[kind].setdefault("seconds", []).append(encoded - started)
                found[kind].setdefault("alone", []).append(time.perf_counter() - encoded)
    for kind in _CODECS:
        copies[kind].unlink()
    return found


def _packed(text: Path, copy: Path, kind: str) -> Path:
    say(f"compressing to {kind}")
    with open(text, "rb") as source, _CODECS[kind].open(copy, "wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    return copy


def _unpack(path: Path, kind: str) -> None:
    with _CODECS[kind].open(path, "rb") if kind in _CODECS else open(path, "rb") as file:
        while file.read(_CHUNK):
            pass


def _reading_row(kind: str, found: dict[str, Any], tokens: int) -> list[str]:
    rates = (tokens / seconds / 1e6 for seconds in found["seconds"])
    size = f"{found['bytes'] / 1e6:.1f}"
    return [kind, size, spread(found["seconds"]), spread(rates, "{:.1f} M"), spread(found["alone"])]


# --- vectors --------------------------------------------------------------------------------------------------


def vectors(words: Path, scratch: Path, dim: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of writing and loading a model of all words of the text `words`."""
    say("making a model")
    model = scratch / "model.nce"
    train(words, model, "--dim", dim, "--max-steps", 1)
    text, binary = scratch / "vectors.txt", scratch / "vectors.bin"
    loaded = f"model = {_LOAD}"
    calls = {
        "text export": ([model, text], loaded, "model.save(sys.argv[2])"),
        "text load": ([text], "", _LOAD),
        "binary export": ([model, binary], loaded, "model.save(sys.argv[2])"),
        "binary load": ([binary], "", _LOAD),
        "load of the model directory, mapped": ([model], "", _LOAD),
    }
    found: dict[str, list[float]] = {}
    for turn in range(1, repeats + 1):
        for name, (paths, before, call) in calls.items():
            say(f"{name}, run {turn} of {repeats}")
            code = _TIMED.format(before=before or "pass", call=call)
            found.setdefault(name, []).append(float(run([sys.executable, "-c", code, *map(str, paths)]).stdout))
    return found


def _text_of_words(path: Path, rows: int) -> Path:
    """A text of so many words, each as often as the vocabulary wants."""
    line = " ".join(f"word{number}" for number in range(rows))
    path.write_text(f"{line}\n" * 5, encoding="ascii")
    return path


# --- start and end --------------------------------------------------------------------------------------------


def start(repeats: int) -> dict[str, list[float]]:
    """Seconds of whole processes that only start."""
    found: dict[str, list[float]] = {}
    for _ in range(repeats + 1):  # the first fills the page cache
        for name, words in _START.items():
            found.setdefault(name, []).append(run([sys.executable, *words]).seconds)
    return {name: seconds[1:] for name, seconds in found.items()}


def _is_numba_there() -> bool:
    return run([sys.executable, "-c", _NUMBA_AFTER_HELP]).stdout.splitlines()[-1] == "numba"


def _longer(text: Path, scratch: Path) -> Path:
    longer = scratch / "longer.txt"
    with open(longer, "wb") as file:
        while file.tell() < LONG_TEXT:
            with open(text, "rb") as once:
                shutil.copyfileobj(once, file, _CHUNK)
            file.write(b"\n")
    return longer


def _seconds(found: dict[str, list[float]]) -> list[list[str]]:
    return [[name, spread(seconds, "{:.3f}")] for name, seconds in found.items()]


def _interruption_row(phase: str, found: list[dict[str, Any]]) -> list[str]:
    exit_codes = sorted({one["exit_code"] for one in found})
    return [phase, spread((one["seconds"] for one in found), "{:.2f}"), ", ".join(map(str, exit_codes))]


if __name__ == "__main__":
    main()
