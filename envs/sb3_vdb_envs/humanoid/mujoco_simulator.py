"""MuJoCo as the humanoid's simulator: all characters at once, on a pool of threads."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.kinematics import CharacterState
from sb3_vdb_envs.humanoid.mujoco_model import model_xml
from sb3_vdb_envs.humanoid.simulator import NOMINAL, Plant, substeps
from sb3_vdb_envs.rollout_pool import RolloutPool

Array = npt.NDArray[np.float64]

STABLE_TIMESTEP = 1 / 180  # s; above it the feet chatter and policies fall
CHEST = "chest"  # the body that is pushed


class MujocoSimulator:
    """Steps all characters as one batch with a :class:`.RolloutPool`.

    The PD targets of ball joints are corrected once a control step, so that the actuator sees the
    shortest rotation from the present pose to the target instead of the difference of two rotation
    vectors, which is wrong far from zero.

    A subclass simulates another character: it says what its model is, and where coordinates stand
    in its state vector.

    :param n: number of characters
    :param timestep: s; 1/240 trains, 1/1200 is the paper's
    :param threads: worker threads; None for one per core, and none for small batches
    :param plant: what differs from the character that policies are trained with
    :raises ValueError: a timestep that does not divide 1/30 s or is unstable
    """

    def __init__(
        self,
        n: int,
        timestep: float = 1 / 240,
        threads: int | None = None,
        plant: Plant = NOMINAL,
    ) -> None:
        mujoco = require("mujoco", "humanoid")
        n_substeps = substeps(timestep, character.CONTROL_RATE)
        if timestep > STABLE_TIMESTEP + 1e-9:
            raise ValueError(
                f"`timestep` {timestep:.5f} s is too long: the feet chatter and policies fall; "
                "use at most 1/180 s"
            )
        self.timestep, self.plant = timestep, plant
        self._model = mujoco.MjModel.from_xml_string(self._xml())
        self._model.body_mass[:] *= plant.mass_scale
        self._model.body_inertia[:] *= plant.mass_scale
        self._model.geom_friction[:] *= plant.friction_scale
        self._pool = RolloutPool(self._model, n, n_substeps, threads)
        self._chest = 6 * self._model.body(CHEST).id
        self._forces: Array | None = None  # on the bodies in the next control step
        self._columns: Columns = self._make_columns()
        self._initial = np.zeros((n, self._pool.size))
        self._initial[:, self._columns.quaternions] = 1.0

    def _xml(self) -> str:
        """Describe the model."""
        return model_xml(self.timestep)

    def _make_columns(self) -> Columns:
        """Find the coordinates in the state vector."""
        return _HumanoidColumns(self._model)

    def get(self) -> CharacterState:
        """Return the present state of all characters."""
        return self._columns.read(self._initial)

    def put(self, indices: npt.NDArray[np.intp], state: CharacterState) -> None:
        """Place some characters."""
        rows = np.zeros((len(indices), self._pool.size))
        self._columns.write(rows, state)
        self._initial[indices] = rows

    def step(self, targets: Array) -> None:
        """Simulate one control step."""
        self._pool.step(self._initial, self._corrected(targets), self._forces)
        self._forces = None

    def push(self, forces: Array) -> None:
        """Let forces act on the chests during the next control step.

        :param forces: in world axes, N, shape (n, 3)
        """
        self._forces = np.zeros((len(forces), 6 * self._model.nbody))
        self._forces[:, self._chest : self._chest + 3] = forces

    def _corrected(self, targets: Array) -> Array:
        """Turn the targets of ball joints into log q + log(q^-1 q*), with q the present rotation
        and q* the target.
        """
        columns = character.BALL_COLUMNS
        assert isinstance(self._columns, _HumanoidColumns)
        present = self._initial[:, 1 + self._columns.ball_quaternions]
        wanted = rotations.from_rotation_vector(targets[:, columns].reshape(len(targets), -1, 3))
        error = rotations.rotation_vector(rotations.multiply(rotations.conjugate(present), wanted))
        corrected = targets.copy()
        corrected[:, columns] = (rotations.rotation_vector(present) + error).reshape(
            len(targets), -1
        )
        return corrected

    def get_state(self) -> Array:
        """Return MuJoCo's state vectors, shape (n, size)."""
        return self._initial.copy()

    def set_state(self, state: Array) -> None:
        """Restore what :meth:`get_state` returned."""
        self._initial[:] = state

    def __deepcopy__(self, memo: dict[int, Any]) -> MujocoSimulator:
        """Copy the characters where they are, with a pool of threads of its own."""
        copied = self._twin()
        copied.set_state(self._initial)
        memo[id(self)] = copied
        return copied

    def _twin(self) -> MujocoSimulator:
        """Make a simulator of the same characters."""
        threads = self._pool.threads or 1
        return MujocoSimulator(len(self._initial), self.timestep, threads, self.plant)

    def close(self) -> None:
        """Stop the threads."""
        self._pool.close()


