"""Whole runs: the sample reaches its accuracy, and a trained classifier knows a language's probabilities."""

from pathlib import Path

import numpy as np
import pytest

import nce_train

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_sample_reaches_its_accuracy(tmp_path):
    model = nce_train.train(
        ROOT / "data" / "sample.txt.xz", output=tmp_path / "sample.nce", progress=False, cache=False
    )
    assert (
        model.settings == nce_train.Embeddings.load(tmp_path / "sample.nce").settings and model.settings["dim"] == 128
    )
    report = nce_train.evaluate(tmp_path / "sample.nce", ROOT / "data" / "analogies.txt")
    result = report["analogies"]["analogies"]
    assert result["coverage"] == 1
    assert result["accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["window", "pairs"])
@pytest.mark.parametrize("sampler", ["log-uniform", "unigram", "uniform"])
def test_training_recovers_log_probabilities(objective, sampler, tmp_path):
    """Lines of two words: p(context | centre) is known, and F must come within 0.15 of its logarithm (seed fixed)."""
    classes, lines = 10, 150_000
    generator = np.random.default_rng(4)
    joint = generator.gamma(1.0, size=(classes, classes)) + 0.15
    joint /= joint.sum()
    drawn = generator.choice(classes * classes, lines, p=joint.ravel())
    sentences = [(f"w{pair // classes}", f"w{pair % classes}") for pair in drawn.tolist()]
    nce_train.train(
        sentences, output=tmp_path / "m.nce", progress=False, dim=16, epochs=12, subsample=0.0, window=1, threads=1,
        dynamic_window="none", objective=objective, sampler=sampler, num_sampled=16, input_init="uniform(0.5)", lr=0.05,
    )  # fmt: skip
    model = nce_train.Model.load(tmp_path / "m.nce")
    counts = np.zeros((classes, classes))
    rows = {word: row for row, word in enumerate(model.words)}
    for left, right in sentences:
        counts[rows[left], rows[right]] += 1
        counts[rows[right], rows[left]] += 1
    expected = np.log(counts / counts.sum(1, keepdims=True))
    found = np.array([model.log_probability(word, model.words) for word in model.words])
    assert np.abs(found - expected).max() < 0.15
    assert np.abs(np.log(np.exp(found).sum(1))).max() < 0.05
