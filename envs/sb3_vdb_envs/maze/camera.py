"""Pictures of the mazes from above, as a policy observes them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb_envs.maze.layout import PARTICLE_RADIUS, WALL_RADIUS, MazeLayout
from sb3_vdb_envs.maze.picture import AGENT_COLOUR, render_walls
from sb3_vdb_envs.raster import Canvas

SMALLEST_IMAGE = 16  # pixels, below which the particle is hardly seen


class MazeCamera:
    """Square pictures of walls and particles from above. The goal is not in them: it is for the
    demonstrations to show.

    :param layout: the maze
    :param image_size: height and width in pixels
    :raises ValueError: the picture is too small
    """

    def __init__(self, layout: MazeLayout, image_size: int) -> None:
        if not isinstance(image_size, (int, np.integer)) or image_size < SMALLEST_IMAGE:
            raise ValueError(
                f"`image_size` must be a whole number of at least {SMALLEST_IMAGE}, got "
                f"{image_size!r}"
            )
        x_min, x_max, y_min, y_max = layout.box
        half = max(x_max - x_min, y_max - y_min) / 2 + 2 * WALL_RADIUS
        x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
        # rendered finer than it is shown: in a large maze a particle is smaller than a pixel
        self._finer = math.ceil(2 * half / image_size / (PARTICLE_RADIUS / 2))
        canvas = Canvas((x - half, x + half, y - half, y + half), image_size * self._finer)
        render_walls(canvas, layout)
        self._pixel, self._axes = canvas.pixel, canvas.axes
        self._still = self._shrunk(canvas.image[None])[0]

    def _shrunk(self, images: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Compute the means over blocks of pixels; shape (n, height, width, channels)."""
        n, height, width, channels = images.shape
        blocks = (n, height // self._finer, self._finer, width // self._finer, self._finer)
        return images.reshape(*blocks, channels).mean(axis=(2, 4))

    def render(self, positions: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
        """Render pictures of particles.

        :param positions: in m, shape (n, 2)
        :return: RGB, shape (n, image_size, image_size, 3)
        """
        x = self._axes[0] - positions[:, :1].astype(np.float64)  # (n, width)
        y = self._axes[1] - positions[:, 1:].astype(np.float64)  # (n, height)
        distance = np.hypot(x[:, None, :], y[:, :, None])
        inside = np.clip((PARTICLE_RADIUS - distance) / self._pixel + 0.5, 0.0, 1.0)
        coverage = self._shrunk(inside[..., None])
        pictures = self._still + coverage * (np.array(AGENT_COLOUR) - self._still)
        return np.rint(pictures).astype(np.uint8)

    @property
    def space(self) -> spaces.Box:
        """Observation space of one picture."""
        return spaces.Box(0, 255, self._still.shape, np.uint8)
