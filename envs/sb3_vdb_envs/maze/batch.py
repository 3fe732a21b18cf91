"""A batch of mazes: state, observation, reward terms and reset; what the single and the vector
environment stand on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb_envs.batched import BatchStep
from sb3_vdb_envs.maze.camera import MazeCamera
from sb3_vdb_envs.maze.layout import GOAL_RADIUS, MazeLayout
from sb3_vdb_envs.maze.physics import PointMassPhysics
from sb3_vdb_envs.maze.rewards import PathLength, control_cost, goal_bonus, goal_distance

START_SPEED = 0.01  # m/s, bound of each start velocity component


def position_space(layout: MazeLayout) -> spaces.Box:
    """Make the box of the positions in m that the outer walls allow."""
    low, high = np.array(layout.box[::2], np.float32), np.array(layout.box[1::2], np.float32)
    return spaces.Box(low, high, dtype=np.float32)


def action_space() -> spaces.Box:
    """Make the box of the force along x and y as a share of the layout's force limit."""
    return spaces.Box(-1.0, 1.0, (2,), dtype=np.float32)


class MazeBatch:
    """n copies of one maze.

    :param layout: the maze
    :param n_mazes: number of copies
    :param start_noise: radius in m of the disc of start positions around the mean start
    :param image_size: height and width of the pictures that are observed; None observes positions
    :raises ValueError: the disc touches a wall, or pictures are too small
    """

    def __init__(
        self, layout: MazeLayout, n_mazes: int, start_noise: float, image_size: int | None = None
    ) -> None:
        if not 0.0 <= start_noise <= layout.start_clearance:
            raise ValueError(
                f"`start_noise` must lie between 0 and {layout.start_clearance:.3f} m, "
                f"the free disc around the start of the {layout.title}, got {start_noise}"
            )
        self.layout, self.n_mazes, self.start_noise = layout, n_mazes, start_noise
        self.physics = PointMassPhysics(layout, n_mazes)
        self._camera = None if image_size is None else MazeCamera(layout, image_size)
        self._path_length = PathLength(layout) if layout.gates else None
        self._remaining: npt.NDArray[np.float64] = np.zeros(
            n_mazes
        )  # m, path length before the next step

    def positions(self) -> npt.NDArray[np.float32]:
        """Return the positions in m, shape (n_mazes, 2)."""
        return self.physics.positions.T.astype(np.float32, order="C")

    @property
    def observation_space(self) -> spaces.Box:
        """The space in which the observations of one maze lie."""
        return position_space(self.layout) if self._camera is None else self._camera.space

    @property
    def action_space(self) -> spaces.Box:
        """The space in which the actions of one maze lie."""
        return action_space()

    def observe(self) -> npt.NDArray[Any]:
        """Return positions, shape (n_mazes, 2), or pictures, shape
        (n_mazes, image_size, image_size, 3).
        """
        positions = self.positions()
        return positions if self._camera is None else self._camera.render(positions)

    def distances(self) -> npt.NDArray[np.float64]:
        """Compute the distances to the goal in m, shape (n_mazes,)."""
        return goal_distance(self.layout, self.physics.positions)

    def info(self) -> dict[str, npt.NDArray[Any]]:
        """Return what the environments report beside observation and reward; arrays of shape
        (n_mazes,).
        """
        distances = self.distances()
        return {"distance_to_goal": distances, "is_success": distances <= GOAL_RADIUS}

    def reset(self, indices: npt.NDArray[np.intp], generators: list[np.random.Generator]) -> None:
        """Put particles at a start position with a random start velocity.

        :param indices: which copies, shape (k,)
        :param generators: one random generator for each of these copies
        """
        samples = np.array([generator.random(4) for generator in generators]).T  # (4, k)
        radius, angle = self.start_noise * np.sqrt(samples[0]), 2 * np.pi * samples[1]
        offsets = np.stack([radius * np.cos(angle), radius * np.sin(angle)])
        positions = np.array(self.layout.start)[:, None] + offsets
        self.physics.place(indices, positions, START_SPEED * (2.0 * samples[2:] - 1.0))
        if self._path_length is not None:
            self._remaining[indices] = self._path_length(positions)

    def step(self, actions: npt.NDArray[np.floating]) -> BatchStep:
        """Advance every copy by one control step.

        :param actions: shape (n_mazes, 2); values beyond [-1, 1] act as the bound they pass
        :return: observations, rewards and, among the infos, their terms
        :raises ValueError: an action is not a number
        """
        forces = np.minimum(np.maximum(actions.T.astype(np.float64), -1.0), 1.0)
        if np.isnan(forces.sum()):
            bad = int(np.flatnonzero(np.isnan(forces).any(axis=0))[0])
            raise ValueError(
                f"action of maze {bad} is {actions[bad].tolist()}; "
                "check the policy for weights that are not finite"
            )
        forces *= self.layout.force_limit
        before = self.distances()
        self.physics.step(forces)
        terms = (
            self._progress_terms(before)
            if self._path_length
            else self._distance_terms(before, forces)
        )
        first, second = terms.values()
        infos = {f"reward/{term}": value for term, value in terms.items()}
        return BatchStep(self.observe(), first + second, infos)

    def _distance_terms(
        self, before: npt.NDArray[np.float64], forces: npt.NDArray[np.float64]
    ) -> dict[str, npt.NDArray[np.float64]]:
        return {"distance": -before, "control": control_cost(forces)}

    def _progress_terms(
        self, before: npt.NDArray[np.float64]
    ) -> dict[str, npt.NDArray[np.float64]]:
        assert self._path_length is not None
        remaining = self._path_length(self.physics.positions)
        progress = self._remaining - remaining
        self._remaining = remaining
        return {"goal": goal_bonus(before), "progress": progress}

    def get_state(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return everything that the next step depends on, as arrays."""
        return {
            "positions": self.physics.positions.T.copy(),
            "displacements": self.physics.displacements.T.copy(),
            "remaining": self._remaining.copy(),
        }

    def set_state(self, state: dict[str, npt.NDArray[np.float64]]) -> None:
        """Restore what :meth:`get_state` returned."""
        self.physics.positions[:] = state["positions"].T
        self.physics.displacements[:] = state["displacements"].T
        self._remaining = state["remaining"].copy()
