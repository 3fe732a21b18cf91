"""Ground-truth rewards of the mazes, as functions of a batch of positions (VDB paper, appendix D,
and its released code).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.maze.layout import GATE_MARGIN, GOAL_RADIUS, MazeLayout

Array = npt.NDArray[np.float64]

ACTION_COST = 1e-3  # per N^2, C-maze
NEAR_BONUS, NEARER_BONUS = 1.0, 2.0  # S-maze, within twice and within once the goal radius


def goal_distance(layout: MazeLayout, positions: Array) -> Array:
    """Compute the straight distance to the goal.

    :param positions: in m, shape (2, batch)
    :return: in m, shape (batch,)
    """
    x = positions[0] - layout.goal[0]
    y = positions[1] - layout.goal[1]
    distance: Array = np.sqrt(x * x + y * y)
    return distance


def control_cost(forces: Array) -> Array:
    """Compute the action cost of the C-maze, ``-0.001 |f|^2``.

    :param forces: in N, shape (2, batch)
    :return: shape (batch,), not positive
    """
    return -ACTION_COST * (forces[0] * forces[0] + forces[1] * forces[1])


def goal_bonus(distances: Array) -> Array:
    """Compute the bonus of the S-maze: 2 within the goal radius, 1 within twice the goal radius,
    else 0.

    :param distances: distance to the goal in m, shape (batch,)
    :return: shape (batch,)
    """
    return (distances <= 2 * GOAL_RADIUS) * NEAR_BONUS + (distances <= GOAL_RADIUS) * (
        NEARER_BONUS - NEAR_BONUS
    )


class PathLength:
    """Length of the way to the goal through the centres of the gaps not yet passed, the potential
    of the S-maze's reward.

    :param layout: a maze with gates
    """

    def __init__(self, layout: MazeLayout) -> None:
        goal = np.array(layout.goal)
        waypoints = [
            np.array((x, wall.y)) for x, wall in zip(layout.gates, layout.walls, strict=True)
        ] + [goal]
        legs = [float(np.hypot(*(later - earlier))) for earlier, later in pairwise(waypoints)]
        self._passed_at = np.array([wall.y + GATE_MARGIN for wall in layout.walls])
        self._x, self._y = np.array(waypoints).T
        self._remaining = np.array([sum(legs[i:]) for i in range(len(waypoints))])

    def __call__(self, positions: Array) -> Array:
        """Compute the length in m, shape (batch,), for positions of shape (2, batch)."""
        following = np.searchsorted(self._passed_at, positions[1], side="right")
        x = positions[0] - self._x[following]
        y = positions[1] - self._y[following]
        length: Array = np.sqrt(x * x + y * y) + self._remaining[following]
        return length
