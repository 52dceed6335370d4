"""Numbers as text: every float32 comes back, in the plainest form."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.embeddings.formats.numbers import format_rows, parse_numbers

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
ORDINARY = st.floats(width=32, min_value=2.0**-23, max_value=9.5)


@settings(deadline=None)
@given(st.integers(1, 5).flatmap(lambda dim: st.lists(st.lists(FLOAT32, min_size=dim, max_size=dim), min_size=1)))
def test_every_float32_comes_back(rows):
    vectors = np.array(rows, np.float32)
    lines = format_rows(vectors)
    for line, vector in zip(lines, vectors, strict=True):
        read = np.array([float(field) for field in line.split(b" ")], np.float32)
        np.testing.assert_array_equal(read.view(np.uint32), vector.view(np.uint32))
    np.testing.assert_array_equal(parse_numbers(b" ".join(lines)), vectors.ravel())


@settings(deadline=None)
@given(st.lists(st.one_of(ORDINARY, ORDINARY.map(lambda value: -value)), min_size=1))
def test_ordinary_numbers_are_plain_and_have_nine_digits_at_most(values):
    (line,) = format_rows(np.array([values], np.float32))
    for field in line.split(b" "):
        assert re.fullmatch(rb"-?[0-9]\.([0-9]*[1-9]|0)", field)
        assert len(field.replace(b".", b"").lstrip(b"-0")) <= 9


def test_the_power_of_two_lattice_comes_back():
    exponents = np.arange(-149, 128)
    steps = np.array([1.0, 1 + 2**-23, 2 - 2**-23, 1.1, 1.7])
    values = np.outer(np.exp2(exponents.astype(np.float64)), steps).astype(np.float32)
    read = parse_numbers(b" ".join(format_rows(values)))
    np.testing.assert_array_equal(read, values.ravel())


def test_more_rows_than_are_laid_out_at_once():
    vectors = np.random.default_rng(1).standard_normal((700, 50)).astype(np.float32)
    lines = format_rows(vectors)
    assert len(lines) == 700
    np.testing.assert_array_equal(parse_numbers(b" ".join(lines)).reshape(700, 50), vectors)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0.0"),
        (-0.0, b"-0.0"),
        (1.0, b"1.0"),
        (0.5, b"0.5"),
        (-0.25, b"-0.25"),
        (0.1, b"0.100000001"),
        (9.999999, b"9.99999905"),
        (10.0, b"10.0"),
        (-1234.5, b"-1234.5"),
        (1e-7, b"0.000000100000001"),
        (1e-8, b"9.99999994e-09"),
    ],
)
def test_numbers_look_like_this(value, text):
    assert format_rows(np.array([[value]], np.float32)) == [text]


@pytest.mark.parametrize("text", [b"1.0 x 2.0", b"1.0,2.0", b"1.0 2.0e", b"0.5 --1"])
def test_anything_else_is_refused(text):
    assert parse_numbers(text) is None
