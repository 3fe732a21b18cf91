"""Geometry of the C- and the S-maze: box, walls, start, goal and force limit, in metres and
newtons.

Source of the numbers: the environments released with the VDB paper (appendix D, Figure 13); the
C-maze is the one of Fu et al. 2018 (AIRL).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

PARTICLE_RADIUS = 0.03  # m
WALL_RADIUS = 0.02  # m, walls are capsules of this radius
CONTACT_DISTANCE = (
    PARTICLE_RADIUS + WALL_RADIUS
)  # m, between the particle's centre and a wall's axis
GOAL_RADIUS = 0.1  # m, a particle nearer than this has reached the goal
GATE_MARGIN = 0.05  # m, a wall of the S-maze counts as passed this far above its axis


@dataclass(frozen=True)
class Wall:
    """Horizontal inner wall: the axis of a capsule from ``(x_min, y)`` to ``(x_max, y)``."""

    y: float
    x_min: float
    x_max: float


@dataclass(frozen=True)
class MazeLayout:
    """One maze, seen from above.

    :param name: key in ``LAYOUTS``
    :param title: name for people
    :param box: axes of the four outer walls, ``(x_min, x_max, y_min, y_max)`` in m
    :param walls: inner walls, from bottom to top
    :param start: mean start position in m
    :param goal: goal position in m
    :param force_limit: largest force along each axis in N; an action of 1 asks for it
    :param gates: x of the centre of each wall's gap in m, bottom to top; empty where the reward
        needs no path
    """

    name: str
    title: str
    box: tuple[float, float, float, float]
    walls: tuple[Wall, ...]
    start: tuple[float, float]
    goal: tuple[float, float]
    force_limit: float
    gates: tuple[float, ...] = ()

    @property
    def free_low(self) -> npt.NDArray[np.float64]:
        """Lowest position the particle's centre can take, shape (2,), in m."""
        return np.array([self.box[0], self.box[2]]) + CONTACT_DISTANCE

    @property
    def free_high(self) -> npt.NDArray[np.float64]:
        """Highest position the particle's centre can take, shape (2,), in m."""
        return np.array([self.box[1], self.box[3]]) - CONTACT_DISTANCE

    @property
    def start_clearance(self) -> float:
        """Radius in m of the largest disc of free positions around the mean start."""
        x, y = self.start
        to_box = min(
            *(np.array(self.start) - self.free_low), *(self.free_high - np.array(self.start))
        )
        to_walls = [
            float(np.hypot(x - min(max(x, wall.x_min), wall.x_max), y - wall.y)) - CONTACT_DISTANCE
            for wall in self.walls
        ]
        return float(min([to_box, *to_walls]))


def _c_maze(name: str, title: str, wall: Wall) -> MazeLayout:
    return MazeLayout(
        name, title, (-0.1, 0.6, -0.1, 0.6), (wall,), (0.3, 0.0), (0.3, 0.5), force_limit=1.0
    )


def _s_maze(name: str, title: str, side: float) -> MazeLayout:
    """Make the S-maze whose first gap lies on the right for ``side = 1`` and on the left for
    ``side = -1``.
    """
    lower = Wall(0.6, *sorted((-0.3 * side, 0.1 * side)))
    upper = Wall(1.2, *sorted((-0.1 * side, 0.3 * side)))
    box, start, goal = (-0.3, 0.3, 0.0, 1.8), (0.0, 0.3), (0.0, 1.5)
    return MazeLayout(
        name,
        title,
        box,
        (lower, upper),
        start,
        goal,
        force_limit=5.0,
        gates=(0.2 * side, -0.2 * side),
    )


# The flipped C-maze is no exact mirror image: its gap is 0.2 m wide and that of the training maze
# 0.3 m, as released.
LAYOUTS: Mapping[str, MazeLayout] = MappingProxyType(
    {
        layout.name: layout
        for layout in (
            _c_maze("c_maze", "C-maze", Wall(0.3, 0.2, 0.6)),
            _c_maze("c_maze_flipped", "C-maze, flipped", Wall(0.3, -0.1, 0.4)),
            _s_maze("s_maze", "S-maze", 1.0),
            _s_maze("s_maze_flipped", "S-maze, flipped", -1.0),
        )
    }
)


def layout_named(layout: str | MazeLayout, force_limit: float | None = None) -> MazeLayout:
    """Return the layout of that name, or the layout itself.

    :param layout: either
    :param force_limit: largest force along each axis in N, in place of the layout's
    :raises ValueError: unknown name, or a force that is not positive
    """
    if not isinstance(layout, MazeLayout):
        if layout not in LAYOUTS:
            raise ValueError(
                f"`layout` must be one of {', '.join(LAYOUTS)} or a MazeLayout, got {layout!r}"
            )
        layout = LAYOUTS[layout]
    if force_limit is None:
        return layout
    if not 0.0 < force_limit < float("inf"):
        raise ValueError(f"`force_limit` must be a positive number of newtons, got {force_limit}")
    return replace(layout, force_limit=force_limit)
