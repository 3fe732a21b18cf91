"""What the biped's policy sees: 107 numbers, the humanoid's in a plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.biped.character import PLANE
from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.features import FARTHEST
from sb3_vdb_envs.humanoid.kinematics import Bodies, CharacterState

Array = npt.NDArray[np.float64]

SIDE = 1  # the axis about which bodies turn


def feature_bounds() -> npt.NDArray[np.float32]:
    """Return the bounds of the absolute values of an observation, shape (107,)."""
    pose = [FARTHEST] * 2 + [1.0] * 2
    velocities = [FARTHEST] * (3 * character.N_BODIES)
    bounds = [1.0, FARTHEST, *(pose * character.N_BODIES), *velocities]
    # a cosine may exceed 1 by rounding
    return np.nextafter(np.array(bounds, dtype=np.float32), np.float32(np.inf))


def features(phase: Array, state: CharacterState, bodies: Bodies) -> Array:
    """Compute phase and root height, then position relative to the root (m) and cosine and sine of
    the pitch of every body, then its velocity (m/s) and angular velocity (rad/s).

    The phase is scaled to [-1, 1].

    :param phase: in [0, 1], shape (n,)
    :param state: n bipeds
    :param bodies: their bodies
    :return: shape (n, 107)
    """
    n = len(phase)
    relative = (bodies.centres - state.root_position[:, None])[..., PLANE]
    # where a body's x axis points: (cos, sin) of its pitch
    forward = rotations.rotate(
        bodies.rotations, np.broadcast_to((1.0, 0.0, 0.0), bodies.centres.shape)
    )
    moving = [bodies.velocities[..., PLANE], bodies.angular_velocities[..., SIDE, None]]
    parts = [
        2.0 * phase[:, None] - 1.0,
        state.root_position[:, 2:],
        np.concatenate([relative, forward[..., PLANE]], axis=-1).reshape(n, -1),
        np.concatenate(moving, axis=-1).reshape(n, -1),
    ]
    return np.concatenate(parts, axis=1)
