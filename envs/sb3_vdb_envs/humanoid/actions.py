"""From a policy's action in [-1, 1] to PD targets of the joints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.clips import MotionClip, joint_targets

Array = npt.NDArray[np.float64]

FORMS = {"exp_map": 28, "axis_angle": 36}
TARGETS = ("absolute", "reference")
ANGLE_SCALE = np.pi  # rad of an action of 1
LOOKAHEAD = 2 / character.CONTROL_RATE  # s; PD control lags by damping / stiffness = 0.1 s
# DeepMimic 2018: standard deviations of the normalised angles, rad; knees and elbows are about the
# middle of their limits, and the axis about (0, 0, 0.2) in its coordinates
AXIS_ANGLE_SCALES = {
    "chest": 4.8, "neck": 4.0, "hip": 8.28, "knee": 6.28, "ankle": 6.28, "shoulder": 9.28,
    "elbow": 6.28,
}  # fmt: skip
AXIS_OFFSET = np.array([0.0, -0.2, 0.0])
SHORTEST_AXIS = 1e-6


def absolute_targets(clip: MotionClip, form: str) -> Callable[[Array], Array]:
    """Make the function that computes PD targets from the action alone.

    :param clip: its mean pose is what an action of 0 asks for (``exp_map``)
    :param form: ``"exp_map"`` (28 numbers) or ``"axis_angle"`` (36, DeepMimic 2018)
    :return: function of actions of shape (n, 28 or 36), giving targets of shape (n, 28)
    """
    if form == "axis_angle":
        return axis_angle_targets
    mean = clip.mean_targets
    return lambda actions: mean + ANGLE_SCALE * actions


def axis_angle_targets(actions: Array) -> Array:
    """Compute PD targets from angle and axis for each ball joint and an angle for each hinge (36
    numbers).

    :param actions: shape (n, 36), in [-1, 1]
    :return: shape (n, 28), rad
    """
    targets = np.empty((len(actions), character.N_TARGETS))
    start = 0
    for part, joint in zip(character.TARGET_SLICES, character.ACTUATED, strict=True):
        kind = character.NAMES[joint].split("_")[-1]
        angle = AXIS_ANGLE_SCALES[kind] * actions[:, start]
        if character.JOINTS[joint].kind == "hinge":
            targets[:, part.start] = np.mean(character.HINGE_LIMITS[kind]) + angle
            start += 1
            continue
        axis = actions[:, start + 1 : start + 4] + AXIS_OFFSET
        length = np.linalg.norm(axis, axis=1, keepdims=True)
        axis = np.where(length > SHORTEST_AXIS, axis / np.maximum(length, SHORTEST_AXIS), (0, 0, 1))
        targets[:, part] = angle[:, None] * axis
        start += 4
    return targets


def reference_targets(clip: MotionClip, times: Array, actions: Array) -> Array:
    """Compute PD targets: the motion two control steps ahead, turned by the action.

    :param clip: the motion
    :param times: of the characters, s, shape (n,)
    :param actions: shape (n, 28)
    :return: shape (n, 28), rad
    """
    ahead = clip.state(times + LOOKAHEAD).rotations[:, 1:]
    balls = ANGLE_SCALE * actions[:, character.BALL_COLUMNS].reshape(len(actions), -1, 3)
    turned = rotations.multiply(ahead[:, character.BALLS], rotations.from_rotation_vector(balls))
    targets = joint_targets(rotations.rotation_vector(ahead))
    targets[:, character.BALL_COLUMNS] = rotations.rotation_vector(turned).reshape(len(actions), -1)
    targets[:, character.HINGE_COLUMNS] += ANGLE_SCALE * actions[:, character.HINGE_COLUMNS]
    return targets
