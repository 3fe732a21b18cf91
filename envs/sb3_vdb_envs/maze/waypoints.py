"""A scripted controller that solves every maze: full force towards the next waypoint, braking where
it turns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.maze.batch import action_space, position_space
from sb3_vdb_envs.maze.layout import MazeLayout, layout_named

LOOK_AHEAD = 0.07  # m, a waypoint counts as passed this far before it
CLEARANCE = 0.06  # m, between a wall's free end and the way round it
GAIN = 15.0  # share of the force limit per metre
DAMPING = 1.0  # steps, prediction horizon of the braking


class WaypointController:
    """Steers through every gap and then to the goal: a scripted expert and a yardstick for returns.

    It has SB3's ``predict`` and spaces, so it can be evaluated and recorded like a trained model.

    :param layout: the maze
    """

    def __init__(self, layout: str | MazeLayout) -> None:
        self.layout = layout_named(layout)
        self.observation_space, self.action_space = position_space(self.layout), action_space()
        x_min, x_max = self.layout.box[:2]
        points = []
        for wall in self.layout.walls:
            gap_is_left = wall.x_min - x_min > x_max - wall.x_max
            free_end = wall.x_min - CLEARANCE if gap_is_left else wall.x_max + CLEARANCE
            points.append((free_end, wall.y))
        self._points = np.array([*points, self.layout.goal])
        self._heights = np.array([wall.y for wall in self.layout.walls])

    def predict(
        self,
        observation: npt.NDArray[np.floating],
        state: tuple[npt.NDArray[np.float64], ...] | None = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.float32], tuple[npt.NDArray[np.float64], ...]]:
        """Choose actions for positions.

        :param observation: positions in m, shape (n_mazes, 2), or (2,) of one maze
        :param state: the last positions, as returned by the last call
        :param episode_start: which mazes have just begun an episode, shape (n_mazes,)
        :param deterministic: not used; the controller is
        :return: actions of the observation's shape, and the positions for the next call
        """
        positions = np.atleast_2d(observation).astype(np.float64)
        previous = positions if state is None else state[0]
        if episode_start is not None:
            previous = np.where(episode_start[:, None], positions, previous)
        following = np.searchsorted(self._heights - LOOK_AHEAD, positions[:, 1], side="right")
        ahead = self._points[following] - positions - DAMPING * (positions - previous)
        actions = np.clip(GAIN * ahead, -1.0, 1.0).astype(np.float32)
        return actions.reshape(observation.shape), (positions,)
