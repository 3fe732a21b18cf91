"""The planar biped: the humanoid's bodies, gains and torque limits, moving in its sagittal plane.

Source: the VDB paper (section 5.1, "Video Imitation") has "a 2D biped" of 12 degrees of freedom and
says no more of it. Here 3 are the root's (forward, up, pitch) and 9 are hinges about the axis that
points to the side; neck, elbows and wrists are welded. State and pose stay those of the humanoid,
so that kinematics, reward and error metric are the same code.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character, rotations

Array = npt.NDArray[np.float64]

WELDED = ("neck", "elbow")  # wrists are fixed in the humanoid, too
HINGES = tuple(
    i for i in character.ACTUATED if not character.NAMES[i].split("_")[-1].startswith(WELDED)
)
N_HINGES = len(HINGES)
# among the 13 rotations of a pose, whose first is the root's
HINGE_ROWS = tuple(character.MOVING.index(i) for i in HINGES)
WELDED_ROWS = tuple(i for i in range(1, character.N_MOVING) if i not in HINGE_ROWS)
TURNING = [0, *HINGE_ROWS]  # the root's pitch and the hinges
IS_LIMITED = np.array([character.NAMES[i].split("_")[-1] in character.HINGE_LIMITS for i in HINGES])
PLANE = (0, 2)  # forward and up, of positions


def angles_of(quaternions: Array) -> Array:
    """Compute by how much rotations turn about the hinges' axis (their twist), rad.

    :param quaternions: shape (..., 4)
    :return: in (-pi, pi], shape (...)
    """
    w, along = quaternions[..., 0], quaternions[..., 1:] @ character.HINGE_AXIS
    angles = 2.0 * rotations.arctan2(along, w)
    return np.where(
        angles > np.pi, angles - 2 * np.pi, np.where(angles <= -np.pi, angles + 2 * np.pi, angles)
    )


def rotations_of(angles: Array) -> Array:
    """Turn angles about the hinges' axis to quaternions; :func:`angles_of` is the inverse.

    :param angles: rad, shape (...)
    :return: shape (..., 4)
    """
    return rotations.from_rotation_vector(angles[..., None] * character.HINGE_AXIS)


def nearest_targets(targets: Array, present: Array) -> Array:
    """Turn the targets of hinges without limits by whole turns, so that each is reached the shorter
    way round.

    :param targets: rad, shape (..., 9)
    :param present: angles, rad, shape (..., 9)
    """
    shortest = present + (targets - present + np.pi) % (2 * np.pi) - np.pi
    return np.where(IS_LIMITED, targets, shortest)
