"""The random streams of the samplers: a seed, a counter, and how far each call moves it.

In: a seed and the name of the stream. Out: readers for the compiled draws. Both streams use the counter-based
generator Philox 4x32-10, whose integers are the same on every machine and in every process.
"""

import operator
import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nce_train.nce.checks import check_choice

RNG_NAMES = ("nce_train", "tensorflow")

# TensorFlow's graph seed when a program sets only the seed of an operation.
_DEFAULT_GRAPH_SEED = 87654321
_BLOCKS_RESERVED_PER_SAMPLE = 512
_LARGEST_OP_SEED = 2**31 - 1  # TensorFlow takes the seeds of its operations modulo this
_ALL_BITS = (1 << 64) - 1


class SamplerStream:
    """A random stream that continues from one sampler call to the next.

    Parameters
    ----------
    seed : int, pair of int, SamplerStream or None
        A pair is `(seed, seed2)`. An int s is the pair (s, 0) in the stream "nce_train". In TensorFlow's it is the
        op seed s without a graph seed, (87654321, s % (2**31 - 1)). None takes a random seed from the operating
        system; so does (0, 0) in TensorFlow's stream, as in its raw operations. Numbers of a pair count modulo 2**64.
    rng : {"nce_train", "tensorflow"}
        Both use Philox 4x32-10 with key `seed` and `seed2` as the upper half of the counter. "nce_train" uses every
        block of four words: a call starts at the first block that the previous call did not use. "tensorflow"
        advances by 512 blocks for each sample of a call, used or not, as TensorFlow's samplers do.

    Raises
    ------
    ValueError
        When `seed` is none of these, or `rng` is unknown.

    Notes
    -----
    Uniform and unigram ids are the same on every machine. Log-uniform ids depend on the C library's `exp`: two
    libraries that round its last bit differently disagree in fewer than one of 10**10 draws. A stream must not be
    used by two threads at once.

    `tf.random.set_seed(g)` with an op seed s is the pair ``(g % (2**31 - 1), s % (2**31 - 1))``, except that TensorFlow
    replaces (0, 0) by (0, 2**31 - 1). From 2**20 samples a call on, TensorFlow's second call continues elsewhere than
    ours: the number of blocks that it reserves overflows 32 bits.

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
        check_choice(rng, RNG_NAMES, "rng")
        self.rng = rng
        self.seed, self.seed2 = _seed_pair(seed, rng)
        self.block = 0

    def open_reader(self) -> NDArray[np.uint64]:
        """A reader for `kernels.draw_candidates`, positioned at the next block."""
        return np.array([self.seed, self.block, self.seed2, 4, 0, 0, 0, 0], dtype=np.uint64)

    def close_reader(self, reader: NDArray[np.uint64], num_sampled: int) -> None:
        """Advance past the blocks that the call used (or, in TensorFlow's stream, reserved)."""
        if self.rng == "tensorflow":
            self.block += _BLOCKS_RESERVED_PER_SAMPLE * num_sampled
        else:
            self.block = int(reader[1])


def open_stream(seed: Any, rng: str) -> SamplerStream:
    """The stream given as `seed`, or a new one.

    A given stream has its own `rng`; the `rng` of the call must then be the default or equal to it, else ValueError.
    """
    if not isinstance(seed, SamplerStream):
        return SamplerStream(seed, rng)
    check_choice(rng, RNG_NAMES, "rng")
    if rng not in (RNG_NAMES[0], seed.rng):
        raise ValueError(f"rng is {rng!r}, but the SamplerStream given as seed is of rng {seed.rng!r}: leave rng out")
    return seed


def _seed_pair(seed: Any, rng: str) -> tuple[int, int]:
    if seed is None:
        return secrets.randbits(64), secrets.randbits(64)
    try:
        if np.ndim(seed) == 0:
            number = operator.index(seed)
            pair = (number, 0) if rng != "tensorflow" else (_DEFAULT_GRAPH_SEED, number % _LARGEST_OP_SEED)
        else:
            first, second = seed
            pair = (operator.index(first), operator.index(second))
    except (TypeError, ValueError):
        raise ValueError(f"seed must be an int, a pair (seed, seed2), a SamplerStream or None, not {seed!r}") from None
    if rng == "tensorflow" and pair == (0, 0):
        return secrets.randbits(64), secrets.randbits(64)
    return pair[0] & _ALL_BITS, pair[1] & _ALL_BITS
