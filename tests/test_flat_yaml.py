"""Settings files are parsed strictly; every error names the file and the line."""

import pytest

from nce_train.errors import InputError
from nce_train.flat_yaml import parse_flat_yaml


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"dim: 5\nwindow: 2\ndim: 6\n", "sets 'dim' in line 1 and again in line 3"),
        (b"a: &x [1]\nb: *x\n", r"not valid YAML \(line 2\)"),
        (b"dim: !!bool x\n", r"not valid YAML \(KeyError\)"),
        (b"dim: 2001-99-99\n", r"not valid YAML \(ValueError\)"),
        (b"dim: " + b"[" * 20_000, "not valid YAML"),
        (b"dim: !!python/object/apply:os.system [x]\n", r"not valid YAML \(line 1\)"),
        (b"? [a]\n: 5\n", "line 1: a name is one word"),
        (b"dim: \xff\n", r"not UTF-8 text \(byte 5\)"),
        (b"- 5\n", "holds no settings"),
        (b"#" * 70_000, "has 70000 bytes"),
        (b"#" * 65_537, "has more than 65536 bytes"),
    ],
)
def test_invalid_settings(text, sentence):
    with pytest.raises(InputError, match=rf"The settings file s\.yaml .*{sentence}"):
        parse_flat_yaml(text, "s.yaml")


def test_settings_with_their_lines():
    assert parse_flat_yaml(b"\n# dim\ndim: 5\nlr: 0.5\nunknown:\n", "s") == (
        {"dim": 5, "lr": 0.5, "unknown": None},
        {"dim": 3, "lr": 4, "unknown": 5},
    )
    assert parse_flat_yaml(b"# nothing\n", "s") == ({}, {})
