"""Pictures of environments for the documentation: mazes, joints and clips, rendering presets,
races.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from PIL import Image

from sb3_vdb.demonstrations import recording
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb_envs import ENVIRONMENTS
from sb3_vdb_envs.humanoid import MotionClip, character, rotations
from sb3_vdb_envs.humanoid.kinematics import CharacterState, forward_kinematics, lowest_points
from sb3_vdb_envs.humanoid.picture import MujocoPicture
from sb3_vdb_envs.racing import CarDriver
from sb3_vdb_envs.registration import MOTIONS

ANGLE = 0.8  # rad
AXES = {"x (forward)": (1, 0, 0), "y (left)": (0, 1, 0), "z (up)": (0, 0, 1)}
PHASES = 7
BIPED_FRAMES = 8  # of each clip
PIXEL_PRESETS = ("fast", "shadow", "default")
PIXEL_TASKS = ("WalkerWalk", "CheetahRun", "CartpoleSwingup")
HAND_TASKS = ("DClawScrew3CW", "DClawScrew4CW", "Baoding")
PIXEL_STEPS = 15  # of fixed random actions, before the picture
RACING_STEPS = (1, 30, 60, 100, 140)  # of the driver, whose pictures are shown
RACING_HEIGHT = 128  # pixels of a shown picture


def mazes(out: Path) -> list[Path]:
    """Write ``mazes.png``, top views of all mazes.

    :param out: where it goes
    :return: the file
    """
    env_ids = [row.id for row in ENVIRONMENTS if row.name.endswith(("Maze", "MazeFlipped"))]
    with new_figure(out / "mazes.png", (2.1 * len(env_ids), 3.4)) as figure:
        for axes, env_id in zip(figure.subplots(1, len(env_ids)), env_ids, strict=True):
            env = gym.make(env_id, render_mode="rgb_array", render_height=500)
            env.reset(seed=0)
            picture: Any = env.render()
            axes.imshow(picture)
            axes.set_title(env_id.split("/")[1].removesuffix("-v0"))
            axes.axis("off")
    return [out / "mazes.png"]


def pixel_presets(out: Path) -> list[Path]:
    """Write ``pixel_presets.png``: rows of tasks, columns of presets, and how far they differ.

    :param out: where it goes
    :return: the file
    """
    with new_figure(out / "pixel_presets.png", (6.6, 6.9), dpi=90) as figure:
        grid = figure.subplots(len(PIXEL_TASKS), len(PIXEL_PRESETS))
        for row, task in zip(grid, PIXEL_TASKS, strict=True):
            pictures = [_pixels(task, preset) for preset in PIXEL_PRESETS]
            for axes, picture, preset in zip(row, pictures, PIXEL_PRESETS, strict=True):
                difference = np.abs(picture.astype(float) - pictures[-1]).mean()
                axes.imshow(picture, interpolation="nearest")
                axes.set_axis_off()
                axes.set_title(f"{task}, {preset}: {difference:.1f}", fontsize=8)
    return [out / "pixel_presets.png"]


def _pixels(task: str, preset: str) -> npt.NDArray[np.uint8]:
    """Return the observation after some steps of fixed random actions."""
    env = gym.make(f"sb3_vdb/{task}Pixels-v0", preset=preset)
    observation, _ = env.reset(seed=3)
    env.action_space.seed(0)
    for _ in range(PIXEL_STEPS):
        observation, *_ = env.step(env.action_space.sample())
    env.close()
    return np.asarray(observation)


def hands(out: Path) -> list[Path]:
    """Write ``hands.png``: tasks of claw and hand in large, and their observations.

    :param out: where it goes
    :return: the file
    """
    with new_figure(out / "hands.png", (6.6, 1.4), dpi=90) as figure:
        grid = figure.subplots(1, 2 * len(HAND_TASKS))
        for i, task in enumerate(HAND_TASKS):
            env = gym.make(f"sb3_vdb/{task}Pixels-v0", render_mode="rgb_array")
            observation, _ = env.reset(seed=0)
            picture: Any = env.render()
            for axes, shown in zip(grid[2 * i : 2 * i + 2], (picture, observation), strict=True):
                axes.imshow(shown, interpolation="nearest")
                axes.set_axis_off()
            grid[2 * i].set_title(task, fontsize=8)
            env.close()
    return [out / "hands.png"]


def racing(out: Path) -> list[Path]:
    """Write ``racing.png``: what is observed of five moments of a lap, enlarged, and below it what
    the game shows of them.

    :param out: where it goes
    :return: the file
    """
    driven = gym.make("sb3_vdb/CarRacingState-v0", render_mode="rgb_array", render_height=400)
    seen = gym.make("sb3_vdb/CarRacingPixels-v0")
    (lap,) = recording.record(CarDriver(), "sb3_vdb/CarRacingState-v0", 1).episodes
    driven.reset(seed=lap.seed)
    seen.reset(seed=lap.seed)
    columns = []
    for step, action in enumerate(lap.actions[: RACING_STEPS[-1]], start=1):
        driven.step(action)
        picture, *_ = seen.step(action)
        if step in RACING_STEPS:
            shown: Any = driven.render()
            columns.append(np.concatenate([_square(picture), _square(shown)]))
    out.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.concatenate(columns, axis=1))
    image.save(out / "racing.png", optimize=True)
    return [out / "racing.png"]


def _square(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Bring a picture to the size in which it is shown."""
    is_small = len(picture) < RACING_HEIGHT
    how = Image.Resampling.NEAREST if is_small else Image.Resampling.BOX
    return np.asarray(Image.fromarray(picture).resize((RACING_HEIGHT, RACING_HEIGHT), how))


