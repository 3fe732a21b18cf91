"""MuJoCo as the biped's simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.biped.character import (
    HINGES,
    PLANE,
    TURNING,
    WELDED_ROWS,
    angles_of,
    nearest_targets,
    rotations_of,
)
from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.character import JOINTS, Joint
from sb3_vdb_envs.humanoid.kinematics import CharacterState
from sb3_vdb_envs.humanoid.mujoco_model import (
    COLOURS,
    add_actuator,
    add_body,
    add_hinge,
    on_a_plane,
)
from sb3_vdb_envs.humanoid.mujoco_simulator import Columns, MujocoSimulator
from sb3_vdb_envs.humanoid.simulator import NOMINAL, Plant

Array = npt.NDArray[np.float64]

ROOT_AXES = {"forward": "1 0 0", "up": "0 0 1"}
START_HEIGHT = 1.0  # m, of the root in the model's description, from where MuJoCo counts it


def model_xml(timestep: float, welded: Sequence[float]) -> str:
    """Describe the biped on a plane for MuJoCo: 3 coordinates of the root, then the hinges.

    :param timestep: s
    :param welded: angles of the welded joints, rad
    """
    angles = dict(zip(WELDED_ROWS, welded, strict=True))

    def add_joint(body: ElementTree.Element, joint: Joint, prefix: str) -> None:
        index = JOINTS.index(joint)
        if joint.kind == "free":
            for name, axis in ROOT_AXES.items():
                ElementTree.SubElement(body, "joint", name=name, type="slide", axis=axis)
            hinge = " ".join(str(value) for value in character.HINGE_AXIS)
            ElementTree.SubElement(body, "joint", name="pitch", type="hinge", axis=hinge)
        elif index in HINGES:
            add_hinge(
                body, prefix + joint.name, character.HINGE_LIMITS.get(joint.name.split("_")[-1])
            )
        elif index in character.MOVING:
            turned = rotations_of(np.array(angles[character.MOVING.index(index)]))
            body.set("quat", " ".join(f"{value:.17g}" for value in turned))

    root, world, actuators = on_a_plane(timestep)
    add_body(world, 0, "", COLOURS, add_joint=add_joint)
    for index in HINGES:
        add_actuator(actuators, JOINTS[index], "1")
    return ElementTree.tostring(root, encoding="unicode")


class BipedSimulator(MujocoSimulator):
    """Steps all bipeds as one batch; see :class:`MujocoSimulator`.

    :param n: number of bipeds
    :param welded: angles of the welded joints, rad
    :param timestep: s; 1/240 trains, 1/1200 is the paper's
    :param threads: worker threads; None for one per core, and none for small batches
    :param plant: what differs from the character that policies are trained with
    :raises ValueError: a timestep that does not divide 1/30 s or is unstable
    """

    def __init__(
        self,
        n: int,
        welded: Sequence[float],
        timestep: float = 1 / 240,
        threads: int | None = None,
        plant: Plant = NOMINAL,
    ) -> None:
        self._welded = tuple(welded)
        super().__init__(n, timestep, threads, plant)

    def _xml(self) -> str:
        return model_xml(self.timestep, self._welded)

    def _make_columns(self) -> Columns:
        return _BipedColumns(self._model, self._welded)

    def _corrected(self, targets: Array) -> Array:
        """Let joints turn the shortest way, as the humanoid's ball joints do."""
        assert isinstance(self._columns, _BipedColumns)
        present = self._initial[:, self._columns.angles[1:]]
        return nearest_targets(targets, present)

    def _twin(self) -> BipedSimulator:
        n, threads = len(self._initial), self._pool.threads or 1
        return BipedSimulator(n, self._welded, self.timestep, threads, self.plant)


class _BipedColumns:
    """A root that slides forward and up and turns, and hinges; see :class:`Columns`."""

    def __init__(self, model: Any, welded: Sequence[float]) -> None:
        names = ["pitch", *(character.NAMES[i] for i in HINGES)]
        joints = [model.joint(name) for name in names]
        self.angles = np.array([1 + joint.qposadr[0] for joint in joints])
        self._root, first = slice(1, 3), 1 + model.nq
        self._root_velocity = slice(first, first + 2)
        self._angular = np.array([first + joint.dofadr[0] for joint in joints])
        self._welded = rotations_of(np.array(welded))  # (3, 4)
        self.quaternions = np.empty(0, dtype=np.intp)

    def read(self, rows: Array) -> CharacterState:
        """Read coordinates from state vectors, shape (n, size)."""
        n = len(rows)
        position, velocity = np.zeros((n, 3)), np.zeros((n, 3))
        position[:, PLANE] = rows[:, self._root] + (0.0, START_HEIGHT)
        velocity[:, PLANE] = rows[:, self._root_velocity]
        pose = np.empty((n, character.N_MOVING, 4))
        spin = np.zeros((n, character.N_MOVING, 3))
        pose[:, TURNING] = rotations_of(rows[:, self.angles])
        pose[:, list(WELDED_ROWS)] = self._welded
        spin[:, TURNING] = rows[:, self._angular, None] * character.HINGE_AXIS
        return CharacterState(position, pose, velocity, spin)

    def write(self, rows: Array, state: CharacterState) -> None:
        """Write coordinates into state vectors, shape (n, size)."""
        rows[:, self._root] = state.root_position[:, PLANE] - (0.0, START_HEIGHT)
        rows[:, self._root_velocity] = state.root_velocity[:, PLANE]
        rows[:, self.angles] = angles_of(state.rotations[:, TURNING])
        rows[:, self._angular] = state.angular_velocities[:, TURNING] @ character.HINGE_AXIS
