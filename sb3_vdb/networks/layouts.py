"""How networks want pictures in memory: as they are, or patch after patch."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch as th

Shape = tuple[int, int, int]  # channels, height and width of a picture, with height = width

GRID = 8  # patches along a picture's height and width
MIN_SIZE = 16  # pixels
INTEGERS = {1: th.uint8, 2: th.int16, 4: th.int32, 8: th.int64}  # by their number of bytes


def check_size(image_size: int) -> None:
    """Refuse pictures that no network here can see.

    :param image_size: height and width, pixels
    :raises ValueError: the pictures are too small
    """
    if image_size < MIN_SIZE:
        raise ValueError(f"pictures of {image_size} pixels are too small; use at least {MIN_SIZE}")


def patch_size(image_size: int) -> int:
    """Compute the height and width of each of the 8 x 8 patches of a picture, pixels.

    :param image_size: height and width of the picture, pixels
    :raises ValueError: the picture cannot be cut into equal patches
    """
    check_size(image_size)
    if image_size % GRID:
        raise ValueError(
            f"pictures of {image_size} pixels have no {GRID} x {GRID} equal patches; use a "
            f"multiple of {GRID} pixels, or `picture_net='conv'`"
        )
    return image_size // GRID


class Layout(Protocol):
    """Says how networks want pictures in memory."""

    def arrange(self, pictures: th.Tensor) -> th.Tensor:
        """Bring pictures of shape (..., channels, height, width) into this layout, which also has
        three axes for a picture.
        """
        ...

    def restore(self, arranged: th.Tensor) -> th.Tensor:
        """Undo :meth:`arrange`."""
        ...


class PictureLayout:
    """Leaves pictures as they are; see :class:`Layout`."""

    def arrange(self, pictures: th.Tensor) -> th.Tensor:
        """Return pictures of shape (..., channels, height, width) unchanged."""
        return pictures

    def restore(self, arranged: th.Tensor) -> th.Tensor:
        """Return them unchanged."""
        return arranged


class PatchLayout(NamedTuple):
    """Stores patch after patch, so that a layer for all patches is one product of matrices and a
    decoded picture is compared with a seen one as it is; see :class:`Layout`.

    :param size: height and width of a patch, pixels
    """

    size: int

    def arrange(self, pictures: th.Tensor) -> th.Tensor:
        """Cut pictures of shape (..., channels, height, width) into patches of shape (..., 8, 8,
        channels * size^2), each by channels, rows and columns.
        """
        rows = self._as_wide_numbers(pictures)
        cells = rows.unflatten(-1, (GRID, -1)).unflatten(-3, (GRID, self.size))
        # (..., channels, patch row, row, patch column, numbers of a row)
        patches = cells.movedim((-4, -2), (-5, -4)).contiguous()
        if patches.dtype != pictures.dtype:  # no gradients pass a view of another type
            patches = patches.view(pictures.dtype)
        return patches.flatten(-3)

    def restore(self, arranged: th.Tensor) -> th.Tensor:
        """Undo :meth:`arrange`."""
        patches = arranged.unflatten(-1, (-1, self.size, self.size))
        return patches.movedim((-5, -4), (-4, -2)).flatten(-2).flatten(-3, -2)

    def _as_wide_numbers(self, pictures: th.Tensor) -> th.Tensor:
        """View the bytes of a patch's row as few wide integers, which move faster than bytes."""
        if pictures.dtype != th.uint8:
            return pictures
        return pictures.contiguous().view(INTEGERS[math.gcd(self.size, max(INTEGERS))])
