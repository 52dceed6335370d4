"""PyTorch modules of the sampled losses, in the manner of `torch.nn.AdaptiveLogSoftmaxWithLoss`.

Each owns the classes' weights and biases and draws its own noise: `NCELoss`, `SampledSoftmaxLoss`,
`NegativeSamplingLoss`. The functions of `nce_train.nce` take tensors too. It needs the extra `torch`.
"""

try:
    import torch as _  # noqa: F401
except ImportError as error:
    raise ImportError("nce_train.torch needs PyTorch: pip install 'nce-train[torch]'") from error

from nce_train.torch.modules import NCELoss, NegativeSamplingLoss, SampledSoftmaxLoss

__all__ = ["NCELoss", "NegativeSamplingLoss", "SampledSoftmaxLoss"]
