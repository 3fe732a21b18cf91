"""Curves of the transfer over seeds: returns, information, the multiplier, accuracies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from sb3_vdb.evaluation.curves import read_curve
from sb3_vdb.experiments.framework.plots import new_figure, plot_band, plot_seeds
from sb3_vdb.experiments.framework.run import read_result
from sb3_vdb.experiments.maze_transfer.runs import Cell
from sb3_vdb.experiments.maze_transfer.settings import (
    EXPERT,
    MAZE_METHODS,
    PAPER_RETURNS,
    WITH_BOTTLENECK,
)

COLOURS = {
    "GAIL": "#8a8f98",
    "VAIL": "#7a5195",
    "AIRL": "#c8553d",
    "AIRL-GP": "#e09f3e",
    "VAIRL-beta0": "#6b9e5a",
    "VAIRL": "#5aa9d6",
    "VAIRL-GP": "#1b6ca8",
}

RETURN = "rollout/ep_rew_mean"
DISCRIMINATOR = tuple(
    f"discriminator/{name}" for name in ("kl", "beta", "accuracy_expert", "accuracy_generator")
)
Cells = Mapping[str, Sequence[Cell]]  # by method, the cells that have finished


def mean_curve(folders: Sequence[Path], key: str) -> pd.DataFrame:
    """Return mean and spread of one logged value over runs.

    :return: columns ``step``, ``mean`` and ``std``; empty where nothing was logged
    """
    curves = [curve for folder in folders if not (curve := read_curve(folder, key)).empty]
    if not curves:
        return pd.DataFrame({"step": [], "mean": [], "std": []}, dtype=float)
    groups = pd.concat(curves).groupby("step")["value"]
    return pd.DataFrame({"mean": groups.mean(), "std": groups.std(ddof=0)}).reset_index()


def kept_attempt(cell: Cell, method: str) -> Path:
    """Return the folder of the retraining that was kept."""
    folder = cell.folder / method
    return folder / "retraining" / f"attempt_{read_result(folder)['kept']}"


def curve_table(cells: Cells, experts: Sequence[Cell]) -> pd.DataFrame:
    """Return mean and spread of all learning curves, one row a method, phase, key and step.

    :param cells: by method
    :param experts: whose experts are shown
    """
    parts = [_part(EXPERT, "expert", RETURN, [cell.folder / "expert" for cell in experts])]
    for method, finished in cells.items():
        irl = [cell.folder / method / "irl" for cell in finished]
        retraining = [kept_attempt(cell, method) for cell in finished]
        parts += [_part(method, "irl", key, irl) for key in (RETURN, *DISCRIMINATOR)]
        parts.append(_part(method, "retraining", RETURN, retraining))
    return pd.concat(parts, ignore_index=True)


def _part(method: str, phase: str, key: str, folders: Sequence[Path]) -> pd.DataFrame:
    return mean_curve(folders, key).assign(method=method, phase=phase, key=key)


def learning_curves(curves: pd.DataFrame, path: Path) -> None:
    """Plot the true return of experts, of the imitating policies and of the retrained ones.

    :param curves: of :func:`curve_table`
    :param path: of the picture
    """
    with new_figure(path, (9.5, 3.2)) as figure:
        panels = figure.subplots(1, 3, sharey=True)
        _plot(panels[0], curves, (EXPERT, "expert", RETURN), "0.3", "TRPO")
        for method in _methods(curves):
            _plot(panels[1], curves, (method, "irl", RETURN), COLOURS[method], method)
            _plot(panels[2], curves, (method, "retraining", RETURN), COLOURS[method], method)
        titles = ("expert (true reward)", "inverse RL, training maze", "retraining, flipped maze")
        _finish(panels, titles)
        panels[0].set_ylabel("true return")


def bottleneck_curves(curves: pd.DataFrame, limit: float, path: Path) -> None:
    """Plot information against its limit, the multiplier, and the discriminator's accuracy, over
    inverse RL.

    :param curves: of :func:`curve_table`
    :param limit: of the information, in nats
    :param path: of the picture
    """
    information, multiplier, *accuracies = DISCRIMINATOR
    with new_figure(path, (11.0, 3.2)) as figure:
        panels = figure.subplots(1, 3)
        for method in _methods(curves):
            colour = COLOURS[method]
            if MAZE_METHODS[method].algorithm in WITH_BOTTLENECK:
                _plot(panels[0], curves, (method, "irl", information), colour, method)
                _plot(panels[1], curves, (method, "irl", multiplier), colour, method)
            for key, label, style in zip(accuracies, (method, None), ("-", ":"), strict=True):
                _plot(panels[2], curves, (method, "irl", key), colour, label, style)
        if panels[0].get_lines():
            panels[0].axhline(limit, color="0.3", ls="--", lw=1.0, label="limit")
        titles = ("information (nats)", "multiplier β", "accuracy, expert (dotted: generator)")
        _finish(panels, titles)
        panels[0].set_yscale("log")  # without a price, information has no bound
        panels[2].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _methods(curves: pd.DataFrame) -> list[str]:
    """Return the methods that have curves, in the order of the paper's table."""
    there = set(curves["method"])
    return [method for method in MAZE_METHODS if method in there]


