"""Bullet, the paper's simulator of the humanoid, with stable PD control at 1.2 kHz."""

from __future__ import annotations

import os
import tempfile
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.character import JOINTS, Joint
from sb3_vdb_envs.humanoid.kinematics import CharacterState
from sb3_vdb_envs.humanoid.simulator import substeps

Array = npt.NDArray[np.float64]

SOLVER_ITERATIONS = 10
URDF_KINDS = {"ball": "spherical", "hinge": "revolute", "fixed": "fixed"}
ROOT_CENTRE = np.array([JOINTS[0].centre])  # Bullet's base frame is at the centre of mass


class BulletSimulator:
    """One character in a Bullet client of its own.

    Stable PD (Tan et al. 2011) computes torques at every physics step from the pose predicted
    without contact; they are limited per axis, as in pybullet's own port of DeepMimic (DeepMimic
    itself limits the length of the torque vector). A loaded foot gets less ankle torque from it
    than the gain says, the less the longer the step; MuJoCo's controller has no such loss.

    :param timestep: s; 1/1200 is the paper's
    :raises ValueError: a timestep that does not divide 1/30 s
    :raises DependencyNotInstalled: pybullet is missing
    """

    actuated = character.ACTUATED
    is_hinge = tuple(bool(hinge) for hinge in character.IS_HINGE)
    first_link = (
        -1
    )  # Bullet's number of the root; link i is joint i - 1, since the root is the base

    def __init__(self, timestep: float = 1 / 1200) -> None:
        pybullet = require("pybullet", "bullet")
        client = require("pybullet_utils.bullet_client", "bullet")
        self.timestep = timestep
        self._substeps = substeps(timestep, character.CONTROL_RATE)
        bullet: Any = client.BulletClient(connection_mode=pybullet.DIRECT)
        self._bullet: Any = bullet
        self._placed = False
        self._build()
        joints = [JOINTS[i] for i in self.actuated]
        widths = [1 if hinge else 3 for hinge in self.is_hinge]
        self._gains = {
            "positionGains": [joint.stiffness for joint in joints],
            "velocityGains": [joint.damping for joint in joints],
            "forces": [[j.torque_limit] * width for j, width in zip(joints, widths, strict=True)],
            "targetVelocities": [[0.0] * width for width in widths],
        }

    def _build(self) -> None:
        """Make the world anew: otherwise contacts and the solver's memory of an earlier episode
        would reach into the next one.
        """
        bullet = self._bullet
        bullet.resetSimulation()
        bullet.setGravity(0, 0, -character.GRAVITY)
        bullet.setPhysicsEngineParameter(numSolverIterations=SOLVER_ITERATIONS)
        bullet.setTimeStep(self.timestep)
        ground = bullet.createCollisionShape(bullet.GEOM_PLANE)
        self._ground = bullet.createMultiBody(0, ground)
        self._body = _load(bullet, self._urdf(), **self._load_arguments())
        for index in range(-1, bullet.getNumJoints(self._body)):
            bullet.changeDynamics(
                self._body, index, lateralFriction=character.FRICTION, linearDamping=0,
                angularDamping=0, jointDamping=0,
            )  # fmt: skip
        bullet.changeDynamics(self._ground, -1, lateralFriction=character.FRICTION)
        self._links = [i + self.first_link for i in self.actuated]
        for link, hinge in zip(self._links, self.is_hinge, strict=True):
            if hinge:
                bullet.setJointMotorControl2(self._body, link, bullet.VELOCITY_CONTROL, force=0)
            else:
                bullet.setJointMotorControlMultiDof(
                    self._body, link, bullet.POSITION_CONTROL, targetPosition=[0, 0, 0, 1],
                    positionGain=0, velocityGain=0, force=[0, 0, 0],
                )  # fmt: skip

    def _urdf(self) -> str:
        return urdf()

    def _load_arguments(self) -> dict[str, Any]:
        return {"basePosition": [0, 0, 1]}

    def get(self) -> CharacterState:
        """Return the present state."""
        position, orientation = self._bullet.getBasePositionAndOrientation(self._body)
        velocity, spin = map(np.array, self._bullet.getBaseVelocity(self._body))
        pose = np.zeros((1, character.N_MOVING, 4))
        spins = np.zeros((1, character.N_MOVING, 3))
        pose[0, 0] = _wxyz(orientation)
        spins[0, 0] = rotations.rotate(rotations.conjugate(pose[0, 0]), spin)
        arm = rotations.rotate(pose[:, 0], ROOT_CENTRE)
        joints = self._bullet.getJointStatesMultiDof(self._body, self._links)
        for i, (joint, hinge) in enumerate(zip(joints, character.IS_HINGE, strict=True), start=1):
            if hinge:
                vector = joint[0][0] * character.HINGE_AXIS
                pose[0, i] = rotations.from_rotation_vector(vector)
                spins[0, i] = joint[1][0] * character.HINGE_AXIS
            else:
                pose[0, i], spins[0, i] = _wxyz(joint[0]), joint[1]
        linear = velocity[None] - rotations.cross(spin[None], arm)
        return CharacterState(np.array(position)[None] - arm, pose, linear, spins)

    def put(self, indices: npt.NDArray[np.intp], state: CharacterState) -> None:
        """Place the character."""
        if not len(indices):
            return
        self._placed = True
        self._build()
        arm = rotations.rotate(state.rotations[:, 0], ROOT_CENTRE)
        spin = rotations.rotate(state.rotations[:, 0], state.angular_velocities[:, 0])
        velocity = state.root_velocity + rotations.cross(spin, arm)
        self._bullet.resetBasePositionAndOrientation(
            self._body, (state.root_position + arm)[0], _xyzw(state.rotations[0, 0])
        )
        self._bullet.resetBaseVelocity(self._body, velocity[0], spin[0])
        for i, (link, hinge) in enumerate(
            zip(self._links, character.IS_HINGE, strict=True), start=1
        ):
            rotation, rate = state.rotations[0, i], state.angular_velocities[0, i]
            if hinge:
                angle = rotations.rotation_vector(rotation) @ character.HINGE_AXIS
                value, speed = [angle], [rate @ character.HINGE_AXIS]
            else:
                value, speed = _xyzw(rotation), rate.tolist()
            self._bullet.resetJointStateMultiDof(self._body, link, value, speed)

    def step(self, targets: Array) -> None:
        """Simulate one control step."""
        wanted = self._wanted(targets[0])
        for _ in range(self._substeps):
            self._bullet.setJointMotorControlMultiDofArray(
                self._body, self._links, self._bullet.STABLE_PD_CONTROL, targetPositions=wanted,
                **self._gains,
            )  # fmt: skip
            self._bullet.stepSimulation()

    def _wanted(self, targets: Array) -> list[list[float]]:
        """Give the pose of every actuated joint that a controller is to reach.

        :param targets: shape (28,)
        """
        wanted: list[list[float]] = []
        for part, hinge in zip(character.TARGET_SLICES, character.IS_HINGE, strict=True):
            values = targets[part]
            wanted.append(
                values.tolist() if hinge else _xyzw(rotations.from_rotation_vector(values))
            )
        return wanted

    def push(self, forces: Array) -> None:
        """Refuse: pushes are MuJoCo's."""
        raise NotImplementedError("pushes are not simulated in Bullet; use the MuJoCo ids")

    def get_state(self) -> Array:
        """Refuse, since Bullet keeps contacts that cannot be read."""
        raise NotImplementedError("Bullet's contacts cannot be saved; use the MuJoCo ids to resume")

    def set_state(self, state: Array) -> None:
        """Refuse, since Bullet keeps contacts that cannot be set."""
        raise NotImplementedError("Bullet's contacts cannot be set; use the MuJoCo ids to resume")

    def __deepcopy__(self, memo: dict[int, Any]) -> BulletSimulator:
        """Make another one, as long as nothing has been placed.

        :raises NotImplementedError: Bullet keeps contacts that cannot be copied
        """
        if self._placed:
            raise NotImplementedError(
                "Bullet's contacts cannot be copied; copy the environment before its first "
                "reset(), or use the MuJoCo ids"
            )
        return self._twin()

    def _twin(self) -> BulletSimulator:
        """Make a simulator of the same character."""
        return BulletSimulator(self.timestep)

    def close(self) -> None:
        """Close Bullet's client."""
        if self._bullet is not None:
            self._bullet.disconnect()
            self._bullet = None


