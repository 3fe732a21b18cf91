"""What the policy sees: 197 numbers (227 with six-number rotations), whatever simulates it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.kinematics import Bodies, CharacterState

Array = npt.NDArray[np.float64]

ROTATION_SIZES = {"quaternion": 4, "6d": 6}
N_DRIFT = 5  # numbers of :func:`drift`
FARTHEST = 1e4  # m, m/s or rad/s; more than 20 s at the velocity limit of 100 can reach


def feature_bounds(rotation: str) -> npt.NDArray[np.float32]:
    """Return the bounds of the absolute values of an observation, shape (197,) or (227,).

    Phase and rotations are numbers up to 1; positions and velocities stay far below ``FARTHEST``,
    since faster characters count as diverged.

    :param rotation: ``"quaternion"`` or ``"6d"``
    """
    pose = [FARTHEST] * 3 + [1.0] * ROTATION_SIZES[rotation]
    velocities = [FARTHEST] * (6 * character.N_BODIES)
    bounds = [1.0, FARTHEST, *(pose * character.N_BODIES), *velocities]
    # a unit quaternion may exceed 1 by rounding
    return np.nextafter(np.array(bounds, dtype=np.float32), np.float32(np.inf))


def features(phase: Array, state: CharacterState, bodies: Bodies, rotation: str) -> Array:
    """Compute phase and root height, then position and rotation of every body, then its velocities.

    Positions are relative to the root; they, rotations and velocities are in axes turned with the
    root's heading, except for the root's own rotation and velocities, which are in world axes as in
    DeepMimic (2018). The phase is scaled to [-1, 1].

    :param phase: in [0, 1], shape (n,)
    :param state: n characters
    :param bodies: their bodies
    :param rotation: ``"quaternion"`` (w at least 0) or ``"6d"`` (turned x and z axes)
    :return: shape (n, 197) or (n, 227)
    """
    n = len(phase)
    heading = rotations.about_vertical(-rotations.yaw(state.rotations[:, 0]))[:, None]
    pose = rotations.multiply(heading, bodies.rotations)
    pose[:, 0] = bodies.rotations[:, 0]
    vectors = np.stack(
        [
            bodies.centres - state.root_position[:, None],
            bodies.velocities,
            bodies.angular_velocities,
        ],
        axis=1,
    )
    turned = rotations.rotate(heading[:, None], vectors)
    turned[:, 1:, 0] = vectors[:, 1:, 0]
    if rotation == "6d":
        pose = rotations.tangent_and_normal(pose)
    else:
        pose = np.where(pose[..., :1] < 0.0, -pose, pose)
    parts = [
        2.0 * phase[:, None] - 1.0,
        state.root_position[:, 2:],
        np.concatenate([turned[:, 0], pose], axis=-1).reshape(n, -1),
        np.concatenate([turned[:, 1], turned[:, 2]], axis=-1).reshape(n, -1),
    ]
    return np.concatenate(parts, axis=1)


def drift(state: CharacterState, target: CharacterState) -> Array:
    """Compute how far the root is from the motion's over the ground (m, 2 numbers), and by how much
    its velocity differs (m/s, 3 numbers), in axes turned with the character's heading.

    :param state: n characters
    :param target: the motion at the same moments
    :return: shape (n, 5)
    """
    heading = rotations.about_vertical(-rotations.yaw(state.rotations[:, 0]))[:, None]
    vectors = np.stack(
        [
            (state.root_position - target.root_position) * (1.0, 1.0, 0.0),
            state.root_velocity - target.root_velocity,
        ],
        axis=1,
    )
    turned = rotations.rotate(heading, vectors)
    return np.concatenate([turned[:, 0, :2], turned[:, 1]], axis=1)


def quaternion_columns(rotation: str) -> tuple[int, ...]:
    """Say at which columns of an observation quaternions begin; none for six-number rotations.

    :param rotation: ``"quaternion"`` or ``"6d"``
    """
    if rotation != "quaternion":
        return ()
    pose = 3 + ROTATION_SIZES[rotation]
    return tuple(2 + pose * i + 3 for i in range(character.N_BODIES))
