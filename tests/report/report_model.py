"""Model directories as training writes them, with words, names and settings that attack a page (script injection)."""

import json

import numpy as np

from nce_train.npy_file import write_npy

HOSTILE = "</script><img src=x onerror=alert(1)>"


def make_model(path, seed, words=300, lr=0.05, readings=30):
    """Write a model directory whose word w0 has w1, w2 … as neighbours, in this order."""
    path.mkdir()
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 3, words)
    vectors = np.stack([np.cos(angles), np.sin(angles), 0.3 * np.cos(7 * angles), rng.normal(size=words) * 1e-3], 1)
    names = [f"w{row}" for row in range(words)]
    names[3] = HOSTILE
    names[5] = "%{x}<a href='javascript:alert(1)'>$x^$</a>\u2028\udce9"
    counts = np.arange(words, 0, -1) * 10
    with open(path / "input.npy", "wb") as file:
        write_npy(file, vectors.astype(np.float32))
    lines = "".join(f"{word}\t{count}\n" for word, count in zip(names, counts, strict=True))
    (path / "vocab.tsv").write_bytes(lines.encode("utf-8", "surrogateescape"))
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in make_readings(readings, lr)))
    manifest = {
        "format": 1,
        "timings": {"train": 12.5, "total": 15.0},
        "tokens": 1000,
        "tokens_trained": 3000,
        "tokens_per_second": 240.0,
        "peak_memory_bytes": 123_456_789,
        "pairs": 12345,
        "config": {"dim": 4, "lr": lr, "unknown": HOSTILE, "heldout": None, "unique": False, "eval_set": ["a", "b"]},
        "corpus": [{"name": "/home/secret/text.txt", "bytes": 5000, "sha256": "ab" * 32}],
        "packages": {"python": "3.11.7"},
        "machine": {"system": "Linux", "cpus": 2},
    }
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def make_readings(number, lr):
    """Readings of training with a gap in the loss, and held-out losses and evaluations in between."""
    for step in range(1, number + 1):
        yield {
            "step": 10 * step,
            "epoch": 3 * step // (number + 1),
            "tokens": 100 * step,
            "loss": None if step == 4 else 2 + 1 / step,
            "learning_rate": lr * (1 - step / number),
            "tokens_per_second": 240.0,
            "seconds": 0.4 * step,
        }
        if step % 10 == 0:
            yield {"step": 10 * step, "heldout": {"pairs": 100, "nce_loss": 3 - step / 100}}
            result = {"accuracy": step / 100, "interval": [step / 100 - 0.02, step / 100 + 0.03]}
            yield {"step": 10 * step, "evaluation": {"analogies": {"questions": result}}}
