"""The mazes observed in pixels, from above."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.utils import EzPickle

from sb3_vdb_envs.maze.batch import MazeBatch
from sb3_vdb_envs.maze.env import MazeEnv
from sb3_vdb_envs.maze.layout import PARTICLE_RADIUS, WALL_RADIUS, MazeLayout
from sb3_vdb_envs.maze.picture import AGENT_COLOUR, IMAGE_HEIGHT, render_walls
from sb3_vdb_envs.maze.vector_env import MazeVectorEnv
from sb3_vdb_envs.raster import Canvas
from sb3_vdb_envs.vector import AutoresetMode

IMAGE_SIZE = 64  # pixels
SMALLEST_IMAGE = 16  # pixels, below which the particle is hardly seen


class MazeView:
    """Square pictures of walls and particles; the goal is not drawn, it is for the demonstrations
    to show.

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
        # drawn finer than it is shown: in a large maze a particle is smaller than a pixel
        self._finer = math.ceil(2 * half / image_size / (PARTICLE_RADIUS / 2))
        canvas = Canvas((x - half, x + half, y - half, y + half), image_size * self._finer)
        render_walls(canvas, layout)
        self._pixel, self._axes = canvas.pixel, canvas.axes
        self._still = self._shrunk(canvas.image[None])[0]

    def _shrunk(self, images: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Means over blocks of pixels; shape (n, height, width, channels)."""
        n, height, width, channels = images.shape
        blocks = (n, height // self._finer, self._finer, width // self._finer, self._finer)
        return images.reshape(*blocks, channels).mean(axis=(2, 4))

    def render(self, positions: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
        """Pictures of particles.

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


class PixelMazeBatch(MazeBatch):
    """n copies of one maze, observed in pixels.

    :param layout: the maze
    :param n_mazes: number of copies
    :param start_noise: radius in m of the disc of start positions around the mean start
    :param view: what draws them
    """

    def __init__(
        self, layout: MazeLayout, n_mazes: int, start_noise: float, view: MazeView
    ) -> None:
        super().__init__(layout, n_mazes, start_noise)
        self._view = view

    def observe(self) -> npt.NDArray[np.uint8]:
        """Pictures, shape (n_mazes, image_size, image_size, 3)."""
        return self._view.render(self.positions())


class MazePixelEnv(MazeEnv):
    """:class:`MazeEnv` observed in pixels; the rest is described there.

    ## Observation Space
    ``Box(0, 255, (image_size, image_size, 3), uint8)``: walls and particle from above, without the
    goal and without the velocity, which two pictures show.

    ## Arguments

    :param layout: as for :class:`MazeEnv`
    :param start_noise: as for :class:`MazeEnv`
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height of rendered pictures in pixels
    :param image_size: height and width of observations in pixels
    :param force_limit: as for :class:`MazeEnv`
    :raises ValueError: a bad argument

    ## Version History
    v0: first version.
    """

    def __init__(
        self,
        layout: str | MazeLayout = "c_maze",
        start_noise: float = 0.0,
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
        image_size: int = IMAGE_SIZE,
        force_limit: float | None = None,
    ) -> None:
        self.image_size = image_size
        super().__init__(layout, start_noise, render_mode, render_height, force_limit)
        EzPickle.__init__(
            self, layout, start_noise, render_mode, render_height, image_size, force_limit
        )

    def _make_batch(self, start_noise: float) -> MazeBatch:
        self._view = MazeView(self.layout, self.image_size)
        return PixelMazeBatch(self.layout, 1, start_noise, self._view)

    def _make_observation_space(self) -> gym.Space[Any]:
        return self._view.space


class MazePixelVectorEnv(MazeVectorEnv):
    """``num_envs`` copies of :class:`MazePixelEnv` in one batch.

    :param num_envs: number of mazes
    :param layout: as for :class:`MazeEnv`
    :param start_noise: as for :class:`MazeEnv`
    :param max_episode_steps: as for :class:`MazeVectorEnv`
    :param autoreset_mode: as for :class:`MazeVectorEnv`
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height of rendered pictures in pixels
    :param image_size: height and width of observations in pixels
    :param force_limit: as for :class:`MazeEnv`
    :raises ValueError: a bad argument
    """

    def __init__(
        self,
        num_envs: int = 1,
        layout: str | MazeLayout = "c_maze",
        start_noise: float = 0.0,
        max_episode_steps: int | None = 100,
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
        image_size: int = IMAGE_SIZE,
        force_limit: float | None = None,
    ) -> None:
        self.image_size = image_size
        super().__init__(
            num_envs,
            layout,
            start_noise,
            max_episode_steps,
            autoreset_mode,
            render_mode,
            render_height,
            force_limit,
        )

    def _make_batch(self, num_envs: int, start_noise: float) -> MazeBatch:
        self._view = MazeView(self.layout, self.image_size)
        return PixelMazeBatch(self.layout, num_envs, start_noise, self._view)

    def _make_observation_space(self) -> gym.Space[Any]:
        return self._view.space


c_maze_pixel_vector_env = partial(MazePixelVectorEnv, layout="c_maze")
c_maze_flipped_pixel_vector_env = partial(MazePixelVectorEnv, layout="c_maze_flipped")
s_maze_pixel_vector_env = partial(MazePixelVectorEnv, layout="s_maze")
s_maze_flipped_pixel_vector_env = partial(MazePixelVectorEnv, layout="s_maze_flipped")
