"""A retrieval model by sampled softmax, and what it costs to forget log Q, on synthetic clicks. It needs extra `torch`.

Users click popular items more often, and items that fit them. The noise is drawn by popularity, so a sampled item is
more likely a popular one: without the subtraction of log Q the model takes popularity for granted, learns only how well
an item fits, and recommends rare items. Trained with and without, both are asked for the ten most likely clicks of
users they have not seen.
"""

import argparse

import numpy as np
import torch
from torch import nn

from nce_train import nce
from nce_train.torch import SampledSoftmaxLoss

ITEMS, TASTE, DIM, NOISE, BATCH, EPOCHS = 2000, 8, 32, 64, 128, 4
CLICKS, TEST_CLICKS = 60_000, 5_000


def synthetic_clicks(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Users' tastes [clicks, TASTE] and the items they click [clicks], of p ~ popularity · exp(taste · kind)."""
    popularity = 1 / rng.permutation(np.arange(1, ITEMS + 1))
    kinds = rng.normal(0, 0.5, (ITEMS, TASTE))
    tastes = rng.normal(size=(CLICKS + TEST_CLICKS, TASTE))
    items = []
    for part in np.array_split(tastes, 50):
        scores = part @ kinds.T + np.log(popularity)
        items.append((scores + rng.gumbel(size=scores.shape)).argmax(axis=1))  # a draw from the softmax of the scores
    return tastes.astype(np.float32), np.concatenate(items)


def train(tastes: torch.Tensor, items: torch.Tensor, counts: np.ndarray, correction: bool, seed: int) -> nn.ModuleList:
    """The two towers: from a taste to a hidden vector, and the items' weights and biases."""
    torch.manual_seed(seed)
    tower = nn.Sequential(nn.Linear(TASTE, 64), nn.ReLU(), nn.Linear(64, DIM))
    # + 1: an item that was never clicked must be possible as noise.
    loss = SampledSoftmaxLoss(DIM, ITEMS, NOISE, counts=counts + 1, distortion=1.0, unique=False, seed=seed)
    optimiser = torch.optim.Adam([*tower.parameters(), *loss.parameters()], lr=5e-3)
    stream = nce.SamplerStream(seed)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(items)).split(BATCH):
            values = loss.sampler(items[batch, None], 1, NOISE, unique=False, seed=stream)
            if not correction:  # what a program does that feeds the scores to cross-entropy as they are
                values = nce.SampledValues(values[0], np.ones_like(values[1]), np.ones_like(values[2]))
            optimiser.zero_grad()
            loss(tower(tastes[batch]), items[batch], values).mean().backward()
            optimiser.step()
    return nn.ModuleList([tower, loss])


@torch.no_grad()
def measure(towers: nn.ModuleList, tastes: torch.Tensor, items: torch.Tensor) -> tuple[float, float]:
    """The share of clicks that are among the ten most likely items, and the mean of log p of the clicks."""
    tower, loss = towers
    log_p = loss.log_prob(tower(tastes))
    hits = (log_p.topk(10, dim=1).indices == items[:, None]).any(dim=1)
    return float(hits.float().mean()), float(log_p.gather(1, items[:, None]).mean())


def main() -> None:
    """Train both, print and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    torch.set_num_threads(1)  # steps as small as these gain nothing from a second thread
    tastes, items = (torch.as_tensor(array) for array in synthetic_clicks(np.random.default_rng(seed)))
    counts = np.bincount(items[:CLICKS], minlength=ITEMS)
    hit_rates = {}
    for correction in (True, False):
        towers = train(tastes[:CLICKS], items[:CLICKS], counts, correction, seed)
        hit_rates[correction], log_p = measure(towers, tastes[CLICKS:], items[CLICKS:])
        name = "with log Q" if correction else "without"
        print(f"{name:>10}: hit rate at 10 {hit_rates[correction]:.3f}, mean log p of a click {log_p:.2f}")
    most_popular = np.argsort(-counts)[:10]
    print(f"the ten most popular items for everyone: hit rate {np.isin(items[CLICKS:], most_popular).mean():.3f}")
    assert hit_rates[True] > 1.2 * hit_rates[False], hit_rates


if __name__ == "__main__":
    main()
