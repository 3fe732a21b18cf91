"""Scales of observations: what pixels and vectors are normalised by before a network sees them."""

from __future__ import annotations

import numpy as np
import torch as th
from torch import nn

from sb3_vdb.networks.layouts import Layout, PictureLayout

PIXEL_RANGE = 255.0
MAX_DEVIATION = 10.0  # vectors are clipped to that many standard deviations of the demonstrations
MIN_STD = 1e-2  # of a vector's entry, as a fraction of the largest one


class PictureNormalizer(nn.Module):
    """Maps pixel values 0 ... 255 to -0.5 ... 0.5, or, once fitted, to their differences from the
    demonstrations' mean picture in standard deviations: a decoder then need not learn the
    background, and what moves is of the size that networks learn best. Acting and training both go
    through here.

    :param shape: shape of a picture, channels first
    :param layout: layout of normalised pictures
    """

    def __init__(self, shape: tuple[int, ...], layout: Layout | None = None) -> None:
        super().__init__()
        self.layout = layout or PictureLayout()
        self.mean: th.Tensor
        self.std: th.Tensor
        self.register_buffer("mean", th.full(shape, 0.5))
        self.register_buffer("std", th.ones(()))

    def fit(self, pictures: np.ndarray) -> None:
        """Take the mean of ``pictures``, shape (n, *shape), uint8, and one standard deviation for
        all pixels.
        """
        scaled = pictures.astype(np.float32) / PIXEL_RANGE
        mean = scaled.mean(axis=0, dtype=np.float64)
        deviation = float(np.sqrt(np.mean((scaled - mean) ** 2)))
        self.mean.copy_(th.as_tensor(mean))
        self.std.fill_(max(deviation, 1.0 / PIXEL_RANGE))

    def forward(self, pictures: th.Tensor) -> th.Tensor:
        """Normalise pictures of shape (..., *shape), into the networks' layout."""
        # in place: a batch of pictures is too large for the processor's cache
        scaled = self.layout.arrange(pictures).to(th.float32, copy=True).div_(PIXEL_RANGE)
        return scaled.sub_(self.layout.arrange(self.mean)).div_(self.std)

    def pixels(self, normalized: th.Tensor) -> th.Tensor:
        """Undo :meth:`forward`, rounded and clipped, uint8."""
        scaled = self.layout.restore(normalized) * self.std + self.mean
        return (scaled * PIXEL_RANGE).round().clamp(0, PIXEL_RANGE).to(th.uint8)


class VectorNormalizer(nn.Module):
    """Measures vectors in standard deviations of the demonstrations.

    :param dim: number of entries
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mean: th.Tensor
        self.std: th.Tensor
        self.register_buffer("mean", th.zeros(dim))
        self.register_buffer("std", th.ones(dim))

    def fit(self, vectors: np.ndarray) -> None:
        """Take the moments of ``vectors``, shape (n, dim)."""
        std = vectors.std(axis=0)
        self.mean.copy_(th.as_tensor(vectors.mean(axis=0)))
        self.std.copy_(th.as_tensor(np.maximum(std, max(MIN_STD * std.max(), 1e-6))))

    def forward(self, vectors: th.Tensor) -> th.Tensor:
        """Normalise and clip vectors of shape (..., dim); same shape."""
        normalized = (vectors.float() - self.mean) / self.std
        return normalized.clamp(-MAX_DEVIATION, MAX_DEVIATION)
