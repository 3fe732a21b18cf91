"""Pictures of a reward transfer between mazes: heat maps, curves and an animation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as iio
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.curves import read_curve
from sb3_vdb.evaluation.reward_maps import RewardMap, reward_map
from sb3_vdb.recovered_reward import RecoveredReward

COLOURS = {"VAIRL-GP": "#1b6ca8", "VAIRL": "#5aa9d6", "AIRL-GP": "#e09f3e", "AIRL": "#c8553d"}
N_TRAJECTORIES = 12  # drawn in a heat map
FRAME_SKIP = 2  # steps between two frames of the animation
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 110,
}
WALL_WIDTH = 4.0  # points


def maze_of(env_id: str) -> Any:
    """Layout of a maze environment (box, walls, start, goal)."""
    env: Any = gym.make(env_id).unwrapped
    return env.layout


def map_of(reward: RecoveredReward, env_id: str) -> RewardMap:
    """The reward over all positions of a maze."""
    space = gym.make(env_id).observation_space
    assert isinstance(space, gym.spaces.Box)
    return reward_map(reward, space)


def draw_maze(axes: Axes, layout: Any, rewards: RewardMap) -> Any:
    """Heat map of a reward with walls, start and goal; returns the image for a colour bar."""
    extent = (rewards.x[0], rewards.x[-1], rewards.y[0], rewards.y[-1])
    image = axes.imshow(
        rewards.rewards, origin="lower", extent=extent, cmap="viridis", aspect="equal"
    )
    x_min, x_max, y_min, y_max = layout.box
    axes.plot(
        [x_min, x_max, x_max, x_min, x_min],
        [y_min, y_min, y_max, y_max, y_min],
        color="0.2",
        lw=WALL_WIDTH,
    )
    for wall in layout.walls:
        axes.plot(
            [wall.x_min, wall.x_max],
            [wall.y, wall.y],
            color="0.2",
            lw=WALL_WIDTH,
            solid_capstyle="round",
        )
    axes.plot(*layout.start, "o", color="tab:red", ms=6, mec="white")
    axes.plot(*layout.goal, "*", color="tab:green", ms=13, mec="white")
    axes.set_xticks([])
    axes.set_yticks([])
    return image


def draw_trajectories(axes: Axes, episodes: Demonstrations) -> None:
    """Paths of the first episodes."""
    for trajectory in episodes[:N_TRAJECTORIES]:
        path = np.asarray(trajectory.observations, dtype=float)
        axes.plot(path[:, 0], path[:, 1], color="white", lw=0.9, alpha=0.8)
        axes.plot(*path[-1], "o", color="white", ms=2.5)


def heat_maps(
    folder: Path, methods: Sequence[str], train_env: str, test_env: str, path: Path
) -> None:
    """Recovered reward of every method in both mazes, with the paths of imitating and of retrained
    policies.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.1 * len(methods)), layout="constrained")
        grid = np.atleast_2d(figure.subplots(len(methods), 2))
        for row, method in zip(grid, methods, strict=True):
            reward = RecoveredReward.load(folder / method / "irl" / "reward.pt")
            for axes, env_id, episodes, title in (
                (row[0], train_env, "imitation.npz", "learned here"),
                (row[1], test_env, "transfer.npz", "new policy, flipped maze"),
            ):
                image = draw_maze(axes, maze_of(env_id), map_of(reward, env_id))
                draw_trajectories(axes, Demonstrations.load(folder / method / episodes))
                axes.set_title(f"{method}: {title}")
            figure.colorbar(image, ax=list(row), shrink=0.8, label="learned reward")
        figure.savefig(path)


