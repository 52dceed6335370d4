"""A neural language model in PyTorch that is normalised without a sum over its classes, on the project's sample.

It predicts each word from the three words before. Trained by NCE, exp(score) is the word's probability: over all
words it sums to about 1 on held-out text, although no step of training computed that sum. Beside it the same model is
trained by full cross-entropy, for as many epochs and for as long. Run as `python examples/language_model.py`; it needs
the extra `torch`.
"""

import argparse
import lzma
import time
from collections import Counter
from collections.abc import Callable
from importlib import resources

import numpy as np
import torch
from torch import nn

from nce_train.torch import NCELoss

CONTEXT, DIM, HIDDEN, NOISE, BATCH, RATE = 3, 64, 128, 128, 256, 2e-3


class Model(nn.Module):
    """From the ids of the words before, [batch, CONTEXT], to a hidden vector [batch, HIDDEN]."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, DIM)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(CONTEXT * DIM, HIDDEN), nn.Tanh())

    def forward(self, context: torch.Tensor) -> torch.Tensor:
        return self.layers(self.embedding(context))


def read_sample() -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Windows of word ids [n, CONTEXT + 1] for training and held out, and the counts of the ids, which are sorted."""
    text = lzma.decompress((resources.files("nce_train.sample") / "sample.txt.xz").read_bytes()).decode()
    lines = [[*line.split(), "</s>"] for line in text.splitlines()]
    ids = {
        word: number for number, (word, _) in enumerate(Counter(word for line in lines for word in line).most_common())
    }
    stream = np.array([ids[word] for line in lines for word in line])
    windows = torch.as_tensor(np.lib.stride_tricks.sliding_window_view(stream, CONTEXT + 1).copy())
    held_out = len(windows) // 20
    training, test = windows[:-held_out], windows[-held_out:]
    return training, test, np.bincount(training[:, -1], minlength=len(ids))


def train(
    model: nn.Module, loss: nn.Module, windows: torch.Tensor, progress: Callable[[int, float], float]
) -> tuple[int, float]:
    """Train until `progress(steps, seconds)`, which sets the learning rate too, is 1; returns steps and seconds."""
    optimiser = torch.optim.Adam([*model.parameters(), *loss.parameters()], lr=RATE)
    begin, steps = time.perf_counter(), 0
    while True:
        for batch in windows[torch.randperm(len(windows))].split(BATCH):
            done = progress(steps, time.perf_counter() - begin)
            if done >= 1:
                return steps, time.perf_counter() - begin
            optimiser.param_groups[0]["lr"] = RATE * (1 - done)
            optimiser.zero_grad()
            loss(model(batch[:, :-1]), batch[:, -1]).mean().backward()
            optimiser.step()
            steps += 1


class CrossEntropy(nn.Linear):
    """Full cross-entropy over a linear layer, with the methods of NCELoss."""

    def forward(self, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(super().forward(hidden), labels, reduction="none")

    def log_prob(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(super().forward(hidden), dim=1)


@torch.no_grad()
def perplexity(model: nn.Module, loss: nn.Module, windows: torch.Tensor) -> float:
    """exp of the mean -log p of the held-out words, with p normalised over all words."""
    log_p = [loss.log_prob(model(part[:, :-1])).gather(1, part[:, -1:]) for part in windows.split(4096)]
    return float(torch.cat(log_p).mean().neg().exp())


def main() -> dict[str, float]:
    """Train, print and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)  # steps as small as these gain nothing from a second thread
    training, test, counts = read_sample()
    words = len(counts)
    all_steps = options.epochs * len(training) // BATCH
    print(f"{words:,} words, {len(training):,} windows to train, {len(test):,} held out, {options.epochs} epochs")

    model = Model(words)
    # Noise in proportion to the counts resembles the data; + 1, since every word must be possible as noise.
    nce = NCELoss(HIDDEN, words, NOISE, counts=counts + 1, distortion=1.0, seed=options.seed)
    steps, seconds = train(model, nce, training, lambda steps, _: steps / all_steps)
    with torch.no_grad():
        scores = [nce.log_prob(model(part[:, :-1]), normalised=False) for part in test.split(4096)]
    log_z = torch.cat([part.logsumexp(1) for part in scores])
    mean, spread = float(log_z.mean()), float(log_z.std())
    result = {"nce": perplexity(model, nce, test), "mean_log_z": mean, "std_log_z": spread}
    print(f"NCE, {steps:,} steps in {seconds:.1f} s: perplexity {result['nce']:.2f}")
    print(f"  log of the sum of exp(score) over all words, held out: mean {mean:+.3f}, standard deviation {spread:.3f}")

    for name, progress in (
        ("as many epochs", lambda steps, _: steps / all_steps),
        ("as long", lambda _, passed: passed / seconds),
    ):
        model, full = Model(words), CrossEntropy(HIDDEN, words)
        steps, passed = train(model, full, training, progress)
        result[name] = perplexity(model, full, test)
        print(f"full cross-entropy, {name}, {steps:,} steps in {passed:.1f} s: perplexity {result[name]:.2f}")

    assert abs(mean) < 0.1, f"the mean of log Z is {mean}"
    assert result["nce"] < 1.3 * result["as many epochs"], result
    return result


if __name__ == "__main__":
    main()
