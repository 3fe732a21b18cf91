"""Figures of the motion table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from sb3_vdb.experiments.framework.plots import GREY, new_figure

ERRORS = {
    "joint_error": "joint rotation error (rad),\npi after a fall",
    "joint_error_alive": "error alive (rad)",
    "joint_error_shifted": "error at the best phase shift (rad)",
    "root_speed": "root speed (m/s)",
}
BOTTLENECK = {
    "kl": "KL (nats)",
    "beta": "beta",
    "accuracy_generator": "accuracy on the generator's\n(sampled codes)",
    "mean_code_accuracy_generator": "accuracy at the mean codes",
}
REWARDS = {
    "reward_q10": "reward, 10 % quantile",
    "reward_q50": "reward, median",
    "reward_q90": "reward, 90 % quantile",
    "task_rank_correlation": "rank correlation with\nDeepMimic's reward",
}
PANELS = {"errors": ERRORS, "bottleneck": BOTTLENECK, "reward": REWARDS}
LOG_SCALE = ("joint_error", "joint_error_alive", "joint_error_shifted")


def plot_all(curves: pd.DataFrame, folder: Path, groups: Mapping[str, Sequence[str]]) -> list[Path]:
    """Plot the evaluations in training, for every skill and group of methods: errors, the
    bottleneck, the reward.

    :param curves: one row an evaluation
    :param folder: where the figures go
    :param groups: methods that stand in one figure, in the order of its legend, by what its name
        has behind the skill's
    :return: their paths
    """
    made = []
    for skill, rows in curves.groupby("skill", sort=False):
        for group, methods in groups.items():
            for name, panels in PANELS.items():
                of_group = rows[rows["method"].isin(methods)]
                shown = of_group.dropna(subset=[next(iter(panels))])
                if len(shown):
                    made.append(folder / f"{str(skill).lower()}{group}_{name}.png")
                    _plot(shown, panels, made[-1], methods)
    return made


def _plot(curves: pd.DataFrame, panels: dict[str, str], path: Path, methods: Sequence[str]) -> None:
    """Plot panels side by side, a colour a method and a line a seed."""
    methods = [name for name in methods if name in set(curves["method"])]
    with new_figure(path, (11.0, 2.9), "tight", bbox_inches="tight") as figure:
        axes = figure.subplots(1, len(panels))
        for axis, (key, title) in zip(axes, panels.items(), strict=True):
            for i, method in enumerate(methods):
                _lines(axis, curves[curves["method"] == method], key, f"C{i % 10}", method)
            if key in LOG_SCALE:
                axis.set_yscale("log")
            axis.set_xlabel("samples (millions)")
            axis.set_title(title, fontsize=8)
        if "joint_error" in panels:
            axes[0].axhline(0.14, color=GREY, lw=0.8, ls="--")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            frameon=False,
            fontsize=7,
            ncols=4,
            loc="lower left",
            bbox_to_anchor=(0.05, 1.0),
        )


def _lines(axis: Axes, rows: pd.DataFrame, key: str, colour: str, label: str | None) -> None:
    for _, one in rows.groupby("seed"):
        axis.plot(one["samples"] / 1e6, one[key], colour, lw=1.1, label=label)
        label = None
