"""The difference between a picture and a video's at the same phase: the expert is plain grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first

from sb3_vdb.transitions import Observations
from sb3_vdb.views.observations import ObservationView, Space, select
from sb3_vdb.views.seen import Seen

GREY = 128  # what no difference looks like
CHUNK = 256  # pictures compared at a time


@dataclass(frozen=True, eq=False)
class PictureDifference(ObservationView):
    """Sees half the difference between a picture and the demonstrated one at the same phase, around
    grey: :class:`~sb3_vdb.views.Difference` for pictures, kept as uint8 with channels first.

    The pixel reward of the VDB paper's video imitation compares the same pairs of pictures.

    :param frames: the video at evenly spaced phases, from the first one to the last (or, where it
        loops, up to the last but one), uint8, shape (n_phases, *shape of the part)
    :param key: part of a Dict space that is a picture
    :param clock: part of it that tells the phase, one number
    :param span: value of the clock at the first phase and at the last
    :param loops: whether the video begins again after the last phase; else it stays there
    :raises ValueError: the frames are no pictures
    """

    frames: npt.NDArray[np.uint8]
    key: str = "frame"
    clock: str = "phase"
    span: tuple[float, float] = (-1.0, 1.0)
    loops: bool = True

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
        differences = np.empty(pictures.shape, dtype=np.uint8)
        for start in range(0, len(rows), CHUNK):
            chunk = slice(start, start + CHUNK)
            difference = pictures[chunk].astype(np.int16)
            difference -= self.frames[rows[chunk]]
            difference += 2 * GREY
            difference >>= 1
            differences[chunk] = difference
        if not is_image_space_channels_first(part):  # type: ignore[arg-type]
            differences = np.ascontiguousarray(np.moveaxis(differences, -1, 1))
        return Seen.of(pictures=th.as_tensor(differences, device=device))

    def at(self, observations: Observations) -> npt.NDArray[np.uint8]:
        """Give the video's frames at the phases of observations, shape (batch, *frame)."""
        return self.frames[self._rows(np.asarray(observations[self.clock]))]

    def _rows(self, clock: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        """Find the nearest phase of the video, shape (batch,)."""
        n, (first, last) = len(self.frames), self.span
        share = (clock.reshape(-1).astype(np.float64) - first) / (last - first)
        if self.loops:
            return np.rint(share * n).astype(np.intp) % n
        return np.rint(share * (n - 1)).astype(np.intp).clip(0, n - 1)

    def keys(self, space: Space) -> tuple[str, ...] | None:
        """Name both parts."""
        return (self.key, self.clock) if isinstance(space, spaces.Dict) else None
