"""Physics of many point masses in mazes at once: semi-implicit Euler and frictionless contact with
capsule walls.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.maze.layout import CONTACT_DISTANCE, PARTICLE_RADIUS, MazeLayout

TIMESTEP = 0.01  # s
FRAME_SKIP = 5  # physics steps per control step
DENSITY = 1000.0  # kg / m^3
DAMPING = 1.0  # N s / m
MASS = DENSITY * 4.0 / 3.0 * math.pi * PARTICLE_RADIUS**3  # kg, 0.1131

# MuJoCo's Euler treats joint damping implicitly: v' = (v + dt f / m) / (1 + dt b / m).
VELOCITY_DECAY = 1.0 / (1.0 + TIMESTEP * DAMPING / MASS)
DISPLACEMENT_PER_FORCE = (
    TIMESTEP * TIMESTEP / MASS * VELOCITY_DECAY
)  # m / N, gained by one physics step

Array = npt.NDArray[np.float64]


class PointMassPhysics:
    """Point masses in copies of one maze.

    The motion is kept as a displacement per physics step, ``u = v dt``, which saves a
    multiplication in the inner loop. No two operations mix different copies, so a batch of n moves
    bit for bit like n batches of one.

    :param layout: the maze
    :param n_mazes: number of copies
    :raises ValueError: the walls are too close together for the broad phase (see
        :meth:`_select_walls`)
    """

    def __init__(self, layout: MazeLayout, n_mazes: int) -> None:
        self.layout = layout
        self.n_mazes = n_mazes
        self.positions: Array = np.zeros((2, n_mazes))  # m
        self.displacements: Array = np.zeros((2, n_mazes))  # m per physics step
        self._low, self._high = layout.free_low[:, None], layout.free_high[:, None]
        heights = np.array([wall.y for wall in layout.walls])
        reach = FRAME_SKIP * TIMESTEP * layout.force_limit / DAMPING
        if len(heights) > 1 and np.diff(heights).min() / 2 - CONTACT_DISTANCE < reach:
            raise ValueError(
                f"walls at y = {heights.tolist()} are too close for `force_limit` "
                f"{layout.force_limit}: between two of them there must be at least "
                f"{2 * (reach + CONTACT_DISTANCE):.3f} m"
            )
        self._wall_y, self._midways = heights, (heights[1:] + heights[:-1]) / 2
        self._wall_x_min = np.array([wall.x_min for wall in layout.walls])
        self._wall_x_max = np.array([wall.x_max for wall in layout.walls])
        self._gain, self._next, self._offset = (np.empty((2, n_mazes)) for _ in range(3))
        self._inside = np.empty((2, n_mazes), dtype=bool)
        self._squares = np.empty((2, n_mazes))
        self._distance_squared = np.empty(n_mazes)

    @property
    def velocities(self) -> Array:
        """Velocities in m/s, shape (2, n_mazes); a copy."""
        return self.displacements / TIMESTEP

    def place(self, indices: npt.NDArray[np.intp], positions: Array, velocities: Array) -> None:
        """Put some of the particles somewhere.

        :param indices: which copies, shape (k,)
        :param positions: in m, shape (2, k)
        :param velocities: in m/s, shape (2, k)
        """
        self.positions[:, indices] = positions
        self.displacements[:, indices] = velocities * TIMESTEP

    def step(self, forces: Array) -> None:
        """Advance by one control step (:data:`FRAME_SKIP` physics steps) under constant forces.

        :param forces: in N, shape (2, n_mazes), within the layout's limit
        """
        positions, displacements, gain = self.positions, self.displacements, self._gain
        proposed, inside = self._next, self._inside
        np.multiply(forces, DISPLACEMENT_PER_FORCE, out=gain)
        wall_y, wall_x_min, wall_x_max = self._select_walls()
        for _ in range(FRAME_SKIP):
            np.multiply(displacements, VELOCITY_DECAY, out=displacements)
            np.add(displacements, gain, out=displacements)
            np.add(positions, displacements, out=proposed)
            self._push_out_of_walls(proposed, wall_y, wall_x_min, wall_x_max)
            # Outer walls: the box stops the component that runs into it.
            np.maximum(proposed, self._low, out=positions)
            np.minimum(positions, self._high, out=positions)
            np.equal(positions, proposed, out=inside)
            np.multiply(displacements, inside, out=displacements)

    def _select_walls(self) -> tuple[Any, Any, Any]:
        """Find the axis of the one inner wall that each particle can touch during a control step.

        A particle moves at most ``FRAME_SKIP * TIMESTEP * force_limit / DAMPING`` in a control
        step, less than the way from the middle between two walls to contact with either (checked on
        construction), so the nearer wall is the only candidate.

        :return: y, x_min and x_max, each a float or of shape (n_mazes,)
        """
        if len(self._wall_y) == 1:
            return self._wall_y[0], self._wall_x_min[0], self._wall_x_max[0]
        nearest = np.searchsorted(self._midways, self.positions[1])
        return self._wall_y[nearest], self._wall_x_min[nearest], self._wall_x_max[nearest]

    def _push_out_of_walls(
        self, proposed: Array, wall_y: Any, wall_x_min: Any, wall_x_max: Any
    ) -> None:
        """Move penetrating particles to the wall's surface and remove their velocity into it, in
        place.
        """
        offset, squares = self._offset, self._squares
        np.maximum(proposed[0], wall_x_min, out=offset[0])
        np.minimum(offset[0], wall_x_max, out=offset[0])
        np.subtract(proposed[0], offset[0], out=offset[0])
        np.subtract(proposed[1], wall_y, out=offset[1])
        np.multiply(offset, offset, out=squares)
        np.add(squares[0], squares[1], out=self._distance_squared)
        if self._distance_squared.min() >= CONTACT_DISTANCE**2:
            return
        touching = np.flatnonzero(self._distance_squared < CONTACT_DISTANCE**2)
        # A centre exactly on the axis cannot be reached in one physics step; the floor only keeps
        # the division legal.
        distance = np.sqrt(np.maximum(self._distance_squared[touching], 1e-30))
        normal = offset[:, touching] / distance
        proposed[:, touching] += normal * (CONTACT_DISTANCE - distance)
        velocity = self.displacements[:, touching]
        inward = np.minimum(normal[0] * velocity[0] + normal[1] * velocity[1], 0.0)
        self.displacements[:, touching] = velocity - normal * inward
