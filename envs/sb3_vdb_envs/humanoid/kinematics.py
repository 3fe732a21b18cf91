"""Where every body of the humanoid is and how it moves, for whole batches of characters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character, rotations

Array = npt.NDArray[np.float64]


class CharacterState(NamedTuple):
    """Generalised coordinates of n characters; angular velocities are relative to the parent and in
    the axes of the moved body.
    """

    root_position: Array  # m, shape (n, 3)
    rotations: Array  # of the root in the world and of the joints, shape (n, 13, 4)
    root_velocity: Array  # m/s, world axes, shape (n, 3)
    angular_velocities: Array  # rad/s, shape (n, 13, 3)

    def take(self, indices: npt.NDArray[np.intp]) -> CharacterState:
        """Return the state of some of the characters."""
        return CharacterState(*(part[indices] for part in self))

    def put(self, indices: npt.NDArray[np.intp], other: CharacterState) -> None:
        """Overwrite some of the characters."""
        for mine, theirs in zip(self, other, strict=True):
            mine[indices] = theirs


class Bodies(NamedTuple):
    """The 15 bodies of n characters in world axes."""

    origins: Array  # of the joint frames, m, shape (n, 15, 3)
    rotations: Array  # shape (n, 15, 4)
    centres: Array  # centres of mass, m, shape (n, 15, 3)
    velocities: Array  # of the centres of mass, m/s, shape (n, 15, 3)
    angular_velocities: Array  # rad/s, shape (n, 15, 3)

    def centre_of_mass_velocity(self) -> Array:
        """Compute the velocity of the whole character's centre of mass, m/s, shape (n, 3)."""
        return weighted_sum(self.velocities, character.MASSES / character.TOTAL_MASS)


def _levels() -> tuple[tuple[Array, ...], ...]:
    """List joints of equal depth, with their parents, for the walk from the root to the hands."""
    depth = [0] * character.N_BODIES
    for i, joint in enumerate(character.JOINTS[1:], start=1):
        depth[i] = depth[joint.parent] + 1
    levels = []
    for level in range(1, max(depth) + 1):
        members = np.array([i for i in range(character.N_BODIES) if depth[i] == level])
        parents = np.array([character.JOINTS[i].parent for i in members])
        attach = np.array([character.JOINTS[i].attach for i in members], dtype=np.float64)
        levels.append((members, parents, attach))
    return tuple(levels)


LEVELS = _levels()
CENTRES = np.array([joint.centre for joint in character.JOINTS], dtype=np.float64)
_MOVING = np.array(character.MOVING)


def forward_kinematics(state: CharacterState) -> Bodies:
    """Compute the poses and velocities of all bodies.

    :param state: n characters
    """
    n = len(state.root_position)
    local = np.zeros((n, character.N_BODIES, 4))
    local[:, :, 0] = 1.0
    local[:, _MOVING] = state.rotations
    spin = np.zeros((n, character.N_BODIES, 3))
    spin[:, _MOVING] = state.angular_velocities

    world = np.empty_like(local)
    origins, velocities, angular = np.empty_like(spin), np.empty_like(spin), np.empty_like(spin)
    world[:, 0], origins[:, 0] = local[:, 0], state.root_position
    velocities[:, 0] = state.root_velocity
    angular[:, 0] = rotations.rotate(world[:, 0], spin[:, 0])
    for members, parents, attach in LEVELS:
        above = world[:, parents]
        arm = rotations.rotate(above, np.broadcast_to(attach, (n, *attach.shape)))
        world[:, members] = rotations.multiply(above, local[:, members])
        origins[:, members] = origins[:, parents] + arm
        velocities[:, members] = velocities[:, parents] + rotations.cross(angular[:, parents], arm)
        angular[:, members] = angular[:, parents] + rotations.rotate(
            world[:, members], spin[:, members]
        )
    lever = rotations.rotate(world, np.broadcast_to(CENTRES, spin.shape))
    return Bodies(
        origins, world, origins + lever, velocities + rotations.cross(angular, lever), angular
    )


def weighted_sum(values: Array, weights: Array) -> Array:
    """Sum over the second axis, one member after the other: NumPy's own sums take another order,
    and so round differently, for one character than for many.

    :param values: shape (n, k, ...)
    :param weights: shape (k,)
    :return: shape (n, ...)
    """
    total = values[:, 0] * weights[0]
    for i in range(1, len(weights)):
        total += values[:, i] * weights[i]
    return total


def lowest_points(bodies: Bodies) -> Array:
    """Compute the height of every body's lowest point above the ground z = 0, m, shape (n, 15)."""
    heights = bodies.centres[:, :, 2].copy()
    w, x, y, z = (bodies.rotations[..., i] for i in range(4))
    # third row of the rotation matrix: how far each body axis points up
    up = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1)
    for i, joint in enumerate(character.JOINTS):
        if joint.shape == "box":
            heights[:, i] -= weighted_sum(np.abs(up[:, i]), np.array(joint.size))
        else:
            heights[:, i] -= joint.size[0]
        if joint.shape == "capsule":
            heights[:, i] -= np.abs(up[:, i, 2]) * joint.size[1]
    return heights
