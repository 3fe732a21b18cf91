"""Mazes with a reward as a heat map, paths, and policies at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.reward_maps import RewardMap
from sb3_vdb.experiments.framework.plots import STYLE, new_figure
from sb3_vdb.experiments.maze_transfer.phases import map_of
from sb3_vdb.experiments.maze_transfer.runs import Cell

N_TRAJECTORIES = 12  # shown in a heat map
FRAME_SKIP = 2  # steps between two frames of the animation
WALL_WIDTH = 4.0  # points
WIDTHS = {"C": 2.3, "S": 1.2}  # inches of a maze in a row of heat maps


def maze_of(env_id: str) -> Any:
    """Return the layout of a maze environment (box, walls, start, goal)."""
    env: Any = gym.make(env_id).unwrapped
    return env.layout


def show_maze(axes: Axes, layout: Any, rewards: RewardMap) -> Any:
    """Plot a reward as a heat map with walls, start and goal; return the image for a colour bar."""
    extent = (rewards.x[0], rewards.x[-1], rewards.y[0], rewards.y[-1])
    image = axes.imshow(
        rewards.rewards, origin="lower", extent=extent, cmap="viridis", aspect="equal"
    )
    x_min, x_max, y_min, y_max = layout.box
    corners = ([x_min, x_max, x_max, x_min, x_min], [y_min, y_min, y_max, y_max, y_min])
    axes.plot(*corners, color="0.2", lw=WALL_WIDTH)
    for wall in layout.walls:
        ends = ([wall.x_min, wall.x_max], [wall.y, wall.y])
        axes.plot(*ends, color="0.2", lw=WALL_WIDTH, solid_capstyle="round")
    axes.plot(*layout.start, "o", color="tab:red", ms=6, mec="white")
    axes.plot(*layout.goal, "*", color="tab:green", ms=13, mec="white")
    axes.set_xticks([])
    axes.set_yticks([])
    return image


def plot_paths(axes: Axes, episodes: Demonstrations) -> None:
    """Plot the paths of the first episodes."""
    for trajectory in episodes[:N_TRAJECTORIES]:
        path = np.asarray(trajectory.observations, dtype=float)
        axes.plot(path[:, 0], path[:, 1], color="white", lw=0.9, alpha=0.8)
        axes.plot(*path[-1], "o", color="white", ms=2.5)


def heat_maps(shown: Mapping[str, tuple[Cell, str]], path: Path) -> None:
    """Plot recovered rewards in both mazes, with the paths of imitating and of retrained policies
    (the paper's Figures 14 and 15).

    :param shown: by title, the run whose reward is shown, and its method
    :param path: of the picture
    """
    widths = [WIDTHS[cell.settings.maze] for cell, _ in shown.values()]
    with new_figure(path, (sum(widths) + 0.3, 5.2)) as figure:
        grid = figure.subplots(2, len(shown), squeeze=False, width_ratios=widths)
        for column, (title, (cell, method)) in zip(grid.T, shown.items(), strict=True):
            folder, settings = cell.folder / method, cell.settings
            reward = cell.reward(method)
            for axes, env_id, phase, what in (
                (column[0], settings.train_env, "irl", "learned here"),
                (column[1], settings.test_env, "retraining", "new policy"),
            ):
                show_maze(axes, maze_of(env_id), map_of(reward, env_id))
                plot_paths(axes, Demonstrations.load(folder / phase / "episodes.npz"))
                axes.set_title(f"{title}\n{what}", fontsize=8)


def animation(cell: Cell, methods: Sequence[str], path: Path) -> None:
    """Write a film of the retrained policies in the flipped maze, all evaluation episodes of a
    method in one panel.
    """
    test_env = cell.settings.test_env
    with rc_context(STYLE):
        figure = Figure(figsize=(3.2 * len(methods), 3.4), layout="constrained", dpi=80)
        panels = figure.subplots(1, len(methods), squeeze=False)[0]
        paths, dots = [], []
        for axes, method in zip(panels, methods, strict=True):
            show_maze(axes, maze_of(test_env), map_of(cell.reward(method), test_env))
            episodes = Demonstrations.load(cell.folder / method / "retraining" / "episodes.npz")
            paths.append(
                np.stack([np.asarray(each.observations, dtype=float) for each in episodes])
            )  # (n, steps, 2)
            dots.append(axes.plot([], [], "o", color="white", ms=4, mec="0.2", mew=0.4)[0])
            axes.set_title(method)
        frames = []
        for step in range(0, paths[0].shape[1], FRAME_SKIP):
            for line, path_of_all in zip(dots, paths, strict=True):
                line.set_data(path_of_all[:, step, 0], path_of_all[:, step, 1])
            frames.append(_pixels(figure))
    iio.imwrite(path, frames, duration=80, loop=0)


def _pixels(figure: Figure) -> npt.NDArray[np.uint8]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