def learning_curves(folder: Path, methods: Sequence[str], path: Path) -> None:
    """True return of the expert, of the imitating policies and of the retrained ones."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        _plot_curve(panels[0], folder / "expert", "rollout/ep_rew_mean", "0.3", "TRPO")
        for method in methods:
            _plot_curve(
                panels[1], folder / method / "irl", "rollout/ep_rew_mean", COLOURS[method], method
            )
            for i, attempt in enumerate(sorted((folder / method / "retraining").glob("attempt_*"))):
                style = "-" if i == 0 else "--"
                label = method if i == 0 else None
                _plot_curve(
                    panels[2], attempt, "rollout/ep_rew_mean", COLOURS[method], label, style
                )
        titles = ("expert (true reward)", "inverse RL, training maze", "retraining, flipped maze")
        for axes, title in zip(panels, titles, strict=True):
            axes.set_title(title)
            axes.set_xlabel("thousand environment steps")
            axes.grid(alpha=0.3)
            axes.legend(frameon=False, fontsize=8)
        panels[0].set_ylabel("true return")
        figure.savefig(path)


def bottleneck_curves(folder: Path, methods: Sequence[str], path: Path) -> None:
    """Information against its limit, the multiplier, and the discriminator's accuracy, over inverse
    RL.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        panels = figure.subplots(1, 3)
        for method in methods:
            irl, colour = folder / method / "irl", COLOURS[method]
            if method.startswith("V"):
                _plot_curve(panels[0], irl, "discriminator/kl", colour, f"{method}: KL")
                _plot_curve(panels[0], irl, "discriminator/information_limit", "0.3", "limit", "--")
                _plot_curve(panels[1], irl, "discriminator/beta", colour, method)
            _plot_curve(
                panels[2], irl, "discriminator/accuracy_expert", colour, f"{method}: expert"
            )
            _plot_curve(
                panels[2],
                irl,
                "discriminator/accuracy_generator",
                colour,
                f"{method}: generator",
                ":",
            )
        for axes, title in zip(
            panels, ("information (nats)", "multiplier β", "discriminator accuracy"), strict=True
        ):
            axes.set_title(title)
            axes.set_xlabel("thousand environment steps")
            axes.grid(alpha=0.3)
            if axes.get_lines():
                axes.legend(frameon=False, fontsize=8)
        figure.savefig(path)


def _plot_curve(
    axes: Axes, folder: Path, key: str, colour: str, label: str | None, style: str = "-"
) -> None:
    if not (folder / "progress.csv").exists():
        return
    curve = read_curve(folder, key)
    axes.plot(curve["step"] / 1000, curve["value"], style, color=colour, label=label, lw=1.3)


def animation(folder: Path, methods: Sequence[str], test_env: str, path: Path) -> None:
    """The retrained policies at work in the flipped maze, all evaluation episodes of a method in
    one panel.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * len(methods), 3.4), layout="constrained", dpi=80)
        panels = np.atleast_1d(figure.subplots(1, len(methods)))
        paths, dots = [], []
        for axes, method in zip(panels, methods, strict=True):
            reward = RecoveredReward.load(folder / method / "irl" / "reward.pt")
            draw_maze(axes, maze_of(test_env), map_of(reward, test_env))
            episodes = Demonstrations.load(folder / method / "transfer.npz")
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


def mazes(env_ids: Sequence[str], path: Path) -> None:
    """Top views of mazes, with the path of no one."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.1 * len(env_ids), 3.4), layout="constrained")
        for axes, env_id in zip(figure.subplots(1, len(env_ids)), env_ids, strict=True):
            env = gym.make(env_id, render_mode="rgb_array", render_height=500)
            env.reset(seed=0)
            picture: Any = env.render()
            axes.imshow(picture)
            axes.set_title(env_id.split("/")[1].removesuffix("-v0"))
            axes.axis("off")
        figure.savefig(path)


def transfer_pictures(
    folder: Path, methods: Sequence[str], train_env: str, test_env: str, target: Path
) -> None:
    """All pictures of one run: curves and, where methods have finished, rewards and animation."""
    target.mkdir(parents=True, exist_ok=True)
    learning_curves(folder, methods, target / "curves.png")
    bottleneck_curves(folder, methods, target / "bottleneck.png")
    if methods:
        heat_maps(folder, methods, train_env, test_env, target / "rewards.png")
        animation(folder, methods, test_env, target / "policies.gif")
