"""Bytes that no text has; tests/test_file_kinds.py has the files that are known by their first bytes."""

from nce_train.text.not_text import nul_byte_error


def test_holes_in_a_text_are_told_with_the_way_out():
    error = nul_byte_error(b"some text\n" + bytes(50), 1234, "a log")
    assert str(error) == (
        "a log contains a NUL byte at offset 1234: if it is text with holes, as a crash leaves in a log, use "
        r"tr -d '\000' < 'a log' | nce-train - -o …"
    )
    assert str(nul_byte_error(b"x\x01\x02\0", 3, "f")).startswith(
        "f is not text: it contains a NUL byte at offset 3 and"
    )
