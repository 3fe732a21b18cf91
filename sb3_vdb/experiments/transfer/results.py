"""What an experiment is, and what of it is finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.transfer import curves
from sb3_vdb.experiments.transfer.documented import (
    combined_versions,
    with_kept_rows,
    with_kept_versions,
)
from sb3_vdb.experiments.transfer.runs import Cell, guide_folder
from sb3_vdb.experiments.transfer.settings import (
    EXPERT,
    METHODS,
    PAPER,
    SOLVED,
    MazeName,
    TransferSettings,
)
from sb3_vdb.recovered_reward import RecoveredReward

VERDICTS = ("solved", "optimiser", "reward", "unknown")


class Experiment(NamedTuple):
    """What is run.

    :param out: folder, with one folder for each maze and seed
    :param settings: of each maze
    :param methods: of :data:`METHODS`
    :param seeds: random seeds
    :param snapshot_seeds: how many seeds also retrain on the snapshots of the reward
    """

    out: Path
    settings: Sequence[TransferSettings]
    methods: Sequence[str]
    seeds: Sequence[int]
    snapshot_seeds: int = 0

    @property
    def cells(self) -> list[Cell]:
        """All mazes and seeds."""
        return [Cell(self.out, each, seed) for seed in self.seeds for each in self.settings]

    def snapshots(self) -> list[tuple[Cell, str, int]]:
        """Cell, method and round of every retraining on a snapshot."""
        chosen = set(self.seeds[: self.snapshot_seeds])
        return [
            (cell, method, n)
            for cell in self.cells
            if cell.seed in chosen
            for method in self.methods
            for n in range(
                cell.settings.snapshot_every,
                cell.settings.irl.iterations,
                cell.settings.snapshot_every,
            )
        ]


class Results(NamedTuple):
    """What is finished.

    :param table: one row a maze, method and seed
    :param summary: one row a maze and method
    :param snapshots: one row a retraining on a snapshot
    :param curves: of each maze
    :param made_with: versions
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    snapshots: pd.DataFrame
    curves: dict[MazeName, pd.DataFrame]
    made_with: dict[str, str]

    def with_kept(self, folder: Path) -> Results:
        """Together with what a folder has of other mazes and methods."""
        kept = partial(with_kept_rows, keys=["maze", "method"])
        return Results(
            kept(folder / "table.csv", self.table),
            kept(folder / "summary.csv", self.summary),
            kept(folder / "snapshots.csv", self.snapshots),
            {
                maze: with_kept_rows(folder / f"{maze}_curves.csv", curves, ["method"])
                for maze, curves in self.curves.items()
            },
            with_kept_versions(folder / "versions.json", self.made_with),
        )


def collect_all(experiment: Experiment) -> Results:
    """Results, curves and versions of all finished runs.

    :raises ValueError: nothing is finished
    """
    table = collect(experiment)
    if table.empty:
        raise ValueError(f"{experiment.out} holds no finished run of these methods and seeds")
    found: dict[MazeName, pd.DataFrame] = {}
    for maze in dict.fromkeys(table["maze"]):
        experts = [cell for cell in experiment.cells if cell.settings.maze == maze]
        found[maze] = curves.curve_table(finished_cells(experiment, maze), experts).round(4)
    return Results(
        table,
        summarise(table, experiment),
        collect_snapshots(experiment),
        found,
        collect_versions(experiment),
    )


def collect_versions(experiment: Experiment) -> dict[str, str]:
    """What the runs were made with; where they differ, all of it."""
    return combined_versions(each for cell in experiment.cells for each in cell.versions())


def collect(experiment: Experiment) -> pd.DataFrame:
    """Results of all finished runs, one row each, with the verdict on failures."""
    rows = []
    for cell in experiment.cells:
        for method in experiment.methods:
            path = cell.folder / method / "result.json"
            if path.exists():
                rows.append(_row(cell, method, json.loads(path.read_text())))
    return pd.DataFrame(rows)


