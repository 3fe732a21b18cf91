"""Many mazes as one Gymnasium vector environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import BatchVectorEnv, check_num_envs
from sb3_vdb_envs.maze.batch import MazeBatch
from sb3_vdb_envs.maze.env import MazeEnv
from sb3_vdb_envs.maze.layout import MazeLayout, layout_named
from sb3_vdb_envs.maze.picture import IMAGE_HEIGHT, MazePicture
from sb3_vdb_envs.vector import AutoresetMode


class MazeVectorEnv(BatchVectorEnv):
    """``num_envs`` copies of :class:`MazeEnv` in one batch; spaces, rewards and infos are described
    there.

    Copy ``i`` of a batch reset with ``seed=s`` goes through the same states, bit for bit, as a
    single environment reset with ``seed=s + i``.

    Arguments that are not here are described there, too.

    :param num_envs: number of mazes
    :param max_episode_steps: time limit, which truncates; None for no limit
    :param autoreset_mode: ``"SameStep"`` (default: no step is lost, and the only mode Gymnasium
        0.29 knows), ``"NextStep"`` or ``"Disabled"``, with the meaning Gymnasium gives them
    :raises ValueError: a bad argument
    """

    metadata = MazeEnv.metadata

    def __init__(
        self,
        num_envs: int = 1,
        layout: str | MazeLayout = "c_maze",
        start_noise: float = 0.0,
        max_episode_steps: int | None = 100,
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
        force_limit: float | None = None,
        image_size: int | None = None,
    ) -> None:
        check_num_envs(num_envs)
        self.layout, self.render_height = layout_named(layout, force_limit), render_height
        self.mazes = MazeBatch(self.layout, num_envs, start_noise, image_size)
        super().__init__(self.mazes, num_envs, max_episode_steps, autoreset_mode, render_mode)
        self._picture: MazePicture | None = None
        self._trails: list[list[npt.NDArray[np.float32]]] = []

    def _after_step(self, observations: npt.NDArray[Any]) -> None:
        if self.render_mode is not None:
            self._trails = self._trails or [[] for _ in range(self.num_envs)]
            for i, position in enumerate(self.mazes.positions()):
                trail = [*self._trails[i], position] if self._steps[i] else [position]
                self._trails[i] = trail

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Render one picture of each maze, of shape (render_height, width, 3); None without a
        render mode.
        """
        if self.render_mode is None:
            return None
        if not self._trails:
            raise gym.error.ResetNeeded("call reset() before render()")
        self._picture = self._picture or MazePicture(self.layout, self.render_height)
        return tuple(self._picture.render(trail) for trail in self._trails)

    def set_state(self, state: dict[str, Any]) -> npt.NDArray[Any]:
        """Restore what :meth:`get_state` returned.

        :return: observations of all mazes
        """
        observations = super().set_state(state)
        self._trails = [[position] for position in self.mazes.positions()]
        return observations
