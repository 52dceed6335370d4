"""TensorFlow's noise-contrastive estimation family over plain NumPy arrays, PyTorch's tensors and JAX's arrays.

Candidate samplers with their expected counts, NCE and its sister losses with gradients, partitioned tables. Names,
argument order, defaults and numbers are those of `tf.compat.v1.nn` (TensorFlow 2's `tf.nn` has no
`partition_strategy`); additional arguments are keyword-only. Tensors give tensors, which the framework differentiates.
"""

from nce_train.nce.accidental_hits import compute_accidental_hits
from nce_train.nce.candidate_sampler import (
    CandidateSampler,
    LearnedUnigramCandidateSampler,
    SampledValues,
    sampler_from_counts,
)
from nce_train.nce.classifier import log_probabilities, probabilities
from nce_train.nce.full_losses import (
    sigmoid_loss,
    sigmoid_loss_and_gradients,
    softmax_loss,
    softmax_loss_and_gradients,
)
from nce_train.nce.gradients import Gradients
from nce_train.nce.inclusion import inclusion_probability
from nce_train.nce.labels import PaddedLabels, pad_labels
from nce_train.nce.losses import (
    nce_loss,
    nce_loss_and_gradients,
    negative_sampling_loss,
    negative_sampling_loss_and_gradients,
    sampled_softmax_loss,
    sampled_softmax_loss_and_gradients,
)
from nce_train.nce.partition import locate, partition, unpartition
from nce_train.nce.probability import (
    expected_count,
    log_uniform_probability,
    uniform_probability,
    unigram_probability,
)
from nce_train.nce.random_stream import SamplerStream
from nce_train.nce.samplers import (
    all_candidate_sampler,
    fixed_unigram_candidate_sampler,
    learned_unigram_candidate_sampler,
    log_uniform_candidate_sampler,
    uniform_candidate_sampler,
)

__all__ = [
    "CandidateSampler",
    "Gradients",
    "LearnedUnigramCandidateSampler",
    "PaddedLabels",
    "SampledValues",
    "SamplerStream",
    "all_candidate_sampler",
    "compute_accidental_hits",
    "expected_count",
    "fixed_unigram_candidate_sampler",
    "inclusion_probability",
    "learned_unigram_candidate_sampler",
    "locate",
    "log_probabilities",
    "log_uniform_candidate_sampler",
    "log_uniform_probability",
    "nce_loss",
    "nce_loss_and_gradients",
    "negative_sampling_loss",
    "negative_sampling_loss_and_gradients",
    "pad_labels",
    "partition",
    "probabilities",
    "sampled_softmax_loss",
    "sampled_softmax_loss_and_gradients",
    "sampler_from_counts",
    "sigmoid_loss",
    "sigmoid_loss_and_gradients",
    "softmax_loss",
    "softmax_loss_and_gradients",
    "uniform_candidate_sampler",
    "uniform_probability",
    "unigram_probability",
    "unpartition",
]
