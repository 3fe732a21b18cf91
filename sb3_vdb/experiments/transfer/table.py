"""The paper's table of inverse RL: methods, mazes and seeds, resumable, on one machine or many."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from rich.console import Console

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.run_folder import sole_user
from sb3_vdb.experiments.runner import EngineName, Job, JobsFailedError, try_jobs
from sb3_vdb.experiments.transfer import curves, maze_pictures
from sb3_vdb.experiments.transfer.documented import (
    combined_versions,
    with_kept_rows,
    with_kept_versions,
)
from sb3_vdb.experiments.transfer.phases import scripted_return
from sb3_vdb.experiments.transfer.report import write_table_report
from sb3_vdb.experiments.transfer.runs import (
    Cell,
    claim_guide,
    guide_folder,
    guide_job,
    run_snapshot,
)
from sb3_vdb.experiments.transfer.settings import (
    METHODS,
    PAPER,
    SOLVED,
    MazeName,
    TransferSettings,
)
from sb3_vdb.experiments.versions import versions
from sb3_vdb.files import write_text
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


def run_table(
    experiment: Experiment,
    workers: int,
    engine: EngineName = "local",
    address: str | None = None,
    docs: Path | None = None,
) -> pd.DataFrame:
    """Run what is missing, print the table and write everything; see :func:`write_results`.

    :param experiment: what to run
    :param workers: jobs at a time, one thread each
    :param engine: ``"local"`` or ``"ray"``
    :param address: of a Ray cluster
    :param docs: where tables and figures go as well
    :return: one row a maze, method and seed
    :raises ValueError: a folder holds a run with other settings
    :raises JobsFailedError: some jobs failed; the others are kept
    """
    cells, guided = experiment.cells, [Cell(experiment.out, x, 0) for x in experiment.settings]
    for cell in cells:
        cell.claim(versions())
    for cell in guided:
        claim_guide(cell, versions())
    failures: list[str] = []

    def run(jobs: Sequence[Job]) -> None:
        failures.extend(try_jobs(jobs, workers, engine, address))

    with sole_user(experiment.out):
        run([*(guide_job(cell) for cell in guided), *(cell.expert_job() for cell in cells)])
        taught = [x for x in cells if (x.folder / "expert" / "demonstrations.npz").exists()]
        run([cell.method_job(method) for cell in taught for method in experiment.methods])
        run([_snapshot_job(*each) for each in experiment.snapshots() if _has_snapshot(*each)])
    if failures and collect(experiment).empty:
        raise JobsFailedError("; ".join(failures))
    table = write_results(experiment, docs)
    if failures:
        raise JobsFailedError("; ".join(failures))
    return table


def _has_snapshot(cell: Cell, method: str, n: int) -> bool:
    return (cell.folder / method / "irl" / f"reward_{n:04d}.pt").exists()


def _snapshot_job(cell: Cell, method: str, n: int) -> Job:
    work = partial(run_snapshot, cell, method, n)
    return Job(f"{cell.name} {method} {n}", cell.settings.retraining.steps, work)


def write_results(experiment: Experiment, docs: Path | None = None) -> pd.DataFrame:
    """Collect what is finished: ``table.csv``, ``summary.csv``, ``<maze>_curves.csv``, pictures and
    ``report.html``.

    :param experiment: what was run
    :param docs: where tables and figures go as well; rows that are there of other mazes are kept
    :return: one row a maze, method and seed
    :raises ValueError: nothing is finished
    """
    table = collect(experiment)
    if table.empty:
        raise ValueError(f"{experiment.out} holds no finished run of these methods and seeds")
    summary = summarise(table, experiment)
    shown = [each for each in experiment.settings if (table["maze"] == each.maze).any()]
    snapshots, made_with = collect_snapshots(experiment), collect_versions(experiment)
    Console(width=160).print(summary.to_string(index=False))
    tables = {"table": table.round(3), "summary": summary, "snapshots": snapshots.round(3)}
    _write(experiment.out, tables, made_with)
    targets = [(experiment.out, experiment.out / "pictures")]
    if docs is not None:
        kept = {
            name: with_kept_rows(docs / f"{name}.csv", rows, ["maze"])
            for name, rows in tables.items()
        }
        _write(docs, kept, with_kept_versions(docs / "versions.json", made_with))
        targets.append((docs, docs))
    for settings in shown:
        found = curves.curve_table(finished_cells(experiment, settings.maze)).round(4)
        for folder, pictures in targets:
            draw(experiment, settings, table, snapshots, pictures)
            write_text(folder / f"{settings.maze}_curves.csv", found.to_csv(index=False))
    with_snapshots = set() if snapshots.empty else set(snapshots["maze"])
    write_table_report(experiment.out, shown, table, summary, with_snapshots, made_with)
    return table


def _write(folder: Path, tables: Mapping[str, pd.DataFrame], made_with: dict[str, str]) -> None:
    """Tables by name, those that are empty not, and versions."""
    for name, table in tables.items():
        if table.empty:
            (folder / f"{name}.csv").unlink(missing_ok=True)
        else:
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
    write_text(folder / "versions.json", json.dumps(made_with, indent=1))


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
        "method": "expert",
        "seeds": len(found),
        "return": round(returns.mean(), 2),
        "std": round(returns.std(ddof=0), 2),
        "paper": PAPER[maze]["expert"][0],
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


def draw(
    experiment: Experiment,
    settings: TransferSettings,
    table: pd.DataFrame,
    snapshots: pd.DataFrame,
    folder: Path,
) -> None:
    """All pictures of a maze."""
    maze, rows = settings.maze, table[table["maze"] == settings.maze]
    cells = finished_cells(experiment, maze)
    if not cells:
        return
    folder.mkdir(parents=True, exist_ok=True)
    experts = [cell for cell in experiment.cells if cell.settings.maze == maze]
    curves.learning_curves(cells, experts, folder / f"{maze}_returns.png")
    curves.bottleneck_curves(cells, folder / f"{maze}_bottleneck.png")
    curves.returns_by_seed(rows, scripted_return(settings), folder / f"{maze}_seeds.png")
    maze_pictures.heat_maps(_median_cells(cells, rows), folder / f"{maze}_rewards.png")
    if not snapshots.empty and (snapshots["maze"] == maze).any():
        chosen = snapshots[snapshots["maze"] == maze]
        curves.snapshot_curves(chosen, folder / f"{maze}_snapshots.png")


def _median_cells(cells: dict[str, list[Cell]], rows: pd.DataFrame) -> dict[str, Cell]:
    """By method, the cell whose transfer return is the (lower) median."""
    chosen = {}
    for method, finished in cells.items():
        group = rows[rows["method"] == method].sort_values("transfer_return")
        seed = group["seed"].iloc[(len(group) - 1) // 2]
        chosen[method] = next(cell for cell in finished if cell.seed == seed)
    return chosen
