"""Sizes: what the kernel works on at a time, and the length of a row of parameters."""

from nce_train.kernel.vectors import LANES

CACHE_LINE = 64  # bytes; 16 numbers of float32
PANEL = 8  # centres worked on together; block_size is cut into panels of this many
HALF = PANEL // 2
COLUMNS = LANES // HALF  # columns of a packed half panel that a vector holds
ROW_TILE = 8  # rows a tile of logits
# vectors of columns a tile of the other products: with HALF centres they fill half of the 32 or 16 registers
TILE = 4 if LANES == 16 else 2
DRAWS_AT_ONCE = 8  # noise words drawn side by side, at most LANES
DRAWS = 32  # noise words among which repeats are looked for


def row_length(dim: int) -> int:
    """Numbers that a row of a table of parameters takes: `dim` rounded up to whole cache lines, and sometimes one more.

    Rows of a multiple of eight lines would compete for an eighth of the first-level cache's places, or less, and the
    processor would take loads for loads of what it has just stored a multiple of 4 KiB away: 5 % of the time.
    """
    numbers_a_line = CACHE_LINE // 4
    lines = -(-dim // numbers_a_line)
    return numbers_a_line * (lines + (lines % 8 == 0))


def table_width(dim: int) -> int:
    """`dim` rounded up to whole vectors: the numbers of a row that the kernel works on."""
    return -(-dim // LANES) * LANES
