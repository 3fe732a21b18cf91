"""Pictures of a maze: walls, goal, the particle and its trail."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.maze.layout import GOAL_RADIUS, PARTICLE_RADIUS, WALL_RADIUS, MazeLayout
from sb3_vdb_envs.raster import Canvas

IMAGE_HEIGHT = 256  # pixels
WALL_COLOUR, GOAL_COLOUR = (52, 58, 70), (46, 160, 67)
AGENT_COLOUR, TRAIL_COLOUR = (214, 73, 51), (235, 160, 140)


def render_walls(canvas: Canvas, layout: MazeLayout) -> None:
    """Render outer and inner walls."""
    x_min, x_max, y_min, y_max = layout.box
    corners = [(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max), (x_min, y_min)]
    segments = list(pairwise(corners))
    segments += [((wall.x_min, wall.y), (wall.x_max, wall.y)) for wall in layout.walls]
    for start, end in segments:
        canvas.capsule(start, end, WALL_RADIUS, WALL_COLOUR)


class MazePicture:
    """Renders one maze; what does not move is rendered once.

    :param layout: the maze
    :param height: height of the picture in pixels
    """

    def __init__(self, layout: MazeLayout, height: int = IMAGE_HEIGHT) -> None:
        x_min, x_max, y_min, y_max = layout.box
        margin = 2 * WALL_RADIUS
        self._still = Canvas(
            (x_min - margin, x_max + margin, y_min - margin, y_max + margin), height
        )
        self._still.disc(layout.goal, GOAL_RADIUS, GOAL_COLOUR, alpha=0.2)
        self._still.disc(layout.goal, WALL_RADIUS, GOAL_COLOUR)
        render_walls(self._still, layout)

    def render(self, trail: Sequence[npt.NDArray[np.floating]]) -> npt.NDArray[np.uint8]:
        """Render a particle at the end of its trail.

        :param trail: positions in m since the reset, each of shape (2,); the last one is where the
            particle is
        :return: RGB image, shape (height, width, 3)
        """
        canvas = self._still.copy()
        points = [(float(point[0]), float(point[1])) for point in trail]
        for start, end in pairwise(points):
            canvas.capsule(start, end, PARTICLE_RADIUS / 4, TRAIL_COLOUR)
        canvas.disc(points[-1], PARTICLE_RADIUS, AGENT_COLOUR)
        return canvas.to_uint8()