def returns_by_seed(table: pd.DataFrame, scripted: float | None, path: Path) -> None:
    """Plot every seed's transfer return by method, next to the paper's mean and standard deviation.

    :param table: rows of one maze
    :param scripted: return of the scripted controller, if it is known
    :param path: of the picture
    """
    maze = table["maze"].iloc[0]
    methods = list(dict.fromkeys(table["method"]))
    with new_figure(path, (1.15 * len(methods) + 1.8, 3.4)) as figure:
        axes = figure.subplots()
        for i, method in enumerate(methods):
            returns = table.loc[table["method"] == method, "transfer_return"].to_numpy()
            plot_seeds(axes, i, returns, COLOURS[method])
            mean, std = PAPER_RETURNS[method][maze]
            label = "paper: mean, std" if i == 0 else None
            axes.errorbar(i + 0.3, mean, std, fmt="_", color="0.3", ms=10, capsize=3, label=label)
        if scripted is not None:
            axes.axhline(scripted, color="tab:green", lw=0.8, label="scripted controller")
        axes.set_xticks(range(len(methods)), methods)
        axes.set_xlim(-0.6, len(methods) - 0.4)
        axes.set_ylabel("true return, flipped maze")
        axes.legend(frameon=False, fontsize=8)


def snapshot_curves(table: pd.DataFrame, path: Path) -> None:
    """Plot the transfer return against the round in which the reward was taken.

    :param table: columns ``method``, ``round`` and ``transfer_return``, rows of one maze
    :param path: of the picture
    """
    with new_figure(path, (5.6, 3.4)) as figure:
        axes = figure.subplots()
        for name, rows in table.groupby("method", sort=False):
            method = str(name)
            groups = rows.groupby("round")["transfer_return"]
            mean, std = groups.mean(), groups.std(ddof=0)
            plot_band(axes, mean.index, mean, std, COLOURS[method], method, ".-")
        axes.set_xlabel("rounds of inverse RL")
        axes.set_ylabel("true return after retraining")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)


def _plot(
    axes: Axes,
    curves: pd.DataFrame,
    which: tuple[str, str, str],
    colour: str,
    label: str | None,
    style: str = "-",
) -> None:
    """Plot one curve with its spread, if there is one.

    :param which: method, phase and key
    """
    method, phase, key = which
    is_it = (curves["method"] == method) & (curves["phase"] == phase) & (curves["key"] == key)
    curve = curves.loc[is_it, ["step", "mean", "std"]].astype(float)
    if curve.empty:
        return
    plot_band(axes, curve["step"] / 1000, curve["mean"], curve["std"], colour, label, style)


def _finish(panels: Sequence[Axes], titles: Sequence[str]) -> None:
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)
        axes.set_xlabel("thousand environment steps")
        axes.grid(alpha=0.3)
        if axes.get_lines():
            axes.legend(frameon=False, fontsize=7)
