"""The difference between a picture and a video's at the same phase: the expert shows none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first

from sb3_vdb.transitions import Observations
from sb3_vdb.views.observations import ObservationView, Space, select, select_space
from sb3_vdb.views.seen import Seen

GREY = 128  # what no difference looks like
CHUNK = 256  # pictures compared at a time


@dataclass(frozen=True, eq=False)
class PictureDifference(ObservationView):
    """Sees by how much a picture differs from the demonstrated one at the same phase:
    :class:`~sb3_vdb.views.Difference` for pictures.

    With ``grids`` it sees mean colours of the cells of coarse grids, as a vector that is divided by
    its root mean square, so that zero stays zero. Single pixels say that a limb is elsewhere and
    not how far: their difference no longer grows once limbs do not overlap. Means over cells do.
    Without grids it sees half the difference of every pixel, around grey, as a picture.

    The pixel reward of the VDB paper's video imitation compares the same pairs of pictures.

    :param frames: the video at evenly spaced phases, from the first one to the last (or, where it
        loops, up to the last but one), uint8, of the shape of the part, one a phase
    :param key: part of a Dict space that is a picture
    :param clock: part of it that tells the phase, one number
    :param span: value of the clock at the first phase and at the last
    :param loops: whether the video begins again after the last phase; else it stays there
    :param grids: cells along height and width of every grid; none for all pixels
    :raises ValueError: the frames are no pictures, or have no such cells
    """

    expert_is_zero: ClassVar[bool] = True

    frames: npt.NDArray[np.uint8]
    key: str = "frame"
    clock: str = "phase"
    span: tuple[float, float] = (-1.0, 1.0)
    loops: bool = True
    grids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        frames = np.ascontiguousarray(self.frames)
        if frames.dtype != np.uint8 or frames.ndim != 4 or not len(frames):
            raise ValueError(
                "`frames` must be pictures of dtype uint8 and shape (n_phases, height, width, "
                f"channels), got {frames.dtype} and {frames.shape}"
            )
        first, last = self.span
        if not (np.isfinite([first, last]).all() and first < last):
            raise ValueError(f"`span` must be two rising numbers, got {self.span}")
        sizes = sorted(frames.shape[1:])[-2:]
        for grid in self.grids:
            if grid < 1 or any(size % grid for size in sizes):
                raise ValueError(
                    f"`grids` has {grid}, and pictures of {sizes[0]} x {sizes[1]} pixels have no "
                    "such number of equal cells; give divisors of both"
                )
        object.__setattr__(self, "frames", frames)

    def encode(self, observations: Observations, space: Space, device: th.device) -> Seen:
        """See the differences; see :meth:`ObservationView.encode`."""
        pictures, part = select(observations, space, self.key)
        clocks, _ = select(observations, space, self.clock)
        if not is_image_space(part) or part.shape != self.frames.shape[1:]:
            raise ValueError(
                f"observation {self.key!r} is {part}, and the video has pictures of "
                f"{self.frames.shape[1:]}; read the video in that size, or make the environment "
                "with another `frame_size`"
            )
        rows = self._rows(clocks)
        chunks = [slice(start, start + CHUNK) for start in range(0, len(rows), CHUNK)]
        differences = (
            pictures[chunk].astype(np.int16) - self.frames[rows[chunk]] for chunk in chunks
        )
        channels_first = is_image_space_channels_first(part)  # type: ignore[arg-type]
        if self.grids:
            vectors = [self._cells(difference, channels_first) for difference in differences]
            return Seen.of(th.as_tensor(np.concatenate(vectors), device=device))
        seen = np.concatenate([_around_grey(difference) for difference in differences])
        if not channels_first:
            seen = np.ascontiguousarray(np.moveaxis(seen, -1, 1))
        return Seen.of(pictures=th.as_tensor(seen, device=device))

    def _cells(
        self, difference: npt.NDArray[np.int16], channels_first: bool
    ) -> npt.NDArray[np.float32]:
        """Average over the cells of all grids, by products with matrices of shares.

        :param difference: one a row of the batch
        :param channels_first: whether the channels stand before height and width
        :return: shape (batch, channels * sum of grid^2)
        """
        values = difference.astype(np.float32)
        if not channels_first:
            # rows first, while columns and channels lie side by side
            n, height, width, channels = values.shape
            values = values.reshape(n, height, width * channels)
        else:
            n, channels, height, width = values.shape
        parts = []
        for grid in self.grids:
            down, across = _shares(grid, height), _shares(grid, width)
            rows = down @ values  # (n, [channels,] grid, width [* channels])
            if not channels_first:
                rows = np.moveaxis(rows.reshape(n, grid, width, channels), -1, 1)
            parts.append((rows @ across.T).reshape(n, -1))
        return np.concatenate(parts, axis=1)

    def at(self, observations: Observations) -> npt.NDArray[np.uint8]:
        """Give the video's frames at the phases of observations, one a row of the batch."""
        return self.frames[self._rows(np.asarray(observations[self.clock]))]

    def _rows(self, clock: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        """Find the nearest phase of the video, shape (batch,)."""
        n, (first, last) = len(self.frames), self.span
        share = (clock.reshape(-1).astype(np.float64) - first) / (last - first)
        if self.loops:
            return np.rint(share * n).astype(np.intp) % n
        return np.rint(share * (n - 1)).astype(np.intp).clip(0, n - 1)

    def pixel_gradients(self, vectors: th.Tensor, space: Space) -> th.Tensor | None:
        """Give each pixel its share of the gradients of its cells."""
        channels, height, width = self._channels_first_shape(space)
        sizes = [channels * grid**2 for grid in self.grids]
        pixels = th.zeros((len(vectors), channels, height, width), device=vectors.device)
        for grid, cells in zip(self.grids, vectors.split(sizes, dim=1), strict=True):
            size = (height // grid, width // grid)
            shares = cells.view(-1, channels, grid, grid) / (size[0] * size[1])
            pixels += shares.repeat_interleave(size[0], dim=2).repeat_interleave(size[1], dim=3)
        return pixels if self.grids else None

    def _channels_first_shape(self, space: Space) -> tuple[int, int, int]:
        part = select_space(space, self.key)
        first, second, third = self.frames.shape[1:]
        if is_image_space_channels_first(part):  # type: ignore[arg-type]
            return first, second, third
        return third, first, second

    def keys(self, space: Space) -> tuple[str, ...] | None:
        """Name both parts."""
        return (self.key, self.clock) if isinstance(space, spaces.Dict) else None

    def centred_entries(self, space: Space) -> th.Tensor:
        """Mark all entries: the expert's zero stays zero."""
        return th.ones_like(super().centred_entries(space))


def _shares(n_cells: int, n_pixels: int) -> npt.NDArray[np.float32]:
    """Give by how much each pixel of a row counts in the mean of each cell, shape (n_cells,
    n_pixels).
    """
    size = n_pixels // n_cells
    return np.repeat(np.eye(n_cells, dtype=np.float32), size, axis=1) / np.float32(size)


def _around_grey(difference: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """Halve differences from -255 to 255, so that bytes hold them around grey; in place."""
    difference += 2 * GREY
    difference >>= 1
    return difference.astype(np.uint8)
