"""Figures of V-MAIL's runs: learning curves, and what a trained model sees, expects and rewards."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.framework.plots import BLUE, GREY, RED, new_figure
from sb3_vdb.experiments.vmail.runs import CHOSEN, REPLAY, PixelRun
from sb3_vdb.vmail.inspection import Course, Prediction, follow, predict_pictures, rows_of
from sb3_vdb.vmail.selection import BEST_EPISODES, BEST_MODEL, HISTORY

SHOWN_EVERY = 5  # decisions between two pictures of a strip
N_SHOWN = 12
N_CONTEXT = 6
MAX_TOGETHER = 4  # methods in one panel


def learning_curves(runs: Sequence[PixelRun], path: Path) -> None:
    """Plot the return over frames and over minutes of every V-MAIL run, each seed a line; the
    expert and behavioural cloning as levels. Many methods get a panel each, over frames, with the
    first one's lines in grey.

    :param runs: finished or not, of one task
    :param path: of the figure
    """
    groups = list(dict.fromkeys(_group(run) for run in runs if run.is_vmail))
    if len(groups) > MAX_TOGETHER:
        _panels(runs, groups, path)
        return
    groups.sort()
    expert = runs[0].settings.expert_return
    with outside_legend(path, (9.0, 3.2)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for i, group in enumerate(groups):
            _curves([run for run in runs if _group(run) == group], panels, f"C{i % 10}")
        for i, n in enumerate(sorted({n for _, n in groups})):
            cloned = [run for run in runs if not run.is_vmail and run.n_demonstrations == n]
            _levels(cloned, panels, f"C{i % 10}")
        for panel, name in zip(panels, ("environment frames", "minutes"), strict=True):
            panel.axhline(expert, color=GREY, linestyle="--", label="expert")
            panel.set_xlabel(name)
            if runs[0].settings.floor == 0.0:
                panel.set_ylim(bottom=0.0)
        panels[0].set_ylabel("return")
        _legend(figure, panels[0], (0.06, 1.0), ncols=4)


def outside_legend(path: Path, size: tuple[float, float]) -> AbstractContextManager[Figure]:
    """Make a figure that is written with the legend above its axes."""
    return new_figure(path, size, "tight", bbox_inches="tight")


def _legend(figure: Figure, axes: Axes, place: tuple[float, float], **kwargs: Any) -> None:
    figure.legend(
        *axes.get_legend_handles_labels(),
        frameon=False,
        fontsize=7,
        loc="lower left",
        bbox_to_anchor=place,
        **kwargs,
    )


def _panels(runs: Sequence[PixelRun], groups: Sequence[tuple[str, int]], path: Path) -> None:
    """Plot a panel for each method and number of demonstrations, each seed a line."""
    n_columns = 4
    n_rows = -(-len(groups) // n_columns)
    with outside_legend(path, (9.0, 0.4 + 2.0 * n_rows)) as figure:
        grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
        panels = list(grid.flat)
        for panel, group in zip(panels, groups, strict=False):
            for shown, colour in ((groups[0], GREY), (group, BLUE)):
                _seeds([run for run in runs if _group(run) == shown], panel, colour)
            panel.axhline(runs[0].settings.expert_return, color=GREY, linestyle="--")
            title = _name(next(run for run in runs if _group(run) == group))
            panel.set_title(title.replace(", ", "\n"), fontsize=8)
        for panel in panels[len(groups) :]:
            panel.set_visible(False)
        for panel in panels[len(groups) - n_columns : len(groups)]:  # nothing is shown below them
            panel.tick_params(labelbottom=True)
        figure.supxlabel("environment frames", fontsize=9)
        figure.supylabel("return", fontsize=9)


def _seeds(runs: Sequence[PixelRun], panel: Axes, colour: str) -> None:
    """Plot the returns of each run as a line over frames."""
    for run in runs:
        if run.evaluations.exists():
            rows = pd.read_csv(run.evaluations)
            panel.plot(rows["frames"], rows["return"], color=colour, alpha=0.7)


def _group(run: PixelRun) -> tuple[str, int]:
    return run.method, run.n_demonstrations


def _name(run: PixelRun) -> str:
    n = run.n_demonstrations
    return f"{run.method}, {n} demonstration{'s' if n > 1 else ''}"


def _curves(runs: Sequence[PixelRun], panels: Sequence[Axes], colour: str) -> None:
    """Plot a line a seed of one method, over frames and over minutes."""
    label: str | None = _name(runs[0])
    for run in runs:
        if not run.evaluations.exists():
            continue
        rows = pd.read_csv(run.evaluations)
        for panel, x in zip(panels, (rows["frames"], rows["seconds"] / 60), strict=True):
            panel.plot(x, rows["return"], color=colour, label=label, alpha=0.85)
        label = None


def _levels(cloned: Sequence[PixelRun], panels: Sequence[Axes], colour: str) -> None:
    """Plot a dotted level a seed of cloning, in the colour of as many demonstrations."""
    returns = [result["return"] for run in cloned if (result := run.result()) is not None]
    for i, reached in enumerate(returns):
        label = None if i else _name(cloned[0])
        for panel in panels:
            panel.axhline(reached, color=colour, linewidth=0.8, linestyle=":", label=label)


def prediction_strip(prediction: Prediction, path: Path, title: str) -> None:
    """Show seen, reconstructed and predicted pictures below each other.

    :param prediction: of an episode
    :param path: of the figure
    :param title: above it
    """
    chosen = np.arange(0, len(prediction.seen), SHOWN_EVERY)[:N_SHOWN]
    rows = (prediction.seen, prediction.reconstructed, prediction.predicted)
    with outside_legend(path, (0.95 * len(chosen), 3.3)) as figure:
        axes = figure.subplots(3, len(chosen))
        for line, name, pictures in zip(
            axes, ("seen", "belief", "forward model"), rows, strict=True
        ):
            for axis, step in zip(line, chosen, strict=True):
                axis.imshow(pictures[step][..., -3:])
                axis.set_xticks([])
                axis.set_yticks([])
                dreamt = pictures is prediction.predicted and step >= prediction.n_context
                for spine in axis.spines.values():
                    spine.set(visible=dreamt, color=RED)
            line[0].set_ylabel(name)
        for axis, step in zip(axes[0], chosen, strict=True):
            axis.set_title(f"{step}", fontsize=7)
        figure.suptitle(f"{title} (red: without looking)", fontsize=9)


def courses(expert: Course, policy: Course, path: Path) -> None:
    """Plot reward of the discriminator and belief divergence along an episode of each.

    :param expert: along a demonstration
    :param policy: along an episode of the policy
    :param path: of the figure
    """
    with outside_legend(path, (9.0, 2.8)) as figure:
        panels = figure.subplots(1, 2)
        for course, colour, name in ((expert, GREY, "expert"), (policy, BLUE, "policy")):
            panels[0].plot(course.rewards, color=colour, label=name, linewidth=0.9)
            panels[1].plot(course.belief_kl, color=colour, label=name, linewidth=0.9)
        panels[0].set_ylabel("reward of the discriminator")
        panels[1].set_ylabel("belief divergence, nats")
        panels[1].set_yscale("log")
        for panel in panels:
            panel.set_xlabel("decision")
        panels[0].legend(frameon=False)


def inspect(run: PixelRun, folder: Path) -> list[Path]:
    """Make the figures of a finished V-MAIL run: prediction along a demonstration and along the
    policy's last episode, or one of those that the discriminator chose it for; rewards and
    divergences.

    :param run: finished, its checkpoint in place
    :param folder: where they go
    """
    algorithm = run.algorithm
    model = algorithm.load(run.folder / "model.zip", device="cpu")
    model.load_replay_buffer(run.folder / REPLAY)
    replay = model.replay_buffer
    assert replay is not None
    demonstration, episode = replay.expert.episode(0), replay.policy.episode(-1)
    of_policy = "The policy's last episode"
    if (run.folder / CHOSEN).exists():
        model = algorithm.load(run.folder / CHOSEN / BEST_MODEL, device="cpu")
        episode = rows_of(model, Demonstrations.load(run.folder / CHOSEN / BEST_EPISODES)[0])
        of_policy = "An episode of the chosen policy"
    paths = [folder / f"{run.name}_{kind}.png" for kind in ("expert", "policy", "courses")]
    for rows, path, title in (
        (demonstration, paths[0], "A demonstration"),
        (episode, paths[1], of_policy),
    ):
        strip = predict_pictures(model, rows, N_CONTEXT, SHOWN_EVERY * N_SHOWN)
        prediction_strip(strip, path, title)
    courses(follow(model, demonstration), follow(model, episode), paths[2])
    return paths


def choices(runs: Sequence[PixelRun], path: Path) -> bool:
    """Plot expert likeness against return of the evaluations by which policies were chosen, each
    run a colour, what was kept marked; False if there are none.

    :param runs: finished or not, of one task
    :param path: of the figure
    """
    tables = [run for run in runs if (run.folder / CHOSEN / HISTORY).exists()]
    if not tables:
        return False
    with outside_legend(path, (4.4, 3.2)) as figure:
        axis = figure.subplots()
        for i, run in enumerate(tables):
            rows = pd.read_csv(run.folder / CHOSEN / HISTORY)
            kept = rows[rows["chosen"]].tail(1)
            label = f"{_name(run)}, seed {run.seed}"
            axis.scatter(rows["likeness"], rows["return"], s=14, color=f"C{i % 10}", label=label)
            axis.scatter(
                kept["likeness"], kept["return"], s=90, facecolor="none", edgecolor=f"C{i % 10}"
            )
        axis.axhline(runs[0].settings.expert_return, color=GREY, linestyle="--", label="expert")
        axis.set_xlabel("D(z, a) along the episodes")
        axis.set_ylabel("return")
        axis.locator_params(axis="x", nbins=6)
        _legend(figure, axis, (0.12, 0.95))
    return True
