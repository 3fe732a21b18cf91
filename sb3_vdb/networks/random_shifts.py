"""Random shifts of pictures, the augmentation of DrQ (Kostrikov et al. 2021)."""

from __future__ import annotations

import torch as th
from torch import nn


def randomly_shifted(pictures: th.Tensor, n_pixels: int) -> th.Tensor:
    """Shift each picture by up to so many pixels either way; what comes in at an edge repeats it.

    :param pictures: shape (batch, channels, height, width)
    :param n_pixels: most of a shift, drawn uniformly for height and width apart
    :return: of the same shape
    """
    batch, _, height, width = pictures.shape
    offsets = th.randint(-n_pixels, n_pixels + 1, (2, batch, 1), device=pictures.device)
    rows, columns = (
        (th.arange(size, device=pictures.device) + offset).clamp(0, size - 1)  # (batch, size)
        for size, offset in zip((height, width), offsets, strict=True)
    )
    which = th.arange(batch, device=pictures.device)[:, None, None]
    shifted = pictures[which, :, rows[:, :, None], columns[:, None, :]]  # (batch, h, w, channels)
    return shifted.permute(0, 3, 1, 2)


class RandomShift(nn.Module):
    """Shifts pictures in training mode, and leaves them as they are otherwise.

    :param n_pixels: most of a shift, 4 of 84 in DrQ; 0 for none
    :raises ValueError: it is negative
    """

    def __init__(self, n_pixels: int) -> None:
        super().__init__()
        if not isinstance(n_pixels, int) or n_pixels < 0:
            raise ValueError(f"`shift` must be a whole number of pixels from 0 on, got {n_pixels}")
        self.n_pixels = n_pixels

    def forward(self, pictures: th.Tensor) -> th.Tensor:
        """Shift, shape (batch, channels, height, width)."""
        if not self.training or self.n_pixels == 0:
            return pictures
        return randomly_shifted(pictures, self.n_pixels)

    def extra_repr(self) -> str:
        """Show the size."""
        return f"n_pixels={self.n_pixels}"
