"""Time of a training step in PyTorch for many classes: NCE with sparse and dense gradients, and full cross-entropy.

A step computes the loss of a batch of hidden vectors, its gradients by weights, biases and hidden vectors, and plain
SGD. Beside it stands TensorFlow's `nce_loss` where TensorFlow is installed. Run as `python -m benchmarks.step_time`.
"""

import argparse
import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks._common import RESULTS, say, table, write_results
from benchmarks._setting import machine
from nce_train.torch import NCELoss

BATCH, DIM, SAMPLED, RATE = 256, 128, 64, 0.1
CLASSES = (10_000, 100_000, 1_000_000)
Step = Callable[[], object]


def main() -> None:
    """Time all steps and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step_time", description=__doc__)
    parser.add_argument("--classes", type=int, nargs="+", default=CLASSES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15, help="of each column, three steps at least")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    columns = {
        "NCE, sparse": lambda classes: nce_step(classes, sparse=True),
        "NCE, dense": lambda classes: nce_step(classes, sparse=False),
        "full cross-entropy": cross_entropy_step,
    }
    if importlib.util.find_spec("tensorflow"):
        columns["TensorFlow's nce_loss"] = lambda classes: tensorflow_step(classes, options.threads)
    times = {}
    for name, make in columns.items():
        times[name] = measure({classes: make(classes) for classes in options.classes}, options.seconds)
        say(name)
    write(options, times)


def nce_step(classes: int, sparse: bool) -> Step:
    """A step of NCELoss; only what the batch touches changes when `sparse`."""
    loss = NCELoss(DIM, classes, SAMPLED, sparse=sparse, seed=1)
    return torch_step(lambda hidden, labels: loss(hidden, labels).mean(), loss, classes)


def cross_entropy_step(classes: int) -> Step:
    """A step of cross-entropy over all classes."""
    layer = torch.nn.Linear(DIM, classes)
    return torch_step(lambda hidden, labels: torch.nn.functional.cross_entropy(layer(hidden), labels), layer, classes)


def torch_step(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], module: torch.nn.Module, classes: int
) -> Step:
    """A call that takes one step on a new batch; labels are log-uniform, as words are."""
    optimiser = torch.optim.SGD(module.parameters(), lr=RATE)
    batches = itertools.cycle([tuple(map(torch.as_tensor, batch)) for batch in new_batches(classes)])

    def step() -> None:
        hidden, labels = next(batches)
        optimiser.zero_grad()
        loss(hidden.detach().requires_grad_(), labels).backward()
        optimiser.step()

    return step


def tensorflow_step(classes: int, threads: int) -> Step:
    """A step of TensorFlow's function in a compiled graph, with its sparse gradients."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    weights = tf.Variable(tf.random.normal((classes, DIM), stddev=DIM**-0.5))
    biases = tf.Variable(tf.zeros(classes))
    optimiser = tf.keras.optimizers.SGD(RATE)

    @tf.function
    def train(hidden, labels):  # type: ignore[no-untyped-def]
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            loss = tf.reduce_mean(tf.nn.nce_loss(weights, biases, labels, hidden, SAMPLED, classes))
        *gradients, by_hidden = tape.gradient(loss, [weights, biases, hidden])
        optimiser.apply_gradients(zip(gradients, [weights, biases], strict=True))
        return by_hidden

    batches = itertools.cycle(
        [(tf.constant(hidden), tf.constant(labels[:, None])) for hidden, labels in new_batches(classes)]
    )
    return lambda: train(*next(batches))


def new_batches(classes: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sixteen batches of hidden vectors and labels."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(BATCH, DIM)).astype(np.float32),
            np.minimum(np.exp(rng.uniform(0, np.log(classes + 1), BATCH)) - 1, classes - 1).astype(np.int64),
        )
        for _ in range(16)
    ]


def measure(steps: dict[int, Step], seconds: float) -> dict[int, list[float]]:
    """Times of single steps in milliseconds. The steps take turns, so that all meet the same moments of the machine."""
    times: dict[int, list[float]] = {classes: [] for classes in steps}
    for step in steps.values():
        step()
    end = time.perf_counter() + seconds
    while len(times[min(steps)]) < 3 or time.perf_counter() < end:
        for classes, step in steps.items():
            start = time.perf_counter()
            step()
            times[classes].append((time.perf_counter() - start) * 1e3)
    return times


def write(options: argparse.Namespace, times: dict[str, dict[int, list[float]]]) -> None:
    """The table of medians, and how the sparse step grows."""
    medians = {name: {classes: statistics.median(each) for classes, each in of.items()} for name, of in times.items()}
    rows = [
        [f"{classes:,}", *(f"{medians[name][classes]:.2f} (from {min(times[name][classes]):.2f})" for name in times)]
        for classes in options.classes
    ]
    first, last = (medians["NCE, sparse"][options.classes[place]] for place in (0, -1))
    markdown = [
        f"Milliseconds a step, median (and fastest): batch {BATCH}, dim {DIM}, {SAMPLED} samples, float32,"
        f" {options.threads} thread(s), PyTorch {torch.__version__},"
        f" {machine()['processor']}.",
        "",
        *table(["classes", *times], rows),
        "",
        f"The sparse step with {options.classes[-1]:,} classes takes {last / first:.2f} times that with"
        f" {options.classes[0]:,}.",
    ]
    if "TensorFlow's nce_loss" not in times:
        markdown.append("TensorFlow is not installed: its nce_loss is not measured.")
    result = {"milliseconds": medians, "torch": torch.__version__, "threads": options.threads, "machine": machine()}
    write_results(options.out, "step_time", markdown, result)


if __name__ == "__main__":
    main()
