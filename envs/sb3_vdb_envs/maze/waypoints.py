"""A scripted controller that solves every maze: full force towards the next waypoint, braking where
it turns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.maze.layout import MazeLayout, layout_named

LOOK_AHEAD = 0.07  # m, a waypoint counts as passed this far before it
CLEARANCE = 0.06  # m, between a wall's free end and the way round it
GAIN = 15.0  # share of the force limit per metre
DAMPING = 1.0  # steps, prediction horizon of the braking


class WaypointController:
    """Steers through the middle of every gap and then to the goal; a yardstick for returns, no
    learner.

    :param layout: the maze
    :param n_mazes: number of copies it steers
    """

    def __init__(self, layout: str | MazeLayout, n_mazes: int = 1) -> None:
        self.layout = layout_named(layout)
        x_min, x_max = self.layout.box[:2]
        points = []
        for wall in self.layout.walls:
            left, right = (x_min, wall.x_min), (wall.x_max, x_max)
            gap = max((left, right), key=lambda sides: sides[1] - sides[0])
            inner = gap[1] if gap is left else gap[0]  # the wall's free end
            away = -1.0 if gap is left else 1.0
            points.append((inner + away * CLEARANCE, wall.y))
        self._points = np.array([*points, self.layout.goal])
        self._heights = np.array([wall.y for wall in self.layout.walls])
        self._previous: npt.NDArray[np.float64] | None = None
        self.n_mazes = n_mazes

    def reset(self) -> None:
        """Forget the last positions (call it when episodes start)."""
        self._previous = None

    def __call__(self, observations: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Actions, shape (n_mazes, 2), for positions of shape (n_mazes, 2)."""
        positions = observations.astype(np.float64)
        target = self._points[
            np.searchsorted(self._heights - LOOK_AHEAD, positions[:, 1], side="right")
        ]
        motion = 0.0 if self._previous is None else positions - self._previous
        self._previous = positions
        return np.clip(
            GAIN * (target - positions) - DAMPING * GAIN * np.asarray(motion), -1.0, 1.0
        ).astype(np.float32)
