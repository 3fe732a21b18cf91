"""The rendering presets of the pixel environments side by side, for the documentation."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sb3_vdb.experiments.style import STYLE

PRESETS = ("fast", "shadow", "default")
TASKS = ("WalkerWalk", "CheetahRun", "CartpoleSwingup")
STEPS = 15


def draw(folder: Path) -> Path:
    """Write ``pixel_presets.png``: rows of tasks, columns of presets, and how far they differ.

    :param folder: where it goes
    :return: the file
    """
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 6.9), layout="constrained")
        grid = figure.subplots(len(TASKS), len(PRESETS))
        for row, task in zip(grid, TASKS, strict=True):
            pictures = [_picture(task, preset) for preset in PRESETS]
            for axes, picture, preset in zip(row, pictures, PRESETS, strict=True):
                difference = np.abs(picture.astype(float) - pictures[-1]).mean()
                axes.imshow(picture, interpolation="nearest")
                axes.set_axis_off()
                axes.set_title(f"{task}, {preset}: {difference:.1f}", fontsize=8)
        figure.savefig(folder / "pixel_presets.png", dpi=90)
    return folder / "pixel_presets.png"


def _picture(task: str, preset: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The observation after some steps of fixed random actions."""
    env = gym.make(f"sb3_vdb/{task}Pixels-v0", preset=preset)
    observation, _ = env.reset(seed=3)
    env.action_space.seed(0)
    for _ in range(STEPS):
        observation, *_ = env.step(env.action_space.sample())
    env.close()
    return np.asarray(observation)
