"""The sampled losses as modules: they own the classes' weights and biases, and draw their own noise.

In: hidden vectors [batch, dim] and labels. Out: one loss an example in training; log-probabilities of all classes, or
the most likely class, afterwards. The losses are computed by `nce_train.nce.tensor_losses`, the noise is drawn on the
host by the samplers of `nce_train.nce`: a seed gives the same ids on every device.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from nce_train.nce import torch_arrays
from nce_train.nce.candidate_sampler import INCLUSIONS, LearnedUnigramCandidateSampler, SampledValues
from nce_train.nce.checks import check_choice, finite_number, positive_integer
from nce_train.nce.inclusion import inclusion_probability
from nce_train.nce.labels import read_labels
from nce_train.nce.noise import LabelOrder, prepared_sampler
from nce_train.nce.random_stream import open_stream
from nce_train.nce.sampled_logits import NOISE_RATIOS, TARGETS
from nce_train.nce.tensor_arguments import TensorProblem, on_host, read_sampled_problem
from nce_train.nce.tensor_losses import losses_of_problem


class NCELoss(nn.Module):
    """Noise-contrastive estimation: trains x·w + b towards log P(class | x), normalised without a sum over classes.

    Parameters
    ----------
    dim : int
        Length of the hidden vectors.
    num_classes : int
    num_sampled : int
        Noise samples of a call, shared by the examples of the batch.
    sampler : {"log-uniform", "uniform", "unigram", "learned-unigram"}, CandidateSampler, or None
        The distribution of the noise; by default "unigram" when `counts` are given, else "log-uniform", for ids sorted
        by decreasing frequency. "learned-unigram" counts the labels that it sees.
    counts : array_like of float [num_classes], optional
        How often each class occurs.
    distortion : float
        "unigram" draws in proportion to ``counts ** distortion``.
    unique : bool
        Samples without replacement.
    inclusion : {"approximate", "exact"}
        Expected counts of unique samples, see `nce.log_uniform_candidate_sampler`.
    remove_accidental_hits : bool, optional
        Leave out samples that equal a label of the example. By default NCE and negative sampling keep them, and
        sampled softmax removes them.
    strict, target, noise_ratio, log_z
        As in `nce.nce_loss`.
    sparse : bool
        Gradients of weight and bias are sparse: a step takes time for the classes that it touches, not for all. Use
        `torch.optim.SparseAdam` or `torch.optim.SGD`.
    seed : int, pair of int, SamplerStream or None
        Seed of the noise, see `nce.SamplerStream`; None takes one from PyTorch's generator (`torch.manual_seed`). In
        distributed training give each rank its own: ``seed=(1, rank)``.
    rng : {"nce_train", "tensorflow"}
        The random stream that `seed` refers to.
    device, dtype
        Of weight and bias.

    Attributes
    ----------
    weight : Parameter [num_classes, dim]
    bias : Parameter [num_classes]

    Raises
    ------
    ValueError
        When an argument does not fit; the message names it.

    Warns
    -----
    UserWarning
        When the sampler is "log-uniform" and the counts, or else the first 1,000 labels, show that the ids are not
        sorted by decreasing frequency.

    Notes
    -----
    The state (`state_dict`) has weight, bias, and the position of the noise's stream, so that a resumed training draws
    the noise that it would have drawn; also the seed, unless the module was made with one, and what a learned sampler
    has counted. The ranks of a distributed run can therefore load one state and keep their own noise.

    `torch.compile` compiles the loss and breaks its graph where noise is drawn and labels are read. Under autocast the
    loss is computed in float32. Labels are read on the host: from a DataLoader, leave them there. Labels on an
    accelerator are copied back in each step, which waits for what is still computed.

    Examples
    --------
    >>> import torch
    >>> from nce_train.torch import NCELoss
    >>> loss = NCELoss(dim=8, num_classes=50, num_sampled=10, seed=1)
    >>> hidden, labels = torch.zeros(3, 8, requires_grad=True), torch.tensor([3, 17, 8])
    >>> loss(hidden, labels).mean().backward()
    >>> loss.weight.grad.shape, loss.log_prob(hidden).exp().sum(1).round().tolist()
    (torch.Size([50, 8]), [1.0, 1.0, 1.0])
    """

    _softmax = False
    _subtract_log_q = True
    _removes_hits = False

    def __init__(
        self,
        dim: int,
        num_classes: int,
        num_sampled: int,
        *,
        sampler: Any = None,
        counts: ArrayLike | None = None,
        distortion: float = 0.75,
        unique: bool = True,
        inclusion: str = "approximate",
        remove_accidental_hits: bool | None = None,
        strict: bool = False,
        target: str = "share",
        noise_ratio: str = "per_example",
        log_z: float = 0.0,
        sparse: bool = False,
        seed: Any = None,
        rng: str = "nce_train",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_choice(inclusion, INCLUSIONS, "inclusion")
        check_choice(target, TARGETS, "target")
        check_choice(noise_ratio, NOISE_RATIOS, "noise_ratio")
        self.dim = positive_integer(dim, "dim")
        self.num_classes = positive_integer(num_classes, "num_classes")
        self.num_sampled = positive_integer(num_sampled, "num_sampled")
        self.log_z = finite_number(log_z, "log_z")
        self.unique, self.inclusion = unique, inclusion
        self.options: dict[str, Any] = {
            "remove_accidental_hits": self._removes_hits if remove_accidental_hits is None else remove_accidental_hits,
            "strict": strict,
            "target": target,
            "noise_ratio": noise_ratio,
        }
        self.sparse = sparse
        self._seed_is_given = seed is not None
        if seed is None:
            seed = tuple(torch.randint(2**62, (2,)).tolist())
        self.stream = open_stream(seed, rng)
        self._counts = None if counts is None else np.asarray(counts, np.float64)
        self.sampler = prepared_sampler(sampler, self.num_classes, counts, distortion, self.stream)
        if isinstance(self.sampler, LearnedUnigramCandidateSampler):
            self.stream = self.sampler.stream
        unsure = counts is None and getattr(self.sampler, "kind", "") == "log-uniform"
        self._order = LabelOrder(self.num_classes) if unsure else None
        self.weight = nn.Parameter(torch.empty((self.num_classes, self.dim), device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(self.num_classes, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights from N(0, 1/dim), and begin with biases that make the scores normalised.

        For NCE the biases are log-probabilities: of `counts` if given, else of equal classes.
        """
        nn.init.normal_(self.weight, std=self.dim**-0.5)
        with torch.no_grad():
            self.bias.copy_(torch.as_tensor(self._first_bias()))

    def _first_bias(self) -> Any:
        counts = np.ones(self.num_classes) if self._counts is None else self._counts + 1
        return np.log(counts / counts.sum()) + self.log_z

    def forward(self, hidden: torch.Tensor, labels: Any, sampled_values: Any = None) -> torch.Tensor:
        """The loss of each example, [batch].

        Parameters
        ----------
        hidden : float tensor [batch, dim]
            Of 16 bits beside float32 weights, as autocast makes it, it is brought to float32, and so is the loss.
        labels : int tensor or array [batch] or [batch, num_true], list of sequences, (ids, row_splits) or PaddedLabels
        sampled_values : SampledValues, optional
            Noise that was drawn elsewhere, such as in a worker of the DataLoader, of `num_sampled` samples.

        Raises
        ------
        ValueError
            As `nce.nce_loss`.
        """
        problem = self._read(hidden, labels, sampled_values)
        return losses_of_problem(
            torch_arrays,
            self._softmax,
            problem,
            subtract_log_q=self._subtract_log_q,
            sparse=self.sparse,
            **self.options,
        )

    @torch.compiler.disable
    def _read(self, hidden: torch.Tensor, labels: Any, sampled_values: Any) -> TensorProblem:
        """Bring the labels to the host, draw the noise, and check all."""
        labels = on_host(torch_arrays, labels, 0)
        if isinstance(labels, np.ndarray) and labels.ndim == 1:
            labels = labels.reshape(-1, 1)
        num_true = max(labels.shape[1], 1) if isinstance(labels, np.ndarray) and labels.ndim == 2 else 1
        if sampled_values is None:
            sampled_values = self._draw(labels, num_true)
        return read_sampled_problem(
            torch_arrays,
            self.weight,
            self.bias,
            labels,
            hidden.to(torch.promote_types(hidden.dtype, self.weight.dtype)),
            self.num_sampled,
            self.num_classes,
            num_true,
            sampled_values,
            partition_strategy="div",
            seed=None,
            rng="nce_train",
            target=self.options["target"],
            noise_ratio=self.options["noise_ratio"],
            log_z=self.log_z,
            subtract_log_q=self._subtract_log_q,
        )

    def _draw(self, labels: Any, num_true: int) -> SampledValues:
        if self._order is not None:
            self._order.watch(read_labels(labels, num_true).ids)
        if isinstance(self.sampler, LearnedUnigramCandidateSampler):
            return self.sampler(labels, num_true, self.num_sampled, self.unique)
        return self.sampler(labels, num_true, self.num_sampled, self.unique, self.stream, inclusion=self.inclusion)

    def log_prob(self, hidden: torch.Tensor, *, normalised: bool = True) -> torch.Tensor:
        """Log-probability of every class, [batch, num_classes].

        Parameters
        ----------
        hidden : float tensor [batch, dim]
        normalised : bool
            Divide by the sum over all classes. Without it, the result is what training has made a log-probability:
            the probabilities of a row sum to about 1.
        """
        scores = self._scores(hidden)
        return torch.log_softmax(scores, dim=1) if normalised else scores

    def predict(self, hidden: torch.Tensor) -> torch.Tensor:
        """The most likely class of each example, int64 [batch]."""
        return self._scores(hidden).argmax(dim=1)

    def _scores(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of all classes, as the loss estimates them."""
        scores = self._logits(hidden) - self.log_z
        # With hits removed, scores are log-odds of each class alone.
        return nn.functional.logsigmoid(scores) if self.options["remove_accidental_hits"] else scores

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        inputs = torch_arrays.working(hidden.to(torch.promote_types(hidden.dtype, self.weight.dtype)))
        with torch_arrays.full_precision(inputs):
            return inputs @ torch_arrays.cast(self.weight, inputs).T + torch_arrays.cast(self.bias, inputs)

    def get_extra_state(self) -> dict[str, Any]:
        """The seed and the position of the noise, and what a learned sampler has counted."""
        sampler = self.sampler
        learned = sampler.weights.copy() if isinstance(sampler, LearnedUnigramCandidateSampler) else None
        return {
            "seed": [self.stream.seed, self.stream.seed2],
            "rng": self.stream.rng,
            "block": self.stream.block,
            "learned": None if learned is None else torch.as_tensor(learned),
        }

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Continue the noise from a saved position."""
        if state["rng"] != self.stream.rng:
            raise ValueError(f"the state's noise is of rng {state['rng']!r}, but the module's of {self.stream.rng!r}")
        if not self._seed_is_given:
            self.stream.seed, self.stream.seed2 = state["seed"]
        self.stream.block = state["block"]
        if isinstance(self.sampler, LearnedUnigramCandidateSampler) and state["learned"] is not None:
            self.sampler.weights = state["learned"].cpu().numpy()

    def extra_repr(self) -> str:
        """What `print` shows."""
        kind = getattr(self.sampler, "kind", "learned-unigram")
        shown = f"{self.dim}, {self.num_classes}, num_sampled={self.num_sampled}, sampler={kind!r}"
        shown += f", unique={self.unique}, sparse={self.sparse}"
        return shown + "".join(f", {name}={value!r}" for name, value in self.options.items())


class NegativeSamplingLoss(NCELoss):
    """Negative sampling: NCE without the subtraction of log Q, which trains x·w + b towards log(P / Q).

    Parameters, errors and methods as `NCELoss`. Biases begin at 0. `log_prob` adds log Q back.
    """

    _subtract_log_q = False

    def _first_bias(self) -> Any:
        return np.zeros(self.num_classes)

    def _scores(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self._logits(hidden)
        return logits + torch_arrays.constant(self._log_q(), logits) - self.log_z

    def _log_q(self) -> Any:
        """log Q of every class, [num_classes]; -inf of a class that is never drawn."""
        if isinstance(self.sampler, LearnedUnigramCandidateSampler):
            probability = self.sampler.weights / self.sampler.weights.sum()
        else:
            probability = self.sampler.probability(np.arange(self.num_classes)).astype(np.float64)
        with np.errstate(divide="ignore"):
            if self.unique:
                return np.log(inclusion_probability(probability, self.num_sampled))
            return np.log(probability * self.num_sampled)


class SampledSoftmaxLoss(NCELoss):
    """Sampled softmax: cross-entropy over the labels and the samples, which trains x·w + b towards log P + K(x).

    Parameters, errors and methods as `NCELoss`, but hits are removed by default. Biases begin at 0. Its scores are
    log-probabilities only once they are normalised.
    """

    _softmax = True
    _removes_hits = True

    def _first_bias(self) -> Any:
        return np.zeros(self.num_classes)

    def _scores(self, hidden: torch.Tensor) -> torch.Tensor:
        return self._logits(hidden)

    def log_prob(self, hidden: torch.Tensor, *, normalised: bool = True) -> torch.Tensor:
        """Log-probability of every class, [batch, num_classes]; `normalised` must be true, else ValueError."""
        if not normalised:
            raise ValueError("normalised must be True: sampled softmax trains scores up to a constant of each example")
        return super().log_prob(hidden)
