"""The stochastic encoder E(z|x) of the variational discriminator bottleneck."""

from __future__ import annotations

from typing import NamedTuple

import torch as th
from torch import nn

HEAD_INIT_SCALE = (
    0.01  # bound of the heads' uniform initial weights: every input starts near the prior N(0, I)
)
LOG_STD_RANGE = (-10.0, 4.0)  # keeps exp() finite; training stays far inside


class Code(NamedTuple):
    """Parameters of E(z|x) = N(mean, diag(std^2)) for a batch of inputs.

    :param mean: shape (batch, code_dim)
    :param log_std: shape (batch, code_dim)
    """

    mean: th.Tensor
    log_std: th.Tensor

    def sample(self) -> th.Tensor:
        """z = mean + std * epsilon with epsilon ~ N(0, I): gradients reach both parameters, shape
        (batch, code_dim).
        """
        return self.mean + self.log_std.exp() * th.randn_like(self.mean)


class GaussianEncoder(nn.Module):
    """Two linear heads, mean and log standard deviation, on the features of a trunk.

    :param feature_dim: width of the features x' the trunk gives
    :param code_dim: dimension of the code z
    """

    def __init__(self, feature_dim: int, code_dim: int) -> None:
        super().__init__()
        self.code_dim = code_dim
        # One matrix for both heads: half the kernel launches, the same function.
        self.heads = nn.Linear(feature_dim, 2 * code_dim)
        nn.init.uniform_(self.heads.weight, -HEAD_INIT_SCALE, HEAD_INIT_SCALE)
        nn.init.zeros_(self.heads.bias)

    def forward(self, features: th.Tensor) -> Code:
        """Code of each row of ``features``, shape (batch, feature_dim)."""
        mean, log_std = self.heads(features).chunk(2, dim=-1)
        return Code(mean, log_std.clamp(*LOG_STD_RANGE))
