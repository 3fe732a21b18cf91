"""One normaliser for the observations of expert and generator, so that their scale cannot tell them
apart.
"""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from torch import nn

STD_FLOOR = 1e-2  # smallest standard deviation by which an observation is divided
CLIP = 10.0  # normalised observations are held within +-CLIP


class Normalizer(nn.Module):
    """Shifts and scales observations; statistics are buffers, so they are saved with the network.

    :param dim: number of observation features
    """

    mean: th.Tensor
    std: th.Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", th.zeros(dim))
        self.register_buffer("std", th.ones(dim))

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """(observations - mean) / std, held within +-10; shape (batch, dim)."""
        return ((observations - self.mean) / self.std).clamp(-CLIP, CLIP)

    def update(self, observations: th.Tensor) -> None:
        """Take more data into account; the base class has fixed statistics and ignores it."""


class RunningNormalizer(Normalizer):
    """Running mean and standard deviation of everything it was shown (Chan's parallel update, in
    double precision).
    """

    count: th.Tensor
    running_mean: th.Tensor
    running_square: th.Tensor

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.register_buffer("count", th.zeros((), dtype=th.float64))
        self.register_buffer("running_mean", th.zeros(dim, dtype=th.float64))
        self.register_buffer(
            "running_square", th.zeros(dim, dtype=th.float64)
        )  # sum of squared deviations

    @th.no_grad()
    def update(self, observations: th.Tensor) -> None:
        """Add observations, shape (batch, dim), to the statistics."""
        batch = observations.double()
        n, mean = float(len(batch)), batch.mean(dim=0)
        delta, total = mean - self.running_mean, self.count + n
        self.running_square += (batch - mean).square().sum(
            dim=0
        ) + delta.square() * self.count * n / total
        self.running_mean += delta * n / total
        self.count += n
        self.mean.copy_(self.running_mean)
        self.std.copy_((self.running_square / self.count).sqrt().clamp_min(STD_FLOOR))


class BoundsNormalizer(Normalizer):
    """Scales a bounded Box to [-1, 1]; nothing to learn, and the same for every task of one
    observation space.

    :param space: a Box with finite bounds
    :raises ValueError: a bound is not finite
    """

    def __init__(self, space: spaces.Box) -> None:
        low, high = (th.as_tensor(bound.reshape(-1)).float() for bound in (space.low, space.high))
        if not bool(th.isfinite(high - low).all()):
            raise ValueError(
                '`normalize_inputs="bounds"` needs finite observation bounds; use "running" instead'
            )
        super().__init__(low.numel())
        self.mean.copy_((high + low) / 2)
        self.std.copy_((high - low) / 2)


def make_normalizer(kind: str, space: spaces.Space[Any], dim: int) -> Normalizer:
    """Normaliser of that kind.

    :param kind: ``"running"``, ``"bounds"`` or ``"none"``
    :param space: observation space
    :param dim: number of observation features
    :raises ValueError: unknown kind, or bounds that are not finite
    """
    if kind == "running":
        return RunningNormalizer(dim)
    if kind == "bounds" and isinstance(space, spaces.Box):
        return BoundsNormalizer(space)
    if kind == "none":
        return Normalizer(dim)
    raise ValueError(
        f'`normalize_inputs` must be "running", "none" or, for a Box, "bounds", got {kind!r}'
    )
