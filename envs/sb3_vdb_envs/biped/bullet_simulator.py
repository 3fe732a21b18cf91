"""Bullet, the paper's simulator, for the biped."""

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
from sb3_vdb_envs.humanoid.bullet_simulator import (
    BulletSimulator,
    add_links,
    add_urdf_joint,
    add_urdf_limits,
    add_urdf_mass,
)
from sb3_vdb_envs.humanoid.character import JOINTS
from sb3_vdb_envs.humanoid.kinematics import CharacterState

Array = npt.NDArray[np.float64]

SLIDERS = ("forward", "up")  # links that hold nothing, between the world and the root
ROOT_COORDINATES = 3
NO_ACCELERATION = [0.0] * (ROOT_COORDINATES + len(HINGES))
STIFFNESS = np.array([JOINTS[i].stiffness for i in HINGES])
DAMPINGS = np.array([0.0] * ROOT_COORDINATES + [JOINTS[i].damping for i in HINGES])
TORQUE_LIMITS = np.array([JOINTS[i].torque_limit for i in HINGES])
SLIDER_MASS = 1e-3  # kg; Bullet wants one


def urdf(welded: Sequence[float]) -> str:
    """Describe the biped in the format that Bullet reads: a fixed base, two sliders, the root.

    :param welded: angles of the welded joints, rad
    """
    robot = ElementTree.Element("robot", name="biped")
    for name in ("world", *SLIDERS):
        add_urdf_mass(ElementTree.SubElement(robot, "link", name=name), SLIDER_MASS)
    add_links(robot)
    for name, parent, axis in (("forward", "world", "1 0 0"), ("up", "forward", "0 0 1")):
        joint = ElementTree.SubElement(robot, "joint", name=f"{name}_joint", type="prismatic")
        _connect(joint, parent, name, axis)
        ElementTree.SubElement(
            joint, "limit", lower="1", upper="-1", effort="1000", velocity="1000"
        )
    pitch = ElementTree.SubElement(robot, "joint", name="root_joint", type="continuous")
    _connect(pitch, "up", "root", " ".join(f"{value:g}" for value in character.HINGE_AXIS))
    angles = dict(zip((character.MOVING[row] for row in WELDED_ROWS), welded, strict=True))
    for i, each in enumerate(JOINTS[1:], start=1):
        limits = character.HINGE_LIMITS.get(each.name.split("_")[-1])
        if i in HINGES:
            element = add_urdf_joint(robot, each, "continuous" if limits is None else "revolute")
            if limits is not None:
                add_urdf_limits(element, limits)
            continue
        element = add_urdf_joint(robot, each, "fixed")
        turn = angles.get(i, 0.0) * character.HINGE_AXIS
        element[2].set("rpy", " ".join(f"{value:.17g}" for value in turn))
    return ElementTree.tostring(robot, encoding="unicode")


def _connect(joint: ElementTree.Element, parent: str, child: str, axis: str) -> None:
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)
    ElementTree.SubElement(joint, "axis", xyz=axis)


class BulletBipedSimulator(BulletSimulator):
    """One biped in a Bullet client of its own; see :class:`BulletSimulator`.

    :param welded: angles of the welded joints, rad
    :param timestep: s; 1/1200 is the paper's
    :raises ValueError: a timestep that does not divide 1/30 s
    :raises DependencyNotInstalled: pybullet is missing
    """

    actuated = HINGES
    is_hinge = (True,) * len(HINGES)
    first_link = len(SLIDERS)

    def __init__(self, welded: Sequence[float], timestep: float = 1 / 1200) -> None:
        self._welded = tuple(welded)
        super().__init__(timestep)

    def _urdf(self) -> str:
        return urdf(self._welded)

    def _load_arguments(self) -> dict[str, Any]:
        return {"useFixedBase": True}

    def _build(self) -> None:
        super()._build()
        root = [*range(self.first_link + 1)]
        for link in root:  # nothing brakes the root
            self._bullet.setJointMotorControl2(
                self._body, link, self._bullet.VELOCITY_CONTROL, force=0
            )
        self._coordinates = [*root, *self._links]

    def get(self) -> CharacterState:
        """Return the present state."""
        states = self._bullet.getJointStates(self._body, self._coordinates)
        values = np.array([state[0] for state in states])
        rates = np.array([state[1] for state in states])
        position, velocity = np.zeros((1, 3)), np.zeros((1, 3))
        position[0, PLANE], velocity[0, PLANE] = values[:2], rates[:2]
        pose = np.empty((1, character.N_MOVING, 4))
        spin = np.zeros((1, character.N_MOVING, 3))
        pose[0, TURNING] = rotations_of(values[2:])
        pose[0, list(WELDED_ROWS)] = rotations_of(np.array(self._welded))
        spin[0, TURNING] = rates[2:, None] * character.HINGE_AXIS
        return CharacterState(position, pose, velocity, spin)

    def put(self, indices: npt.NDArray[np.intp], state: CharacterState) -> None:
        """Place the biped."""
        if not len(indices):
            return
        self._placed = True
        self._build()
        values = [*state.root_position[0, PLANE], *angles_of(state.rotations[0, TURNING])]
        rates = [
            *state.root_velocity[0, PLANE],
            *(state.angular_velocities[0, TURNING] @ character.HINGE_AXIS),
        ]
        for link, value, rate in zip(self._coordinates, values, rates, strict=True):
            self._bullet.resetJointState(self._body, link, value, rate)

    def step(self, targets: Array) -> None:
        """Simulate one control step."""
        # as Bullet counts them, whole turns included
        present = [state[0] for state in self._bullet.getJointStates(self._body, self._links)]
        aims = nearest_targets(targets[0], np.array(present))
        for _ in range(self._substeps):
            self._bullet.setJointMotorControlArray(
                self._body,
                self._links,
                self._bullet.TORQUE_CONTROL,
                forces=self._torques(aims).tolist(),
            )
            self._bullet.stepSimulation()

    def _torques(self, aims: Array) -> Array:
        """Compute the torques of stable PD control (Tan et al. 2011), N m, shape (9,): of the pose
        and velocity at the end of the physics step, predicted without contact. Bullet's own, which
        the humanoid has, does not work on a base that is fixed.

        :param aims: rad, shape (9,)
        """
        states = self._bullet.getJointStates(self._body, self._coordinates)
        values, rates = [state[0] for state in states], [state[1] for state in states]
        mass = np.array(self._bullet.calculateMassMatrix(self._body, values))
        bias = self._bullet.calculateInverseDynamics(self._body, values, rates, NO_ACCELERATION)
        rate = np.array(rates)
        pull = np.zeros(len(values))
        pull[ROOT_COORDINATES:] = STIFFNESS * (
            aims - np.array(values[ROOT_COORDINATES:]) - self.timestep * rate[ROOT_COORDINATES:]
        )
        pull -= DAMPINGS * rate
        acceleration = np.linalg.solve(
            mass + self.timestep * np.diag(DAMPINGS), pull - np.array(bias)
        )
        torques = pull - self.timestep * DAMPINGS * acceleration
        return np.clip(torques[ROOT_COORDINATES:], -TORQUE_LIMITS, TORQUE_LIMITS)

    def _twin(self) -> BulletBipedSimulator:
        return BulletBipedSimulator(self._welded, self.timestep)
