"""What is run of the transfer, and what of it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.intervals import interquartile_mean
from sb3_vdb.experiments.framework.run import (
    check_all,
    has_result,
    nothing_finished,
    read_result,
    versions_of,
)
from sb3_vdb.experiments.framework.table import (
    spread,
    summarise,
    with_kept_rows,
    with_kept_versions,
)
from sb3_vdb.experiments.maze_transfer import curves
from sb3_vdb.experiments.maze_transfer.runs import Cell, Guide
from sb3_vdb.experiments.maze_transfer.settings import (
    EXPERT,
    MAZE_METHODS,
    MAZES,
    PAPER_RETURNS,
    SOLVED,
    MazeName,
    TransferSettings,
)

ROW_ORDER = {"maze": MAZES, "method": (*MAZE_METHODS, EXPERT)}  # the paper's
VERDICTS = ("solved", "optimiser", "reward", "unknown")


class TransferPlan(NamedTuple):
    """What is run.

    :param out: folder, with one folder for each maze and seed
    :param settings: of each maze
    :param methods: of :data:`MAZE_METHODS`
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

    @property
    def guides(self) -> list[Guide]:
        """One of each maze."""
        return [Guide(self.out, each) for each in self.settings]

    def cells_of(self, maze: MazeName) -> list[Cell]:
        """Return all seeds of a maze."""
        return [cell for cell in self.cells if cell.settings.maze == maze]

    def snapshots(self) -> list[tuple[Cell, str, int]]:
        """Return cell, method and round of every retraining on a snapshot."""
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
        """Return them together with what a folder has of other mazes and methods."""
        kept = partial(with_kept_rows, keys=["maze", "method"], order=ROW_ORDER)
        return Results(
            kept(folder / "table.csv", self.table),
            kept(folder / "summary.csv", self.summary),
            kept(folder / "snapshots.csv", self.snapshots),
            {
                maze: with_kept_rows(folder / f"{maze}_curves.csv", rows, ["method"], ROW_ORDER)
                for maze, rows in self.curves.items()
            },
            with_kept_versions(folder / "versions.json", self.made_with),
        )


def collect_all(plan: TransferPlan) -> Results:
    """Collect results, curves and versions of all finished runs.

    :raises ValueError: nothing is finished, or a folder holds a run with other settings
    """
    runs = [*plan.cells, *plan.guides]
    check_all(runs)
    table = collect(plan)
    if table.empty:
        raise nothing_finished(plan.out)
    curves_of = {
        maze: curves.curve_table(finished_cells(plan, maze), plan.cells_of(maze)).round(4)
        for maze in dict.fromkeys(table["maze"])
    }
    return Results(
        table,
        summarise_methods(table),
        collect_snapshots(plan),
        curves_of,
        versions_of(runs),
    )


def collect(plan: TransferPlan) -> pd.DataFrame:
    """Collect the results of all finished runs, one row each, with the verdict on failures."""
    return pd.DataFrame(
        [
            _row(plan, cell, method)
            for cell in plan.cells
            for method in plan.methods
            if cell.has_finished(method)
        ]
    )


def _row(plan: TransferPlan, cell: Cell, method: str) -> dict[str, Any]:
    maze, result = cell.settings.maze, read_result(cell.folder / method)
    path, guide_return = Guide(plan.out, cell.settings).path, None
    expert = cell.folder / EXPERT
    if path.exists():
        guide = Demonstrations.load(path)
        if guide.returns is not None and guide.returns.mean() >= SOLVED[maze]:
            guide_return = float(cell.reward(method)(guide.transitions()).sum() / len(guide))
    return {
        **{name: value for name, value in result.items() if name not in ("kept", "retrainings")},
        "expert_return": read_result(expert)["return"] if has_result(expert) else None,
        "guide_learned_return": guide_return,
        "verdict": verdict(maze, result, guide_return),
    }


def verdict(maze: MazeName, result: dict[str, Any], guide_return: float | None) -> str:
    """Tell what failed: nothing (``"solved"``); the ``"optimiser"``, which missed a path that the
    reward pays better; the ``"reward"``, which does not pay it better; or ``"unknown"``.

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


def summarise_methods(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the seeds of each method say together next to the paper's, and what failed; at
    last the experts.

    :param table: of :func:`collect`
    """
    rows: list[Any] = summarise(table, ["maze", "method"], _method_row).to_dict("records")
    if "expert_return" in table:
        rows += [_expert_row(group) for _, group in table.groupby("maze", sort=False)]
    return pd.DataFrame(rows).astype(dict.fromkeys(VERDICTS, "Int64"))


def _method_row(group: pd.DataFrame) -> dict[str, Any]:
    paper, paper_std = PAPER_RETURNS[group["method"].iloc[0]][group["maze"].iloc[0]]
    return {
        **spread(group["transfer_return"], 2),
        "paper": paper,
        "paper std": paper_std,
        **{name: int((group["verdict"] == name).sum()) for name in VERDICTS},
        "imitation": round(float(interquartile_mean(group["imitation_return"])), 2),
        "rewards": int(group["n_rewards"].sum()),
        "retrainings": int(group["n_retrainings"].sum()),
        "minutes": round(group["minutes"].median(), 1),
    }


def _expert_row(group: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the experts of a maze, one a seed, which all methods share."""
    maze = group["maze"].iloc[0]
    returns = group.drop_duplicates("seed")["expert_return"].dropna()
    labels = {"maze": maze, "method": EXPERT, "seeds": len(returns)}
    return {**labels, **spread(returns, 2), "paper": PAPER_RETURNS[EXPERT][maze][0]}


def collect_snapshots(plan: TransferPlan) -> pd.DataFrame:
    """Collect retrainings on snapshots, and those on the final rewards of the same runs."""
    rows = []
    for cell, method, n in plan.snapshots():
        snapshot = cell.folder / method / "snapshots" / f"reward_{n:04d}"
        if has_result(snapshot):
            rows.append(read_result(snapshot))
        if n == cell.settings.snapshot_every and cell.has_finished(method):
            final = read_result(cell.folder / method)
            rows.append({**final, "round": cell.settings.irl.iterations})
    table = pd.DataFrame(rows)
    return table if table.empty else table.drop(columns=["retrainings"]).sort_values("round")


def finished_cells(plan: TransferPlan, maze: MazeName) -> dict[str, list[Cell]]:
    """Return the cells that have finished, by method."""
    cells = {
        method: [cell for cell in plan.cells_of(maze) if cell.has_finished(method)]
        for method in MAZE_METHODS
        if method in plan.methods
    }
    return {method: finished for method, finished in cells.items() if finished}