class Columns(Protocol):
    """Where coordinates stand in MuJoCo's state vector (time, positions, velocities)."""

    quaternions: npt.NDArray[np.intp]  # columns that are 1 where nothing is turned

    def read(self, rows: Array) -> CharacterState:
        """Read coordinates from state vectors, shape (n, size)."""

    def write(self, rows: Array, state: CharacterState) -> None:
        """Write coordinates into state vectors, shape (n, size)."""


class _HumanoidColumns:
    """A free root, ball joints and hinges; see :class:`Columns`."""

    def __init__(self, model: Any) -> None:
        joints = [model.joint(character.NAMES[i]) for i in character.ACTUATED]
        position = np.array([joint.qposadr[0] for joint in joints])
        velocity = np.array([joint.dofadr[0] for joint in joints])
        balls, hinges = character.BALLS, character.HINGES
        self.first_velocity = 1 + model.nq
        self.ball_quaternions = position[balls][:, None] + np.arange(4)
        self.hinge_angles = position[hinges]
        self.ball_velocities = velocity[balls][:, None] + np.arange(3)
        self.hinge_velocities = velocity[hinges]
        self.quaternions = np.array([4, *(1 + self.ball_quaternions[:, 0])])

    def read(self, rows: Array) -> CharacterState:
        """Read coordinates from state vectors, shape (n, size)."""
        n, first = len(rows), self.first_velocity
        pose = np.empty((n, character.N_MOVING, 4))
        spin = np.empty((n, character.N_MOVING, 3))
        pose[:, 0], spin[:, 0] = rows[:, 4:8], rows[:, first + 3 : first + 6]
        pose[:, 1 + character.BALLS] = rows[:, 1 + self.ball_quaternions]
        spin[:, 1 + character.BALLS] = rows[:, first + self.ball_velocities]
        angles = rows[:, 1 + self.hinge_angles][..., None] * character.HINGE_AXIS
        pose[:, 1 + character.HINGES] = rotations.from_rotation_vector(angles)
        spin[:, 1 + character.HINGES] = (
            rows[:, first + self.hinge_velocities][..., None] * character.HINGE_AXIS
        )
        return CharacterState(rows[:, 1:4].copy(), pose, rows[:, first : first + 3].copy(), spin)

    def write(self, rows: Array, state: CharacterState) -> None:
        """Write coordinates into state vectors, shape (n, size)."""
        first = self.first_velocity
        rows[:, 1:4], rows[:, first : first + 3] = state.root_position, state.root_velocity
        rows[:, 4:8] = state.rotations[:, 0]
        rows[:, first + 3 : first + 6] = state.angular_velocities[:, 0]
        rows[:, 1 + self.ball_quaternions] = state.rotations[:, 1 + character.BALLS]
        rows[:, first + self.ball_velocities] = state.angular_velocities[:, 1 + character.BALLS]
        vectors = rotations.rotation_vector(state.rotations[:, 1 + character.HINGES])
        rows[:, 1 + self.hinge_angles] = vectors @ character.HINGE_AXIS
        rows[:, first + self.hinge_velocities] = (
            state.angular_velocities[:, 1 + character.HINGES] @ character.HINGE_AXIS
        )
