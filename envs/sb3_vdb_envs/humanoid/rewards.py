"""DeepMimic's hand-made imitation reward, one function per term, and the paper's error metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.kinematics import Bodies, CharacterState, weighted_sum

Array = npt.NDArray[np.float64]

# Weights of the terms in DeepMimic's released code (its paper: .65, .1, .15, none, .1)
WEIGHTS = {"pose": 0.5, "velocity": 0.05, "end_effector": 0.15, "root": 0.2, "com": 0.1}
POSE_SCALE, VELOCITY_SCALE, END_EFFECTOR_SCALE, ROOT_SCALE, COM_SCALE = 2.0, 0.1, 40.0, 5.0, 10.0


def imitation_terms(
    state: CharacterState, bodies: Bodies, target: CharacterState, target_bodies: Bodies
) -> dict[str, Array]:
    """Compute the weighted terms of the reward; their sum is in (0, 1].

    :param state: n simulated characters
    :param bodies: their bodies
    :param target: the motion at the same times
    :param target_bodies: its bodies
    :return: each of shape (n,)
    """
    errors = {
        "pose": POSE_SCALE * pose_error(state, target),
        "velocity": VELOCITY_SCALE * velocity_error(state, target),
        "end_effector": END_EFFECTOR_SCALE
        * end_effector_error(state, bodies, target, target_bodies),
        "root": ROOT_SCALE * root_error(state, bodies, target, target_bodies),
        "com": COM_SCALE * com_error(bodies, target_bodies),
    }
    return {term: WEIGHTS[term] * np.exp(-error) for term, error in errors.items()}


def pose_error(state: CharacterState, target: CharacterState) -> Array:
    """Compute weighted squared angles between rotations of root and joints, rad^2, shape (n,)."""
    angles = rotations.geodesic(state.rotations, target.rotations)
    return weighted_sum(angles * angles, character.ERROR_WEIGHTS)


def velocity_error(state: CharacterState, target: CharacterState) -> Array:
    """Compute the weighted squared differences of angular velocities, (rad/s)^2, shape (n,)."""
    squares = rotations.squared_length(state.angular_velocities - target.angular_velocities)
    return weighted_sum(squares, character.ERROR_WEIGHTS)


def end_effector_error(
    state: CharacterState, bodies: Bodies, target: CharacterState, target_bodies: Bodies
) -> Array:
    """Compute the mean squared distance of wrists and ankles, m^2, shape (n,).

    Positions are relative to the root over the ground, in the axes of its heading, and heights are
    above the ground.
    """
    difference = _hands_and_feet(state, bodies) - _hands_and_feet(target, target_bodies)
    return weighted_sum(
        rotations.squared_length(difference), np.full(len(character.END_EFFECTORS), 0.25)
    )


def root_error(
    state: CharacterState, bodies: Bodies, target: CharacterState, target_bodies: Bodies
) -> Array:
    """Compute the squared errors of the root's position, rotation and velocities, shape (n,)."""
    angle = rotations.geodesic(state.rotations[:, 0], target.rotations[:, 0])
    spin = bodies.angular_velocities[:, 0] - target_bodies.angular_velocities[:, 0]
    return (
        rotations.squared_length(state.root_position - target.root_position)
        + 0.1 * angle * angle
        + 0.01 * rotations.squared_length(state.root_velocity - target.root_velocity)
        + 0.001 * rotations.squared_length(spin)
    )


def com_error(bodies: Bodies, target_bodies: Bodies) -> Array:
    """Compute a tenth of the squared difference of the centres of mass' velocities, shape (n,)."""
    return 0.1 * rotations.squared_length(
        bodies.centre_of_mass_velocity() - target_bodies.centre_of_mass_velocity()
    )


def joint_rotation_errors(
    state: CharacterState,
    target: CharacterState,
    joints: Sequence[int] = tuple(range(1, character.N_MOVING)),
) -> dict[str, Array]:
    """Compute the VDB paper's "average joint rotation error" of one moment, in three readings, rad.

    The paper does not say whether the root counts or joints are weighted: ``joint_error`` is the
    plain mean over the 12 actuated joints, ``joint_error_with_root`` over 13, and
    ``joint_error_weighted`` uses DeepMimic's weights of 13.

    :param joints: the rotations that count, of the 13 with the root's at 0
    :return: each of shape (n,)
    """
    angles, k = rotations.geodesic(state.rotations, target.rotations), len(joints)
    return {
        "joint_error": weighted_sum(angles[:, list(joints)], np.full(k, 1 / k)),
        "joint_error_with_root": weighted_sum(angles[:, [0, *joints]], np.full(k + 1, 1 / (k + 1))),
        "joint_error_weighted": weighted_sum(angles, character.ERROR_WEIGHTS),
    }


def _hands_and_feet(state: CharacterState, bodies: Bodies) -> Array:
    """Compute the positions of the end effectors' joints, shape (n, 4, 3)."""
    relative = bodies.origins[:, character.END_EFFECTORS, :].copy()
    relative[..., :2] -= state.root_position[:, None, :2]
    heading = rotations.about_vertical(-rotations.yaw(state.rotations[:, 0]))
    return rotations.rotate(heading[:, None], relative)