def _row(cell: Cell, method: str, result: dict[str, Any]) -> dict[str, Any]:
    maze = cell.settings.maze
    guide_path, guide_return = guide_folder(cell) / "episodes.npz", None
    if guide_path.exists():
        guide = Demonstrations.load(guide_path)
        if guide.returns is not None and guide.returns.mean() >= SOLVED[maze]:
            reward = RecoveredReward.load(cell.folder / method / "irl" / "reward.pt")
            guide_return = float(reward(guide.transitions()).sum() / len(guide))
    return {
        **{name: value for name, value in result.items() if name not in ("kept", "retrainings")},
        "guide_learned_return": guide_return,
        "verdict": verdict(maze, result, guide_return),
    }


def verdict(maze: MazeName, result: dict[str, Any], guide_return: float | None) -> str:
    """What failed: nothing (``"solved"``); the ``"optimiser"``, which missed a path that the reward
    pays better; the ``"reward"``, which does not pay it better; or ``"unknown"``.

    :param maze: which
    :param result: figures of the run
    :param guide_return: learned return of episodes without noise that solve the flipped maze; None
        if there are none
    """
    if result["transfer_return"] >= SOLVED[maze]:
        return "solved"
    if guide_return is None:
        return "unknown"
    return "optimiser" if guide_return > result["learned_return_deterministic"] else "reward"


def summarise(table: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Mean and spread over seeds beside the paper's, and what failed."""
    rows = []
    for _, group in table.groupby(["maze", "method"], sort=False):
        maze, method = group["maze"].iloc[0], group["method"].iloc[0]
        returns = group["transfer_return"]
        mean, std = PAPER[maze][method]
        rows.append(
            {
                "maze": maze,
                "method": method,
                "seeds": len(group),
                "return": round(returns.mean(), 2),
                "std": round(returns.std(ddof=0), 2),
                "paper": mean,
                "paper std": std,
                "deterministic": round(group["transfer_return_deterministic"].mean(), 2),
                "worst": round(returns.min(), 2),
                "best": round(returns.max(), 2),
                "success": round(group["success_rate"].mean(), 2),
                "imitation": round(group["imitation_return"].mean(), 2),
                **{name: int((group["verdict"] == name).sum()) for name in VERDICTS},
                "rewards a run": round(group["n_rewards"].mean(), 1),
                "retrainings a run": round(group["n_retrainings"].mean(), 1),
                "minutes": round(group["minutes"].mean(), 1),
            }
        )
    mazes = [each.maze for each in experiment.settings if (table["maze"] == each.maze).any()]
    rows += [_expert_row(experiment, maze) for maze in mazes]
    return pd.DataFrame(rows).astype(dict.fromkeys(VERDICTS, "Int64"))


def _expert_row(experiment: Experiment, maze: MazeName) -> dict[str, Any]:
    paths = [cell.folder / "expert" / "result.json" for cell in experiment.cells]
    found = [
        json.loads(path.read_text())
        for path, cell in zip(paths, experiment.cells, strict=True)
        if cell.settings.maze == maze and path.exists()
    ]
    returns = pd.Series([each["return"] for each in found])
    return {
        "maze": maze,
        "method": EXPERT,
        "seeds": len(found),
        "return": round(returns.mean(), 2),
        "std": round(returns.std(ddof=0), 2),
        "paper": PAPER[maze][EXPERT][0],
        "worst": round(returns.min(), 2),
        "best": round(returns.max(), 2),
    }


def collect_snapshots(experiment: Experiment) -> pd.DataFrame:
    """Finished retrainings on snapshots, and those on the final rewards of the same runs."""
    rows = []
    for cell, method, n in experiment.snapshots():
        path = cell.folder / method / "snapshots" / f"reward_{n:04d}" / "result.json"
        final = cell.folder / method / "result.json"
        if path.exists():
            rows.append(json.loads(path.read_text()))
        if n == cell.settings.snapshot_every and final.exists():
            rows.append({**json.loads(final.read_text()), "round": cell.settings.irl.iterations})
    table = pd.DataFrame(rows)
    return table if table.empty else table.drop(columns=["retrainings"]).sort_values("round")


def finished_cells(experiment: Experiment, maze: MazeName) -> dict[str, list[Cell]]:
    """By method, the cells that have finished."""
    found = {
        method: [
            cell
            for cell in experiment.cells
            if cell.settings.maze == maze and (cell.folder / method / "result.json").exists()
        ]
        for method in METHODS
        if method in experiment.methods
    }
    return {method: cells for method, cells in found.items() if cells}
