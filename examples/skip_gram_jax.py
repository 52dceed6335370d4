"""TensorFlow's skip-gram tutorial in JAX, on the project's sample. It needs the extra `jax`.

The tutorial's settings: 128 pairs a step of a word and a neighbour, dim 128, 64 noise words, plain SGD at rate 1; about
one pass over the text.
"""

import lzma
from collections import Counter
from importlib import resources

import jax
import numpy as np

from nce_train import nce
from nce_train.jax import NoiseSampler

BATCH, DIM, NOISE, STEPS = 128, 128, 64, 8000

text = lzma.decompress((resources.files("nce_train.sample") / "sample.txt.xz").read_bytes()).decode().split()
words = [word for word, _ in Counter(text).most_common()]  # sorted by frequency, as log-uniform noise assumes
ids = {word: number for number, word in enumerate(words)}
stream = np.array([ids[word] for word in text])
centres = np.concatenate([stream[1:-1], stream[1:-1]]).reshape(2, -1).T.reshape(-1)
contexts = np.stack([stream[:-2], stream[2:]], axis=1).reshape(-1, 1)

generator = np.random.default_rng(1)
tables = {
    "embeddings": jax.numpy.asarray(generator.uniform(-1, 1, (len(words), DIM)), np.float32),
    "weights": jax.numpy.asarray(generator.normal(0, DIM**-0.5, (len(words), DIM)), np.float32),
    "biases": jax.numpy.zeros(len(words)),
}
noise = NoiseSampler(len(words), NOISE, sampler="log-uniform", seed=1)


def loss(tables, centre, context, step):
    inputs, values = tables["embeddings"][centre], noise(context, step)
    classifier = (tables["weights"], tables["biases"])
    return nce.nce_loss(*classifier, context, inputs, NOISE, len(words), sampled_values=values).mean()


@jax.jit
def train_step(tables, centre, context, step):
    value, gradients = jax.value_and_grad(loss)(tables, centre, context, step)
    return jax.tree.map(lambda table, gradient: table - 1.0 * gradient, tables, gradients), value


losses = []
for step in range(STEPS):
    batch = np.arange(step * BATCH, (step + 1) * BATCH) % len(centres)
    tables, value = train_step(tables, centres[batch], contexts[batch], step)
    losses.append(value)
    if (step + 1) % 2000 == 0:
        print(f"step {step + 1:,}: mean loss of the last 2,000 steps {np.mean(losses[-2000:]):.2f}")

vectors = np.asarray(tables["embeddings"])
vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
for word in ("seven", "monday", "tokyo"):
    nearest = np.argsort(-(vectors @ vectors[ids[word]]))[1:6]
    print(f"nearest to {word}: {', '.join(words[number] for number in nearest)}")
print(f"loss: {np.mean(losses[:100]):.1f} in the first 100 steps, {np.mean(losses[-1000:]):.2f} in the last 1,000")
assert np.mean(losses[-1000:]) < 0.1 * np.mean(losses[:100]), "the loss must fall to a tenth"