def humanoid(out: Path) -> list[Path]:
    """Write ``humanoid_joints.png`` and ``humanoid_clips.png``.

    :param out: where they go
    :return: the files
    """
    picture = MujocoPicture(240, azimuth=125.0)
    paths = [out / "humanoid_joints.png", out / "humanoid_clips.png"]
    _joints(picture, paths[0])
    _clips(picture, paths[1])
    picture.close()
    return paths


def biped(out: Path) -> list[Path]:
    """Write ``biped_frames.png``: one row an id, frames as discriminators see them, twice as large.

    :param out: where it goes
    :return: the file
    """
    rows = []
    for row in ENVIRONMENTS:
        if row.family == "biped" and row.vector_entry_point is not None:
            env: Any = gym.make(row.id).unwrapped
            rate = BIPED_FRAMES / env.clip.duration
            rows.append(np.concatenate(list(env.clip_observations(rate)["frame"][:-1]), axis=1))
            env.close()
    picture = Image.fromarray(np.concatenate(rows))
    path = out / "biped_frames.png"
    out.mkdir(parents=True, exist_ok=True)
    picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST).save(path)
    return [path]


def _alone(picture: MujocoPicture, state: CharacterState) -> npt.NDArray[np.uint8]:
    """Return the picture of one character without the motion next to it."""
    image = picture.render(state, None)
    middle = image.shape[1] // 2
    return image[:, middle - 75 : middle + 75]


def _standing() -> CharacterState:
    pose = np.zeros((1, character.N_MOVING, 4))
    pose[..., 0] = 1.0
    still = np.zeros((1, character.N_MOVING, 3))
    return CharacterState(np.zeros((1, 3)), pose, np.zeros((1, 3)), still)


def _joints(picture: MujocoPicture, path: Path) -> None:
    """Plot a column a joint: it is turned alone by 0.8 rad about each of its axes."""
    with new_figure(path, (13, 5.2), dpi=100) as figure:
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


def _clips(picture: MujocoPicture, path: Path) -> None:
    """Plot one row a clip, seven moments."""
    with new_figure(path, (7.5, 1.28 * len(MOTIONS)), dpi=90) as figure:
        grid = figure.subplots(len(MOTIONS), 1)
        for axes, (name, clip_name, _) in zip(grid, MOTIONS, strict=True):
            clip = MotionClip.load(clip_name)
            states = clip.state(np.linspace(0, clip.duration, PHASES, endpoint=False))
            rows = [states.take(np.array([i])) for i in range(PHASES)]
            axes.imshow(np.concatenate([_alone(picture, row) for row in rows], axis=1))
            axes.set_axis_off()
            title = f"{name}, {clip.duration:.2f} s"
            axes.text(-8, 120, title, rotation=90, va="center", ha="right", fontsize=8)