def _wxyz(quaternion: Any) -> Array:
    return np.roll(np.asarray(quaternion, dtype=np.float64), 1)


def _xyzw(quaternion: Array) -> list[float]:
    return np.roll(quaternion, -1).tolist()


def _load(bullet: Any, description: str, **arguments: Any) -> int:
    """Make a character out of its description; Bullet reads it from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "character.urdf")
        with open(path, "w") as file:
            file.write(description)
        flags = (
            bullet.URDF_MAINTAIN_LINK_ORDER
            | bullet.URDF_USE_SELF_COLLISION
            | bullet.URDF_USE_SELF_COLLISION_EXCLUDE_PARENT
        )
        return int(bullet.loadURDF(path, flags=flags, **arguments))


def urdf() -> str:
    """Describe the character in the format that Bullet reads."""
    robot = ElementTree.Element("robot", name="humanoid")
    add_links(robot)
    for joint in JOINTS[1:]:
        element = add_urdf_joint(robot, joint, URDF_KINDS[joint.kind])
        if joint.kind == "hinge":
            add_urdf_limits(element, character.HINGE_LIMITS[joint.name.split("_")[1]])
    return ElementTree.tostring(robot, encoding="unicode")


def add_links(robot: ElementTree.Element) -> None:
    """Add the 15 bodies to a description."""
    for joint in JOINTS:
        link = ElementTree.SubElement(robot, "link", name=joint.name)
        centre = " ".join(f"{value:.9g}" for value in joint.centre)
        add_urdf_mass(link, joint.mass, centre)
        collision = ElementTree.SubElement(link, "collision")
        ElementTree.SubElement(collision, "origin", xyz=centre)
        geometry = ElementTree.SubElement(collision, "geometry")
        if joint.shape == "box":
            size = " ".join(f"{2 * value:.9g}" for value in joint.size)
            ElementTree.SubElement(geometry, "box", size=size)
        elif joint.shape == "capsule":
            ElementTree.SubElement(
                geometry, "capsule", radius=str(joint.size[0]), length=str(2 * joint.size[1])
            )
        else:
            ElementTree.SubElement(geometry, "sphere", radius=str(joint.size[0]))


def add_urdf_mass(link: ElementTree.Element, mass: float, centre: str = "0 0 0") -> None:
    """Add a mass to a link; Bullet computes the inertia from the shape.

    :param link: gets the mass
    :param mass: kg
    :param centre: of mass, m
    """
    inertial = ElementTree.SubElement(link, "inertial")
    ElementTree.SubElement(inertial, "origin", xyz=centre)
    ElementTree.SubElement(inertial, "mass", value=str(mass))
    ElementTree.SubElement(inertial, "inertia", ixx="0", ixy="0", ixz="0", iyy="0", iyz="0",
                           izz="0")  # fmt: skip


def add_urdf_joint(robot: ElementTree.Element, joint: Joint, kind: str) -> ElementTree.Element:
    """Add the joint of a body.

    :param robot: gets the joint
    :param joint: which
    :param kind: Bullet's word for it
    """
    element = ElementTree.SubElement(robot, "joint", name=f"{joint.name}_joint", type=kind)
    ElementTree.SubElement(element, "parent", link=JOINTS[joint.parent].name)
    ElementTree.SubElement(element, "child", link=joint.name)
    attach = " ".join(f"{value:.9g}" for value in joint.attach)
    ElementTree.SubElement(element, "origin", xyz=attach)
    axis = " ".join(f"{value:g}" for value in character.HINGE_AXIS)
    ElementTree.SubElement(element, "axis", xyz=axis)  # ball joints ignore it, but want one
    return element


def add_urdf_limits(element: ElementTree.Element, limits: tuple[float, float]) -> None:
    """Add least and largest angle, rad, to a hinge."""
    low, high = limits
    ElementTree.SubElement(
        element, "limit", lower=str(low), upper=str(high), effort="1000", velocity="1000"
    )
