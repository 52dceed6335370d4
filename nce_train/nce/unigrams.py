"""The weights of the fixed unigram sampler: from a vocabulary file or a list, distorted, sharded.

In: the sampler's arguments. Out: float32 weights, one for each id that this shard holds.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nce_train.nce.labels import positive_integer
from nce_train.nce.probability import check_weights


def read_unigrams(
    vocab_file: str | os.PathLike[str],
    unigrams: ArrayLike,
    distortion: float,
    num_reserved_ids: int,
    num_shards: int,
    shard: int,
) -> NDArray[np.float32]:
    """Weights of the ids held by `shard`, distorted; see `fixed_unigram_candidate_sampler`.

    Raises
    ------
    ValueError
        When not exactly one source is given, the file cannot be read or parsed, a weight is no weight, or
        `num_reserved_ids`, `num_shards` or `shard` is out of range.
    """
    given = np.asarray(unigrams, dtype=np.float64)
    from_file = bool(os.fspath(vocab_file))
    if from_file == bool(given.size):
        which = "both" if from_file else "neither"
        raise ValueError(f"exactly one of vocab_file and unigrams must be given, not {which}")
    weights = _read_vocab_file(Path(vocab_file)) if from_file else given
    check_weights(weights, "vocab_file's weights" if from_file else "unigrams")
    num_shards = positive_integer(num_shards, "num_shards")
    if not 0 <= shard < num_shards:
        raise ValueError(f"shard must lie in [0, {num_shards}), as num_shards is {num_shards}, but is {shard}")
    if num_reserved_ids < 0:
        raise ValueError(f"num_reserved_ids must be at least 0, not {num_reserved_ids}")

    reserved_here = len(range(shard, num_reserved_ids, num_shards))
    # TensorFlow numbers the unigrams on from the reserved ids of this shard, not from all of them. Its
    # numbers are kept: with several shards and reserved ids, a unigram may lie in another shard than its
    # id says.
    unigram_ids = reserved_here + np.arange(weights.size)
    held = distort(weights, distortion)[unigram_ids % num_shards == shard]
    return np.concatenate([np.zeros(reserved_here, np.float32), held])


def distort(weights: NDArray[Any], distortion: float) -> NDArray[np.float32]:
    """``weights ** distortion`` in float32 (0 ** 0 = 1)."""
    with np.errstate(over="ignore", divide="ignore"):  # infinite weights are refused where they are used
        single = weights.astype(np.float32)
        # float64 in between: the power is then the nearest float32, with every C library alike.
        return (single.astype(np.float64) ** distortion).astype(np.float32)


def _read_vocab_file(path: Path) -> NDArray[np.float64]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(f"vocab_file {path} cannot be read: {error.strerror}") from error
    weights = []
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            weights.append(float(line.rsplit(b",", 1)[-1]))
        except ValueError:
            shown = line.decode("utf-8", "replace").strip()
            raise ValueError(
                f"vocab_file {path}, line {number}: the last comma-separated field must be a weight, but the"
                f" line is {shown!r}"
            ) from None
    if not weights:
        raise ValueError(f"vocab_file {path} holds no weight (0 of its lines)")
    return np.array(weights)
