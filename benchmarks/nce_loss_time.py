"""Time of one call of the sampled losses at the settings of TensorFlow's word2vec tutorial.

Batch 128, 64 samples, 50,000 classes, dim 128, float32, one thread; noise drawn anew in every call. Prints
one line a call: the median and the fastest of many. Run as `python -m benchmarks.nce_loss_time`.
"""

import os
import statistics
import time
from collections.abc import Callable

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"  # read when NumPy is imported

import numpy as np  # noqa: E402

from nce_train import nce  # noqa: E402

BATCH, SAMPLED, CLASSES, DIM = 128, 64, 50_000, 128
REPEATS = 300


def main() -> None:
    """Time the calls and print the table."""
    rng = np.random.default_rng(0)
    weights = rng.normal(scale=DIM**-0.5, size=(CLASSES, DIM)).astype(np.float32)
    biases = np.zeros(CLASSES, np.float32)
    inputs = rng.uniform(-1, 1, (BATCH, DIM)).astype(np.float32)
    stream = nce.SamplerStream(1)
    drawn = nce.log_uniform_candidate_sampler([[0]], 1, BATCH, False, CLASSES, stream)
    labels = drawn.sampled_candidates.reshape(-1, 1)
    problem = (weights, biases, labels, inputs, SAMPLED, CLASSES)
    calls: dict[str, Callable[[], object]] = {
        "sampler alone": lambda: nce.log_uniform_candidate_sampler(labels, 1, SAMPLED, True, CLASSES, stream),
        "nce_loss": lambda: nce.nce_loss(*problem, seed=stream),
        "nce_loss_and_gradients, rows": lambda: nce.nce_loss_and_gradients(*problem, seed=stream, gradients="rows"),
        "the same, hits removed": lambda: nce.nce_loss_and_gradients(
            *problem, remove_accidental_hits=True, seed=stream, gradients="rows"
        ),
        "nce_loss_and_gradients, dense": lambda: nce.nce_loss_and_gradients(*problem, seed=stream),
        "sampled_softmax_loss_and_gradients, rows": lambda: nce.sampled_softmax_loss_and_gradients(
            *problem, seed=stream, gradients="rows"
        ),
    }
    print(f"batch {BATCH}, {SAMPLED} samples, {CLASSES:,} classes, dim {DIM}, float32, one thread")
    print(f"{'call':42}{'median ms':>10}{'fastest ms':>12}")
    for title, call in calls.items():
        median, fastest = measure(call)
        print(f"{title:42}{median:10.3f}{fastest:12.3f}")


def measure(call: Callable[[], object]) -> tuple[float, float]:
    """Median and fastest time of `call` in milliseconds, after one call to warm up."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times), min(times)


if __name__ == "__main__":
    main()
