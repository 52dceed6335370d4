"""Numbers as text: every float32 is read back, plain notation is written, and fast reading agrees with Python."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nce_train.embeddings.formats.decimals import _parse_plain, format_rows, parse_numbers

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
ORDINARY = st.floats(width=32, min_value=2.0**-23, max_value=9.5)
COMMON = st.from_regex(r"-?([0-9]\.[0-9]{1,14}|0\.0[0-9]{1,15})", fullmatch=True)
WITH_EXPONENT = st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{0,6})?[eE][-+]?[0-9]{1,2}", fullmatch=True)
ANYTHING = st.text("0123456789.-+eE_naif", max_size=8)


@settings(deadline=None)
@given(st.integers(1, 5).flatmap(lambda dim: st.lists(st.lists(FLOAT32, min_size=dim, max_size=dim), min_size=1)))
def test_every_float32_is_read_back(rows):
    vectors = np.array(rows, np.float32)
    lines = format_rows(vectors)
    for line, vector in zip(lines, vectors, strict=True):
        read = np.array([float(field) for field in line.split(b" ")], np.float32)
        np.testing.assert_array_equal(read.view(np.uint32), vector.view(np.uint32))
    np.testing.assert_array_equal(parse_numbers(b" ".join(lines), vectors.size), vectors.ravel())


@settings(deadline=None)
@given(st.lists(st.one_of(ORDINARY, ORDINARY.map(lambda value: -value)), min_size=1))
def test_ordinary_numbers_are_plain_and_have_nine_digits_at_most(values):
    (line,) = format_rows(np.array([values], np.float32))
    for field in line.split(b" "):
        assert re.fullmatch(rb"-?[0-9]\.([0-9]*[1-9]|0)", field)
        assert len(field.replace(b".", b"").lstrip(b"-0")) <= 9


def test_powers_of_two_are_read_back():
    exponents = np.arange(-149, 128)
    steps = np.array([1.0, 1 + 2**-23, 2 - 2**-23, 1.1, 1.7])
    values = np.outer(np.exp2(exponents.astype(np.float64)), steps).astype(np.float32)
    read = parse_numbers(b" ".join(format_rows(values)), values.size)
    np.testing.assert_array_equal(read, values.ravel())


def test_more_rows_than_a_block():
    vectors = np.random.default_rng(1).standard_normal((700, 50)).astype(np.float32)
    lines = format_rows(vectors)
    assert len(lines) == 700
    np.testing.assert_array_equal(parse_numbers(b" ".join(lines), 35_000).reshape(700, 50), vectors)


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
def test_numbers_are_written_like_this(value, text):
    assert format_rows(np.array([[value]], np.float32)) == [text]


@pytest.mark.parametrize(
    "text", [b"1.0 x", b"1.0,2.0", b"1.0 2.0e", b"0.5 --1", b"1.0", b"1.0 2 3", b"1  2", b" 1\t2", b"1\r\n2"]
)
def test_other_text_is_refused(text):
    assert parse_numbers(text, 2) is None


def expected(fields):
    with np.errstate(over="ignore"):
        return np.array([float(field) for field in fields]).astype(np.float32)


def bits(numbers):
    return numbers.view(np.uint32).tolist()


@settings(deadline=None)  # a busy machine may be slow
@given(st.lists(COMMON | WITH_EXPONENT, min_size=1, max_size=40))
def test_plain_numbers_are_those_of_python(fields):
    numbers = _parse_plain(" ".join(fields).encode(), len(fields))
    assert numbers is not None
    assert bits(numbers) == bits(expected(fields))


@settings(deadline=None)  # a busy machine may be slow
@given(st.lists(COMMON | WITH_EXPONENT | ANYTHING, min_size=1, max_size=12))
def test_other_text_is_never_read_as_plain_numbers(fields):
    numbers = _parse_plain(" ".join(fields).encode(), len(fields))
    if numbers is not None:  # then Python agrees that they are numbers
        assert not any("_" in field for field in fields)
        assert bits(numbers) == bits(expected(fields))


@pytest.mark.parametrize(
    "text",
    [
        b"0.5 nan",
        b"0.5 1",
        b"0.5 12.5",
        b"0.5  0.5",
        b" 0.5",
        b"0.5 9.123456789012345",
        b"0.5 0.00000000000000001",
        b"0.5 1_0e1",
        b"0.5 0.x5",
        b"0.5 x.5",
        b"0.5 0.5-",
        b"0.5 0.5\t0.5",
        b"0.5 0.5.5",
        b"0.5 .5",
    ],
)
def test_numbers_of_another_form_are_not_plain(text):
    assert _parse_plain(text, 2) is None


def test_another_count_of_numbers_is_refused():
    assert _parse_plain(b"0.5 0.5 0.5", 2) is None
    assert _parse_plain(b"0.5", 2) is None


def test_text_longer_than_a_block():
    values = np.random.default_rng(1).normal(0, 0.3, 60_000).astype(np.float32)
    fields = [f"{value:.9f}" for value in values.clip(-9, 9)]
    fields[::1000] = ["-1.5e-07"] * 60
    text = " ".join(fields).encode()
    assert len(text) > 2 * 2**18
    assert bits(_parse_plain(text, len(fields))) == bits(expected(fields))
