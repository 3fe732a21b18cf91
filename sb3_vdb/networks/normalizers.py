"""Normalisers of vectors, shared by whoever compares: their statistics are buffers, so that they
are saved with the network that owns them.
"""

from __future__ import annotations

import torch as th
from gymnasium import spaces
from torch import nn

STD_FLOOR = 1e-2  # smallest standard deviation by which an entry is divided
CLIP = 10.0  # normalised entries are held within +-CLIP

Bounds = tuple[th.Tensor, th.Tensor]  # low and high, each of shape (dim,)


class Normalizer(nn.Module):
    """Shifts and scales vectors by fixed statistics, here 0 and 1.

    :param dim: number of entries
    :param raw: entries that stay as they are, bool, shape (dim,); None for no such entry
    """

    mean: th.Tensor
    std: th.Tensor
    raw: th.Tensor | None

    def __init__(self, dim: int, raw: th.Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("mean", th.zeros(dim))
        self.register_buffer("std", th.ones(dim))
        self.register_buffer("raw", raw)

    def forward(self, vectors: th.Tensor) -> th.Tensor:
        """Compute (vectors - mean) / std, held within +-10; shape (batch, dim)."""
        scaled = ((vectors - self.mean) / self.std).clamp(-CLIP, CLIP)
        return scaled if self.raw is None else th.where(self.raw, vectors, scaled)

    def update(self, vectors: th.Tensor) -> None:
        """Take more data into account; the base class has fixed statistics and ignores it."""


class RunningNormalizer(Normalizer):
    """Scales by the mean and standard deviation of everything it was shown (Chan's parallel update,
    in double precision).

    :param dim: number of entries
    :param raw: as for :class:`Normalizer`
    :param centred: entries whose mean counts as 0, so that they are divided by their root mean
        square and 0 stays 0, bool, shape (dim,); None for no such entry
    """

    count: th.Tensor
    running_mean: th.Tensor
    running_square: th.Tensor
    centred: th.Tensor | None

    def __init__(
        self, dim: int, raw: th.Tensor | None = None, centred: th.Tensor | None = None
    ) -> None:
        super().__init__(dim, raw)
        self.register_buffer("centred", centred)
        self.register_buffer("count", th.zeros((), dtype=th.float64))
        self.register_buffer("running_mean", th.zeros(dim, dtype=th.float64))
        # sum of squared deviations
        self.register_buffer("running_square", th.zeros(dim, dtype=th.float64))

    @th.no_grad()
    def update(self, vectors: th.Tensor) -> None:
        """Add vectors, shape (batch, dim), to the statistics."""
        batch = vectors.double()
        n, mean = float(len(batch)), batch.mean(dim=0)
        if self.centred is not None:
            mean = th.where(self.centred, 0.0, mean)
        delta, total = mean - self.running_mean, self.count + n
        self.running_square += (batch - mean).square().sum(
            dim=0
        ) + delta.square() * self.count * n / total
        self.running_mean += delta * n / total
        self.count += n
        self.mean.copy_(self.running_mean)
        self.std.copy_((self.running_square / self.count).sqrt().clamp_min(STD_FLOOR))


class BoundsNormalizer(Normalizer):
    """Scales finite bounds to [-1, 1]; there is nothing to learn, and it is the same for every task
    of one observation space.

    :param low: shape (dim,)
    :param high: shape (dim,)
    :param raw: as for :class:`Normalizer`
    :raises ValueError: a bound of an entry that is normalised is not finite
    """

    def __init__(self, low: th.Tensor, high: th.Tensor, raw: th.Tensor | None = None) -> None:
        if raw is not None:
            low, high = th.where(raw, -1.0, low), th.where(raw, 1.0, high)
        if not bool(th.isfinite(high - low).all()):
            raise ValueError(
                '`normalize_inputs="bounds"` needs finite observation bounds; use "running" instead'
            )
        super().__init__(low.numel(), raw)
        self.mean.copy_((high + low) / 2)
        half = (high - low) / 2
        self.std.copy_(th.where(half > 0, half, 1.0))  # an entry of one possible value becomes 0


def box_bounds(space: spaces.Box) -> Bounds:
    """Give the bounds of a Box, flattened, in single precision."""
    low, high = (th.as_tensor(bound.reshape(-1)).float() for bound in (space.low, space.high))
    return low, high


def make_normalizer(
    kind: str,
    dim: int,
    bounds: Bounds | None = None,
    raw: th.Tensor | None = None,
    centred: th.Tensor | None = None,
) -> Normalizer:
    """Make a normaliser.

    :param kind: ``"running"``, ``"bounds"`` or ``"none"``
    :param dim: number of entries
    :param bounds: of the entries; None where they have none
    :param raw: as for :class:`Normalizer`
    :param centred: as for :class:`RunningNormalizer`
    :raises ValueError: the kind is unknown, or there are no finite bounds
    """
    if kind == "running":
        return RunningNormalizer(dim, raw, centred)
    if kind == "bounds" and bounds is not None:
        return BoundsNormalizer(*bounds, raw)
    if kind == "none" or (kind == "bounds" and dim == 0):  # a picture alone
        return Normalizer(dim, raw)
    raise ValueError(
        f'`normalize_inputs` must be "running", "none" or, for a Box, "bounds", got {kind!r}'
    )
