"""What a user chooses of the humanoid, checked: clip, form of observations and actions, falls."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sb3_vdb_envs.humanoid import actions as control
from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.clips import MotionClip
from sb3_vdb_envs.humanoid.features import ROTATION_SIZES
from sb3_vdb_envs.humanoid.kinematics import (
    CharacterState,
    forward_kinematics,
    lowest_points,
)

LOGGER = logging.getLogger(__name__)
CONTACT_HEIGHT = 1e-3  # m; a body nearer to the ground touches it
STEP = 1.0 / character.CONTROL_RATE  # s
# Clips that touch the ground with more than their feet, and what may not touch it there
FALL_BODIES = {
    "cartwheel": tuple(name for name in character.ALL_BUT_FEET if "wrist" not in name),
    "crawl": character.TORSO,
    "roll": (),
    "getup_facedown": (),
    "getup_faceup": (),
}


class Settings(NamedTuple):
    """The arguments that a user chooses; see :class:`HumanoidEnv`."""

    clip: MotionClip
    fall_bodies: tuple[str, ...]
    rotation: str
    action: str
    target: str
    random_start: bool
    sync_root: bool
    drift: bool = False


def make_settings(
    clip: str,
    fall: str | Sequence[str] = "deepmimic",
    rotation: str = "quaternion",
    action: str = "exp_map",
    target: str = "absolute",
    random_start: bool = True,
    sync_root: bool = True,
    drift: bool = False,
) -> Settings:
    """Check the arguments of the environment, and make the settings from them.

    :raises ValueError: one of them is not known
    """
    choices = {
        "rotation": (rotation, tuple(ROTATION_SIZES)),
        "action": (action, tuple(control.FORMS)),
        "target": (target, control.TARGETS),
    }
    for name, (value, known) in choices.items():
        if value not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(known)}, got {value!r}")
    if target == "reference" and action != "exp_map":
        raise ValueError(
            f'`target` "reference" needs `action` "exp_map", got {action!r}: '
            "offsets are rotation vectors"
        )
    motion = MotionClip.load(clip)
    bodies = _fall_bodies(fall, motion)
    _warn_of_falls(motion, bodies)
    return Settings(motion, bodies, rotation, action, target, random_start, sync_root, drift)


def _warn_of_falls(clip: MotionClip, fall_bodies: tuple[str, ...]) -> None:
    """Warn if the clip itself touches the ground with what must not touch it."""
    state = clip.state(np.arange(0.0, clip.duration, STEP))
    lift(state)
    touching = lowest_points(forward_kinematics(state)) < CONTACT_HEIGHT
    names = [name for name in fall_bodies if touching[:, character.NAMES.index(name)].any()]
    if names:
        LOGGER.warning(
            "clip %s touches the ground with %s, which ends episodes; "
            'choose `fall="torso"`, "none" or a list of bodies',
            clip.name,
            ", ".join(names),
        )


def _fall_bodies(fall: str | Sequence[str], clip: MotionClip) -> tuple[str, ...]:
    if fall == "deepmimic":
        return FALL_BODIES.get(clip.name, character.ALL_BUT_FEET)
    names = {"torso": character.TORSO, "none": ()}.get(fall) if isinstance(fall, str) else fall
    unknown = None if names is None else set(names) - set(character.NAMES)
    if names is None or unknown:
        raise ValueError(
            f'`fall` must be "deepmimic", "torso", "none" or a list of bodies out of '
            f"{', '.join(character.NAMES)}; got {fall!r}"
        )
    return tuple(names)


def lift(state: CharacterState) -> None:
    """Raise characters that reach into the ground until they stand on it; clips do so by up to
    10 cm.
    """
    lowest = lowest_points(forward_kinematics(state)).min(axis=1)
    state.root_position[:, 2] += np.maximum(0.0, -lowest)
