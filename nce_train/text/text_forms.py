"""Texts that are records: the first bytes of a file go in, what they look like comes out, with the way to their text.

A training text is words and line ends. People also give JSON, tables, labels and markup, whose keys, quotation marks
and tags then become words. Each rule below needs all of the first lines to agree, so that prose does not fit.
"""

import csv
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from nce_train.text.not_text import pipe_to_training, quoted

_MOST_LINES = 20  # that are looked at
_FEWEST_ROWS = 3  # of a table: fewer lines may agree by chance
_CATS = {".gz": "zcat", ".bz2": "bzcat", ".xz": "xzcat", ".lzma": "xzcat", ".zst": "zstdcat", ".zip": "unzip -p"}

_JSON_START = re.compile(r"\s*(?:\[\s*)?\{\s*\"(?:[^\"\\]|\\.)*\"\s*:")
_STRING = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_LIST = re.compile(rf"\[{_STRING}(?:, ?{_STRING})*\],?")
_MARKUP = re.compile(r"\s*<(?:\?xml|!doctype|html|mediawiki|doc |page>|tei|corpus|documents?>|text[ >])", re.IGNORECASE)


class TextForm(NamedTuple):
    """What a text looks like, what would go wrong, and the command that takes its text out, with `{}` for the file."""

    what: str
    consequence: str
    command: str

    def way_out(self, name: str) -> str:
        """The command for the file `name`."""
        cat = next((cat for ending, cat in _CATS.items() if name.endswith(ending)), None)
        in_a_pipe = self.command.removesuffix(" <")
        if name == "standard input":
            return pipe_to_training(f"… | {in_a_pipe}")
        command = f"{self.command} {quoted(name)}" if cat is None else f"{cat} {quoted(name)} | {in_a_pipe}"
        return pipe_to_training(command)


def text_form(head: bytes) -> TextForm | None:
    """What a text that begins with `head` looks like, or None for words and lines."""
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = text.split("\n")
    if len(lines) > 1:
        lines.pop()  # it may be cut
    lines = [line.rstrip("\r") for line in lines if line.strip()][:_MOST_LINES]
    if not lines:
        return None
    if _MARKUP.match(text):
        return TextForm("XML or HTML", "whose tags would become words", "sed 's/<[^>]*>//g'")
    if all(line.startswith("__label__") for line in lines):
        command = "sed 's/__label__[^[:blank:],]*[[:blank:],]*//g'"
        return TextForm("fastText's labels", "which would become words", command)
    if all(_LIST.fullmatch(line.strip()) for line in lines):
        what = "lists of quoted words"
        return TextForm(what, "whose brackets and quotation marks would be part of words", 'tr -d "[],\'\\"" <')
    return _json(text, lines) or _tabs(lines) or _commas(lines)


def _json(text: str, lines: Sequence[str]) -> TextForm | None:
    """JSON objects, one a line or in an array; each of the first lines if they are whole, else how the text begins."""
    if not _JSON_START.match(text):
        return None
    objects = [value for value in map(_parsed, lines) if isinstance(value, dict)]
    is_array = text.lstrip().startswith("[")
    if len(lines) > 1 and len(objects) < len(lines) and _parsed(lines[0]) is not None:
        return None  # one line of JSON in other text
    key = _wordiest(objects[0].items()) if objects else "text"
    field = f".{key}" if re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", key) else f".[{json.dumps(key)}]"
    path = f"'.[]{field.replace('.[', '[')}'" if is_array else field if field[1] != "[" else f"'{field}'"
    what = "a JSON array" if is_array else "JSON lines" if objects else "JSON"
    return TextForm(what, "whose keys would become words", f"jq -r {path}")


def _tabs(lines: Sequence[str]) -> TextForm | None:
    """A table: equally many tabs in all lines, and blanks in one column. Tabs between single words are no table."""
    rows = [line.split("\t") for line in lines]
    if not _is_table(rows):
        return None
    column = _wordiest([(str(i), " ".join(fields)) for i, fields in enumerate(zip(*rows, strict=True), start=1)])
    if sum(" " in row[int(column) - 1].strip() for row in rows) <= len(rows) / 2:
        return None
    what = f"a table of {len(rows[0])} columns between tabs"
    return TextForm(what, "whose other columns would become words", f"cut -f{column}")


def _commas(lines: Sequence[str]) -> TextForm | None:
    """A table: equally many fields in all lines, and no blank behind a separator, as there is in prose."""
    for separator in ",;":
        unquoted = [re.sub(r'"[^"]*"', "", line) for line in lines]
        if any(re.search(rf"{separator}\s", line) for line in unquoted) or lines[0].endswith(separator):
            continue
        if not any(separator in re.sub(r"(?<=\d),(?=\d{3}\b)", "", line) for line in unquoted):
            continue  # 1,234
        try:
            rows = list(csv.reader(lines, delimiter=separator))
        except csv.Error:
            continue
        if _is_table(rows) and not any(re.search(r"\s", field) for row in rows for field in row):
            what = f"tokens between {'commas' if separator == ',' else 'semicolons'}"
            return TextForm(what, "which would be part of words", f"tr '{separator}' ' ' <")
        if _is_table(rows):
            columns = enumerate(zip(*rows, strict=True))
            column = _wordiest([(str(i), " ".join(fields)) for i, fields in columns])
            program = (
                f"import csv, sys; [print(row[{column}]) for row in csv.reader(sys.stdin, delimiter={separator!r})]"
            )
            what = f"a table of {len(rows[0])} columns (CSV)"
            return TextForm(what, "whose other columns would be part of words", f'python3 -c "{program}" <')
    return None


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    return len(rows) >= _FEWEST_ROWS and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1


def _wordiest(fields: Any) -> str:
    """The name of the field with the longest text; `fields` are pairs of a name and a value."""
    texts = [(len(value), name) for name, value in fields if isinstance(value, str)]
    return max(texts)[1] if texts else "text"


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
