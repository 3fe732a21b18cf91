"""Pictures of the humanoid for the documentation: every joint moved alone, and every clip."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from sb3_vdb.experiments.style import STYLE
from sb3_vdb_envs.humanoid import MotionClip, character, rotations
from sb3_vdb_envs.humanoid.kinematics import (
    CharacterState,
    forward_kinematics,
    lowest_points,
)
from sb3_vdb_envs.humanoid.picture import MujocoPicture
from sb3_vdb_envs.registration import MOTIONS

ANGLE = 0.8  # rad
AXES = {"x (forward)": (1, 0, 0), "y (left)": (0, 1, 0), "z (up)": (0, 0, 1)}
PHASES = 7


def draw(folder: Path) -> list[Path]:
    """Write ``humanoid_joints.png`` and ``humanoid_clips.png``.

    :param folder: where they go
    :return: the files
    """
    folder.mkdir(parents=True, exist_ok=True)
    picture = MujocoPicture(240, azimuth=125.0)
    paths = [folder / "humanoid_joints.png", folder / "humanoid_clips.png"]
    _joints(picture, paths[0])
    _clips(picture, paths[1])
    picture.close()
    return paths


def _alone(picture: MujocoPicture, state: CharacterState) -> npt.NDArray[np.uint8]:
    """Picture of one character without the motion beside it."""
    image = picture.render(state, None)
    middle = image.shape[1] // 2
    return image[:, middle - 75 : middle + 75]


def _standing() -> CharacterState:
    pose = np.zeros((1, character.N_MOVING, 4))
    pose[..., 0] = 1.0
    still = np.zeros((1, character.N_MOVING, 3))
    return CharacterState(np.zeros((1, 3)), pose, np.zeros((1, 3)), still)


def _joints(picture: MujocoPicture, path: Path) -> None:
    """Joints as rows of columns: each turned alone by 0.8 rad about each of its axes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13, 5.2), layout="constrained")
        grid = figure.subplots(3, character.N_ACTUATED)
        for column, joint in enumerate(character.ACTUATED):
            hinge = character.JOINTS[joint].kind == "hinge"
            for row, (label, axis) in enumerate(AXES.items()):
                axes = grid[row, column]
                axes.set_axis_off()
                if hinge and row != 1:
                    continue
                state = _standing()
                # knees bend in the direction of negative angles, elbows of positive ones
                bend = -1.0 if "elbow" in character.NAMES[joint] else 1.0
                vector = ANGLE * np.array(axis, dtype=np.float64) * (bend if hinge else 1.0)
                state.rotations[0, column + 1] = rotations.from_rotation_vector(vector)
                state.root_position[0, 2] = -lowest_points(forward_kinematics(state)).min()
                axes.imshow(_alone(picture, state))
                if row == 0 or hinge:
                    axes.set_title(character.NAMES[joint].replace("_", " "), fontsize=9)
                if column == 0:
                    axes.text(-8, 120, label, rotation=90, va="center", ha="right", fontsize=9)
        figure.savefig(path, dpi=100)


def _clips(picture: MujocoPicture, path: Path) -> None:
    """One row a clip, seven moments."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 1.28 * len(MOTIONS)), layout="constrained")
        grid = figure.subplots(len(MOTIONS), 1)
        for axes, (name, clip_name, _) in zip(grid, MOTIONS, strict=True):
            clip = MotionClip.load(clip_name)
            states = clip.state(np.linspace(0, clip.duration, PHASES, endpoint=False))
            rows = [states.take(np.array([i])) for i in range(PHASES)]
            axes.imshow(np.concatenate([_alone(picture, row) for row in rows], axis=1))
            axes.set_axis_off()
            title = f"{name}, {clip.duration:.2f} s"
            axes.text(-8, 120, title, rotation=90, va="center", ha="right", fontsize=8)
        figure.savefig(path, dpi=90)
