"""Where a sampler's random numbers come from: a seed, a counter, and how far each call moves it.

In: a seed and the name of the stream. Out: readers for the compiled draws. Both streams are the counter-based
generator Philox 4x32-10 on integers, hence the same on every machine and in every process.
"""

import operator
import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

RNG_NAMES = ("nce_train", "tensorflow")

# The first member of the seed pair when a program gives an operation a seed but sets none for the graph.
_DEFAULT_GRAPH_SEED = 87654321
_BLOCKS_RESERVED_PER_SAMPLE = 512
_ALL_BITS = (1 << 64) - 1


class SamplerStream:
    """A random stream that goes on from one sampler call to the next.

    Parameters
    ----------
    seed : int, pair of int, SamplerStream or None
        An int s stands for the pair (s, 0) in our stream, and for TensorFlow's op seed s without a graph
        seed, (87654321, s), in TensorFlow's. A pair is taken as it is, `(seed, seed2)`. None takes a
        random seed from the operating system; so does (0, 0) in TensorFlow's stream. Numbers count modulo
        2**64.
    rng : {"nce_train", "tensorflow"}
        The generator is the same, Philox 4x32-10 with key `seed` and the upper half of the counter
        `seed2`. "nce_train" uses the blocks of four words one after another: a call starts at the first
        block that the call before left untouched. "tensorflow" moves 512 blocks on for each sample of a
        call, used or not, as its samplers do.

    Raises
    ------
    ValueError
        When `seed` is none of these, or `rng` is not known.

    Notes
    -----
    Draws of whole numbers are exact everywhere. Log-uniform ids go through the C library's `exp`: two
    libraries that round its last bit differently disagree on an id in fewer than one of 10**10 draws. One
    stream must not be used by two threads at once.

    Examples
    --------
    >>> from nce_train import nce
    >>> stream = nce.SamplerStream(1)
    >>> first = nce.uniform_candidate_sampler([[0]], 1, 4, False, 100, seed=stream).sampled_candidates
    >>> second = nce.uniform_candidate_sampler([[0]], 1, 4, False, 100, seed=stream).sampled_candidates
    >>> first, second
    (array([48, 84, 91, 47]), array([28, 86, 17, 57]))
    """

    def __init__(self, seed: Any = None, rng: str = "nce_train") -> None:
        _check_rng(rng)
        self.rng = rng
        self.seed, self.seed2 = _seed_pair(seed, rng)
        self.block = 0

    def open_reader(self) -> NDArray[np.uint64]:
        """A reader for `draw_kernel`, at this stream's next block."""
        return np.array([self.seed, self.block, self.seed2, 4, 0, 0, 0, 0], dtype=np.uint64)

    def close_reader(self, reader: NDArray[np.uint64], num_sampled: int) -> None:
        """Move on by what the call has used (or, in TensorFlow's stream, reserved)."""
        if self.rng == "tensorflow":
            self.block += _BLOCKS_RESERVED_PER_SAMPLE * num_sampled
        else:
            self.block = int(reader[1])


def open_stream(seed: Any, rng: str) -> SamplerStream:
    """The stream that `seed` and `rng` stand for: a given stream itself, or a new one.

    A given stream has its own `rng`. That of the call may then be the default, which cannot be told from no
    wish at all; any other must be the stream's, else ValueError.
    """
    if not isinstance(seed, SamplerStream):
        return SamplerStream(seed, rng)
    _check_rng(rng)
    if rng not in (RNG_NAMES[0], seed.rng):
        raise ValueError(f"rng is {rng!r}, but the SamplerStream given as seed is of rng {seed.rng!r}: leave rng out")
    return seed


def _check_rng(rng: str) -> None:
    if rng not in RNG_NAMES:
        raise ValueError(f"rng must be one of {RNG_NAMES}, not {rng!r}")


def _seed_pair(seed: Any, rng: str) -> tuple[int, int]:
    if seed is None:
        return secrets.randbits(64), secrets.randbits(64)
    try:
        if np.ndim(seed) == 0:
            number = operator.index(seed)
            pair = (_DEFAULT_GRAPH_SEED, number) if rng == "tensorflow" else (number, 0)
        else:
            first, second = seed
            pair = (operator.index(first), operator.index(second))
    except (TypeError, ValueError):
        raise ValueError(f"seed must be an int, a pair (seed, seed2), a SamplerStream or None, not {seed!r}") from None
    if rng == "tensorflow" and pair == (0, 0):
        return secrets.randbits(64), secrets.randbits(64)
    return pair[0] & _ALL_BITS, pair[1] & _ALL_BITS
