"""The block step of the training kernel, for reading: float64 NumPy, one sum after the other.

`Block` says which words a step is about; `block_step` is what the step must do to the parameters.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Block:
    """One block: each centre with its contexts, and the noise words shared by all of them."""

    centres: list[int]
    contexts: list[list[int]]
    noise: list[int]
    tries: int


def expected_count(probability, num_sampled, tries):
    """Expected number of times each word is drawn (with replacement, or in `tries` tries without)."""
    if tries == num_sampled:
        return probability * num_sampled
    return -np.expm1(tries * np.log1p(-probability))


def softplus(x):
    return np.logaddexp(0.0, x)


def block_step(
    tables,
    block,
    probability,
    rate,
    *,
    pairs=False,
    mean=False,
    remove_accidental_hits=False,
    bags=None,
    cbow=False,
):
    """One synchronous step: (input, output, bias) after it, the loss before it, the number of pairs.

    For centre i with targets C_i, m = |C_i|:  G(i, w) = v_i·u_w + b_w − log Q(w) + (0 if pairs else log m)
    loss_i = Σ_{w in C_i} softplus(−G(i, w)) + Σ_{s in noise} n_is softplus(G(i, s)),
    n_is = m for pairs and 1 for the window objective; with hits removed, m − (targets equal to s), or 0 if there is
    any. Gradients: ∂loss/∂G is σ(G) − 1 for a target and n σ(G) for noise.
    Skip-gram: the targets are the contexts, and v_i is the input row of the centre. CBOW: the centre is the only
    target, and v_i the mean of its contexts' rows; without contexts there is no target. With `bags` (rows of the input
    table by word) all rows of a word stand for it. Each row then moves as v_i does, as often as it is in the mean, with
    CBOW by that divided by the number of contexts.
    """
    old_input, old_output, old_bias = (np.asarray(table, np.float64) for table in tables)
    new_input, new_output, new_bias = old_input.copy(), old_output.copy(), old_bias.copy()
    log_q = np.log(expected_count(probability, len(block.noise), block.tries))
    total_pairs = sum(min(len(contexts), 1) if cbow else len(contexts) for contexts in block.contexts)
    if mean:
        rate = rate / total_pairs
    loss = 0.0
    for centre, contexts in zip(block.centres, block.contexts, strict=True):
        if not contexts:
            continue
        words, targets = (contexts, [centre]) if cbow else ([centre], contexts)
        m = len(targets)
        bag = words if bags is None else [row for word in words for row in bags[word]]
        vector, change = old_input[bag].mean(axis=0), 0.0
        samples = [(word, 1.0, True) for word in targets]
        for word in block.noise:
            hits = targets.count(word) if remove_accidental_hits else 0
            weight = float(m - hits) if pairs else float(hits == 0)
            samples.append((word, weight, False))
        for word, weight, is_data in samples:
            logit = vector @ old_output[word] + old_bias[word] - log_q[word]
            if not pairs:
                logit += np.log(m)
            loss += weight * softplus(-logit if is_data else logit)
            delta = weight * (np.exp(-softplus(-logit)) - is_data)
            change -= rate * delta * old_output[word]
            new_output[word] -= rate * delta * vector
            new_bias[word] -= rate * delta
        for row in bag:
            new_input[row] += change / len(words)
    return (new_input, new_output, new_bias), loss, total_pairs


def merge_words(table, bags, vectors, moved, shares):
    """The input table after a thread has merged words, one after the other, and the words' vectors then.

    `vectors` are those of the words when they were merged last, `moved` those that the thread has trained; `shares`
    says by word what each row of its bag takes of the change.
    """
    table = np.array(table, np.float64)
    composed = []
    for bag, before, after, parts in zip(bags, vectors, moved, shares, strict=True):
        for row, share in zip(bag, parts, strict=True):
            table[row] += share * (after - before)
        composed.append(table[bag].mean(axis=0))
    return table, np.array(composed)


def cut_into_blocks(lines, block_size, window):
    """All blocks of sentences without subsampling at a fixed radius: (centres, contexts) of each."""
    centres = [
        (line[c], [line[p] for p in range(max(0, c - window), min(len(line), c + window + 1)) if p != c])
        for line in lines
        for c in range(len(line))
    ]
    for first in range(0, len(centres), block_size):
        words, contexts = zip(*centres[first : first + block_size], strict=True)
        if any(contexts):
            yield list(words), list(contexts)
