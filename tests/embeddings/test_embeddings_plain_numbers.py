"""Fast reading of numbers in the common form gives what Python and NumPy give, or leaves the text to them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nce_train.embeddings.formats.plain_numbers import parse_plain

COMMON = st.from_regex(r"-?([0-9]\.[0-9]{1,14}|0\.0[0-9]{1,15})", fullmatch=True)
WITH_EXPONENT = st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{0,6})?[eE][-+]?[0-9]{1,2}", fullmatch=True)
ANYTHING = st.text("0123456789.-+eE_naif", max_size=8)


def expected(fields):
    with np.errstate(over="ignore"):
        return np.array([float(field) for field in fields]).astype(np.float32)


def bits(numbers):
    return numbers.view(np.uint32).tolist()


@given(st.lists(COMMON | WITH_EXPONENT, min_size=1, max_size=40))
def test_numbers_are_those_of_python(fields):
    numbers = parse_plain(" ".join(fields).encode(), len(fields))
    assert numbers is not None
    assert bits(numbers) == bits(expected(fields))


@given(st.lists(COMMON | WITH_EXPONENT | ANYTHING, min_size=1, max_size=12))
def test_nothing_else_is_taken_for_numbers(fields):
    numbers = parse_plain(" ".join(fields).encode(), len(fields))
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
def test_what_is_not_common_is_left_to_others(text):
    assert parse_plain(text, 2) is None


def test_another_number_of_numbers_is_told():
    assert parse_plain(b"0.5 0.5 0.5", 2) is None
    assert parse_plain(b"0.5", 2) is None


def test_long_texts_are_read_in_pieces():
    values = np.random.default_rng(1).normal(0, 0.3, 60_000).astype(np.float32)
    fields = [f"{value:.9f}" for value in values.clip(-9, 9)]
    fields[::1000] = ["-1.5e-07"] * 60
    text = " ".join(fields).encode()
    assert len(text) > 2 * 2**18
    assert bits(parse_plain(text, len(fields))) == bits(expected(fields))
