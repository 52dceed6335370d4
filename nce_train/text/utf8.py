"""Bytes that are not UTF-8: in words, and between the tokens of `--tokens words`, which they tear. Compiled."""

from nce_train.compiled import cached_njit


@cached_njit(nogil=True)
def count_torn(text, end, starts, lengths, places):
    """The number of tokens of `text[:end]` beside bytes that are not UTF-8, and of runs of such bytes without a token
    beside them. The positions of the first runs are written to `places`, int64.

    `starts` and `lengths`, int64 [n], are those of the tokens and, with a length of 0, of line ends.
    """
    num_torn = num_lost = 0
    num_places = 0
    gap_start = 0
    is_torn = False  # whether the last token has been counted
    for token in range(starts.size + 1):
        if token < starts.size:
            if lengths[token] == 0:
                continue
            gap_end = starts[token]
        else:
            gap_end = end
        is_next_torn = False
        # between most tokens there is one byte, or ASCII at both ends
        if gap_end - gap_start > 2 or (gap_end > gap_start and (text[gap_start] | text[gap_end - 1]) >= 0x80):
            position = gap_start
            run_start = -1
            while position < gap_end:
                width = 1 if text[position] < 0x80 else _width(text, position, gap_end)
                if width == 0:
                    if run_start < 0:
                        run_start = position
                        if num_places < places.size:
                            places[num_places] = position
                            num_places += 1
                    width = 1
                elif run_start >= 0:
                    if run_start == gap_start and gap_start > 0:
                        num_torn += not is_torn
                        is_torn = True
                    else:
                        num_lost += 1
                    run_start = -1
                position += width
            if run_start >= 0:
                if run_start == gap_start and gap_start > 0:
                    num_torn += not is_torn
                if token < starts.size:
                    num_torn += 1
                    is_next_torn = True
        is_torn = is_next_torn
        if token < starts.size:
            gap_start = gap_end + lengths[token]
    return num_torn, num_lost


@cached_njit(nogil=True)
def find_invalid(text, starts, lengths, is_invalid):
    """Set `is_invalid`, bool [n], where a word holds bytes that are not UTF-8."""
    for word in range(starts.size):
        position = starts[word]
        end = position + lengths[word]
        while position < end:
            width = 1 if text[position] < 0x80 else _width(text, position, end)
            if width == 0:
                is_invalid[word] = True
                break
            position += width


@cached_njit(nogil=True, inline="always")
def _width(text, position, end):
    """The bytes of the UTF-8 sequence at `position`, which is not ASCII; 0 when it is invalid (Unicode, table 3-7)."""
    first = text[position]
    if first < 0xC2 or first > 0xF4:
        return 0
    width = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if position + width > end:
        return 0
    second = text[position + 1]
    if second & 0xC0 != 0x80:
        return 0
    if (first == 0xE0 and second < 0xA0) or (first == 0xED and second > 0x9F):
        return 0
    if (first == 0xF0 and second < 0x90) or (first == 0xF4 and second > 0x8F):
        return 0
    for place in range(position + 2, position + width):
        if text[place] & 0xC0 != 0x80:
            return 0
    return width
