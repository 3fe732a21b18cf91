"""The policy and the value of latent states."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch as th
from torch import nn
from torch.nn import functional

from sb3_vdb.networks import mlp

MEAN_SCALE = 5.0  # means before tanh stay within this, as in Dreamer
MIN_STD = 1e-4


class TanhNormal(NamedTuple):
    """Describes the distribution of tanh(u) with u ~ N(mean, diag(std^2)).

    :param mean: before tanh, shape (..., action_dim)
    :param std: before tanh, shape (..., action_dim)
    """

    mean: th.Tensor
    std: th.Tensor

    def sample(self) -> th.Tensor:
        """Sample an action through which gradients reach mean and std, shape (..., action_dim)."""
        return th.tanh(self.mean + self.std * th.randn_like(self.mean))

    def sample_with_log_prob(self) -> tuple[th.Tensor, th.Tensor]:
        """Sample an action with its log-density, shape (..., action_dim) and (...); exact where
        tanh saturates, with log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)).
        """
        noise = th.randn_like(self.mean)
        before = self.mean + self.std * noise
        density = -0.5 * noise.square() - self.std.log() - 0.5 * math.log(2.0 * math.pi)
        slope = 2.0 * (math.log(2.0) - before - functional.softplus(-2.0 * before))
        return th.tanh(before), (density - slope).sum(dim=-1)

    def mode(self) -> th.Tensor:
        """Return the median, tanh(mean), shape (..., action_dim)."""
        return th.tanh(self.mean)


class Actor(nn.Module):
    """Is pi(a | z), a Gaussian squashed by tanh.

    :param feat_dim: width of the features
    :param action_dim: number of action dimensions
    :param units: width of the hidden layers
    :param n_layers: number of hidden layers
    :param init_std: standard deviation before tanh at the start
    """

    def __init__(
        self, feat_dim: int, action_dim: int, units: int, n_layers: int, init_std: float
    ) -> None:
        super().__init__()
        self.net = mlp(feat_dim, units, n_layers, 2 * action_dim)
        self.raw_init_std = math.log(math.expm1(init_std))

    def forward(self, feat: th.Tensor) -> TanhNormal:
        """Compute the distribution of the action, from features of shape (..., feat_dim)."""
        mean, raw = self.net(feat).chunk(2, dim=-1)
        mean = MEAN_SCALE * th.tanh(mean / MEAN_SCALE)
        return TanhNormal(mean, functional.softplus(raw + self.raw_init_std) + MIN_STD)


class Value(nn.Module):
    """Estimates V(z), the return that the policy is expected to reach from a state.

    :param feat_dim: width of the features
    :param units: width of the hidden layers
    :param n_layers: number of hidden layers
    """

    def __init__(self, feat_dim: int, units: int, n_layers: int) -> None:
        super().__init__()
        self.net = mlp(feat_dim, units, n_layers, 1)

    def forward(self, feat: th.Tensor) -> th.Tensor:
        """Compute values of shape (...) from features of shape (..., feat_dim)."""
        return self.net(feat).squeeze(-1)
