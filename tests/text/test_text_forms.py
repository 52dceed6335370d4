"""Texts that are records are told, with a command that takes their text out; prose and tokens are not."""

import gzip
import json
import shutil
import subprocess

import pytest

from nce_train.text.corpus import count_corpus
from nce_train.text.text_forms import text_form

RECORDS = [{"id": i, "text": f'the text, number {i}, of "one" record', "lang": "en"} for i in range(6)]
JSON_LINES = "".join(json.dumps(each) + "\n" for each in RECORDS)
TEXT_OF_RECORDS = "".join(each["text"] + "\n" for each in RECORDS)
TSV = "".join(f"{label}\tsome text of line {i}\n" for i, label in enumerate(["good", "bad", "good", "bad", "ok"]))
CSV = 'id,text\n1,"some text, with a comma"\n2,more text here\n3,"a ""quoted"" word"\n'
LISTS = "['the', 'cat', \"it's\"]\n['sat', 'down']\n"

FORMS = {  # the content, what it is called, and the command without the file
    "json lines": (JSON_LINES, "JSON lines", "jq -r .text d.txt"),
    "json lines of another key": (
        JSON_LINES.replace('"text"', '"my body"'),
        "JSON lines",
        "jq -r '.[\"my body\"]' d.txt",
    ),
    "json array": (json.dumps(RECORDS, indent=1), "a JSON array", "jq -r '.[].text' d.txt"),
    "json array in one line": (json.dumps(RECORDS * 500), "a JSON array", "jq -r '.[].text' d.txt"),
    "tsv": (TSV, "a table of 2 columns between tabs", "cut -f2 d.txt"),
    "tsv, text first": (
        "".join(f"a text of many words\t{i}\tx\n" for i in range(4)),
        "a table of 3 columns",
        "cut -f1 d.txt",
    ),
    "csv": (CSV, "a table of 2 columns (CSV)", "print(row[1])"),
    "csv with semicolons": (CSV.replace(",", ";"), "a table of 2 columns (CSV)", "delimiter=';'"),
    "labels": (
        "__label__pos x y z\n__label__neg a b\n",
        "fastText's labels",
        "sed 's/__label__[^[:blank:],]*[[:blank:],]*//g' d.txt",
    ),
    "lists": (LISTS, "lists of quoted words", "< d.txt"),
    "json lists": ('["a", "b"]\n["c"]\n', "lists of quoted words", "< d.txt"),
    "html": ("\n<!DOCTYPE html>\n<html><p>text</p></html>\n", "XML or HTML", "sed 's/<[^>]*>//g' d.txt"),
    "a wiki dump": ('<mediawiki xmlns="x">\n  <page>\n', "XML or HTML", ""),
    "wikiextractor": ('<doc id="12" title="x">\nText\n</doc>\n', "XML or HTML", ""),
}
PROSE = {
    "prose": "The cat, which sat down, was black.\nIt slept; then it woke.\nNothing else happened.\n" * 3,
    "dialogue": '"Yes", she said.\n"No", he said.\n"Well", she said.\n',
    "tokens between tabs": "".join("the\tcat\tsat\n" for _ in range(9)),
    "paths": "".join(" ".join(f"node{i + k}" for k in range(4)) + "\n" for i in range(9)),
    "marks": "<s> the cat sat </s>\n<unk> of <unk>\n",
    "braces": '{ this } is tokenised code\n{ "x" } too\n',
    "brackets": "[1] a note\n[2] another\n[3] one more\n",
    "one json line": '{"a": 1}\nand then prose\nand more\n',
    "tabs here and there": "chapter\tone\nthe cat sat\na\tb\tc d e\n",
    "two lines that agree": "a b\tc d\ne f\tg h\n",
    "numbers": "1,234 people\n5,678 people\n9,012 people\n1,000 people\n",
    "empty": "",
    "blank": "\n\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_records_are_told_with_the_way_to_their_text(name):
    content, what, command = FORMS[name]
    form = text_form(content.encode()[: 1 << 14])
    assert form is not None
    assert form.what.startswith(what)
    assert command in form.way_out("d.txt")
    assert form.way_out("d.txt").endswith(" | nce-train - -o …")


@pytest.mark.parametrize("name", PROSE)
def test_prose_and_tokens_are_not_records(name):
    assert text_form(PROSE[name].encode()) is None


@pytest.mark.parametrize(
    ("content", "tool", "expected"),
    [
        (JSON_LINES, "jq", TEXT_OF_RECORDS),
        (json.dumps(RECORDS), "jq", TEXT_OF_RECORDS),
        (TSV, "cut", "".join(line.split("\t")[1] + "\n" for line in TSV.splitlines())),
        (CSV, "python3", 'text\nsome text, with a comma\nmore text here\na "quoted" word\n'),
        ("__label__pos x y\n__label__neg a\n", "sed", "x y\na\n"),
        ("__label__pos\tgreat movie\n__label__neg,bad movie\n", "sed", "great movie\nbad movie\n"),
        ("n1,n2,n7\nn4,n1,n2\nn3,n9,n1\n", "tr", "n1 n2 n7\nn4 n1 n2\nn3 n9 n1\n"),
        (LISTS, "tr", "the cat its\nsat down\n"),
        ("<html><p>a b</p>\n", "sed", "a b\n"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_command_does_what_it_says(tmp_path, content, tool, expected, packed):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    path = tmp_path / ("a d.txt.gz" if packed else "a d.txt")
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    command = text_form(content.encode()).way_out(str(path)).removesuffix(" | nce-train - -o …")
    assert subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout == expected


def test_the_files_of_a_form_are_counted_and_no_other_warning_leads_astray(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.jsonl.gz").write_bytes(gzip.compress(JSON_LINES.encode()))
    (tmp_path / "prose.txt").write_text("Some words, here. And, there.\n" * 9)
    *_, warnings = count_corpus(tmp_path, min_count=1)
    (warning,) = warnings  # no hint at --tokens words, which would keep the keys
    first = tmp_path / "0.jsonl.gz"
    assert warning.startswith(f"{first} and 2 more files seem to be JSON lines, whose keys would become words: ")
    assert f"(zcat {first} | jq -r .text | nce-train - -o …)" in warning
