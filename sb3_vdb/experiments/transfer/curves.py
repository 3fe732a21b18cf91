"""Curves of the transfer over seeds: returns, information, the multiplier, accuracies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sb3_vdb.evaluation.curves import read_curve
from sb3_vdb.experiments.style import COLOURS, STYLE
from sb3_vdb.experiments.transfer.runs import Cell
from sb3_vdb.experiments.transfer.settings import METHODS, PAPER

RETURN = "rollout/ep_rew_mean"
Cells = Mapping[str, Sequence[Cell]]  # by method, the cells that have finished


def mean_curve(folders: Sequence[Path], key: str) -> pd.DataFrame:
    """Mean and spread of one logged value over runs.

    :return: columns ``step``, ``mean`` and ``std``; empty where nothing was logged
    """
    curves = [curve for folder in folders if not (curve := read_curve(folder, key)).empty]
    if not curves:
        return pd.DataFrame({"step": [], "mean": [], "std": []}, dtype=float)
    groups = pd.concat(curves).groupby("step")["value"]
    return pd.DataFrame({"mean": groups.mean(), "std": groups.std(ddof=0)}).reset_index()


def kept_attempt(cell: Cell, method: str) -> Path:
    """Folder of the retraining that was kept."""
    folder = cell.folder / method
    result = json.loads((folder / "result.json").read_text())
    return folder / "retraining" / f"attempt_{result['kept']}"


def curve_table(cells: Cells) -> pd.DataFrame:
    """All learning curves, one row a method, phase and step."""
    parts = []
    for method, finished in cells.items():
        for phase, key, folders in _curves_of(method, finished):
            curve = mean_curve(folders, key)
            parts.append(curve.assign(method=method, phase=phase, key=key))
    return pd.concat(parts) if parts else pd.DataFrame()


def _curves_of(method: str, finished: Sequence[Cell]) -> list[tuple[str, str, list[Path]]]:
    irl = [cell.folder / method / "irl" for cell in finished]
    retraining = [kept_attempt(cell, method) for cell in finished]
    return [
        ("irl", RETURN, irl),
        ("retraining", RETURN, retraining),
        ("irl", "discriminator/kl", irl),
        ("irl", "discriminator/beta", irl),
        ("irl", "discriminator/accuracy_expert", irl),
        ("irl", "discriminator/accuracy_generator", irl),
    ]


def learning_curves(cells: Cells, experts: Sequence[Cell], path: Path) -> None:
    """True return of experts, of the imitating policies and of the retrained ones."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 3.2), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        _plot(panels[0], [cell.folder / "expert" for cell in experts], RETURN, "0.3", "TRPO")
        for method, finished in cells.items():
            irl = [cell.folder / method / "irl" for cell in finished]
            retraining = [kept_attempt(cell, method) for cell in finished]
            _plot(panels[1], irl, RETURN, COLOURS[method], method)
            _plot(panels[2], retraining, RETURN, COLOURS[method], method)
        titles = ("expert (true reward)", "inverse RL, training maze", "retraining, flipped maze")
        _finish(panels, titles)
        panels[0].set_ylabel("true return")
        figure.savefig(path)


def bottleneck_curves(cells: Cells, path: Path) -> None:
    """Information against its limit, the multiplier, and the discriminator's accuracy, over inverse
    RL.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.0, 3.2), layout="constrained")
        panels = figure.subplots(1, 3)
        limits = set()
        for method, finished in cells.items():
            irl, colour = [cell.folder / method / "irl" for cell in finished], COLOURS[method]
            if METHODS[method].has_bottleneck:
                _plot(panels[0], irl, "discriminator/kl", colour, method)
                _plot(panels[1], irl, "discriminator/beta", colour, method)
                limits |= {cell.settings.information_limit for cell in finished}
            _plot(panels[2], irl, "discriminator/accuracy_expert", colour, method)
            _plot(panels[2], irl, "discriminator/accuracy_generator", colour, None, ":")
        for limit in limits:
            panels[0].axhline(limit, color="0.3", ls="--", lw=1.0, label="limit")
        titles = ("information (nats)", "multiplier β", "accuracy, expert (dotted: generator)")
        _finish(panels, titles)
        panels[0].set_yscale("log")  # without a price, information has no bound
        panels[2].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        figure.savefig(path)


def returns_by_seed(table: pd.DataFrame, scripted: float, path: Path) -> None:
    """Every seed's transfer return by method, beside the paper's mean and standard deviation.

    :param table: rows of one maze
    :param scripted: return of the scripted controller
    :param path: of the picture
    """
    maze = table["maze"].iloc[0]
    methods = list(dict.fromkeys(table["method"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.15 * len(methods) + 1.8, 3.4), layout="constrained")
        axes = figure.subplots()
        for i, method in enumerate(methods):
            returns = table.loc[table["method"] == method, "transfer_return"].to_numpy()
            spread = np.linspace(-0.16, 0.16, len(returns))
            axes.plot(i + spread, returns, "o", color=COLOURS[method], ms=6, alpha=0.85)
            mean, std = PAPER[maze][method]
            label = "paper: mean, std" if i == 0 else None
            axes.errorbar(i + 0.3, mean, std, fmt="_", color="0.3", ms=10, capsize=3, label=label)
        axes.axhline(scripted, color="tab:green", lw=0.8, label="scripted controller")
        axes.set_xticks(range(len(methods)), methods)
        axes.set_xlim(-0.6, len(methods) - 0.4)
        axes.set_ylabel("true return, flipped maze")
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(path)


def snapshot_curves(table: pd.DataFrame, path: Path) -> None:
    """Transfer return against the round in which the reward was taken.

    :param table: columns ``method``, ``round`` and ``transfer_return``, rows of one maze
    :param path: of the picture
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.4), layout="constrained")
        axes = figure.subplots()
        for name, rows in table.groupby("method", sort=False):
            method = str(name)
            groups = rows.groupby("round")["transfer_return"]
            mean, std = groups.mean(), groups.std(ddof=0)
            axes.plot(mean.index, mean, "o-", color=COLOURS[method], ms=3, lw=1.3, label=method)
            axes.fill_between(mean.index, mean - std, mean + std, color=COLOURS[method], alpha=0.15)
        axes.set_xlabel("rounds of inverse RL")
        axes.set_ylabel("true return after retraining")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(path)


def _plot(
    axes: Axes, folders: Sequence[Path], key: str, colour: str, label: str | None, style: str = "-"
) -> None:
    curve = mean_curve(folders, key)
    if curve.empty:
        return
    step = curve["step"] / 1000
    axes.plot(step, curve["mean"], style, color=colour, label=label, lw=1.3)
    if len(folders) > 1:
        low, high = curve["mean"] - curve["std"], curve["mean"] + curve["std"]
        axes.fill_between(step, low, high, color=colour, alpha=0.12, lw=0)


def _finish(panels: Sequence[Axes], titles: Sequence[str]) -> None:
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)
        axes.set_xlabel("thousand environment steps")
        axes.grid(alpha=0.3)
        if axes.get_lines():
            axes.legend(frameon=False, fontsize=7)
