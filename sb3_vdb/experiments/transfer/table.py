"""The paper's table of inverse RL: methods, mazes and seeds, resumable, on one machine or many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console

from sb3_vdb.experiments.run_folder import sole_user
from sb3_vdb.experiments.runner import EngineName, Job, JobsFailedError, try_jobs
from sb3_vdb.experiments.transfer import curves, maze_pictures
from sb3_vdb.experiments.transfer.phases import scripted_return
from sb3_vdb.experiments.transfer.report import write_table_report
from sb3_vdb.experiments.transfer.results import (
    Experiment,
    Results,
    collect,
    collect_all,
    finished_cells,
)
from sb3_vdb.experiments.transfer.runs import (
    Cell,
    claim_guide,
    guide_job,
    run_snapshot,
)
from sb3_vdb.experiments.transfer.settings import MazeName, TransferSettings
from sb3_vdb.experiments.versions import versions
from sb3_vdb.files import write_text


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
    :param docs: where tables and figures go as well; what is there of other mazes and
        methods is kept
    :return: one row a maze, method and seed
    :raises ValueError: nothing is finished
    """
    results = collect_all(experiment)
    Console(width=160).print(results.summary.to_string(index=False))
    shown = [each for each in experiment.settings if each.maze in results.curves]
    for settings in shown:
        cells = _median_cells(experiment, settings.maze, results.table)
        pictures = experiment.out / "pictures"
        maze_pictures.heat_maps(cells, pictures / f"{settings.maze}_rewards.png")
        if docs is not None:
            for method, cell in cells.items():
                path = docs / f"{settings.maze}_rewards_{method}.png"
                maze_pictures.heat_maps({method: cell}, path)
    _write(results, shown, experiment.out, experiment.out / "pictures")
    if docs is not None:
        _write(results.with_kept(docs), shown, docs, docs)
    with_snapshots = set() if results.snapshots.empty else set(results.snapshots["maze"])
    write_table_report(
        experiment.out, shown, results.table, results.summary, with_snapshots, results.made_with
    )
    return results.table


def _write(
    results: Results, shown: Sequence[TransferSettings], folder: Path, pictures: Path
) -> None:
    """Tables and pictures of the mazes that are shown."""
    for name in ("table", "summary", "snapshots"):
        table = getattr(results, name)
        if table.empty:
            (folder / f"{name}.csv").unlink(missing_ok=True)
        else:
            write_text(folder / f"{name}.csv", table.round(3).to_csv(index=False))
    write_text(folder / "versions.json", json.dumps(results.made_with, indent=1))
    for settings in shown:
        curve_rows = results.curves[settings.maze]
        write_text(folder / f"{settings.maze}_curves.csv", curve_rows.to_csv(index=False))
        _draw(results, settings, pictures)


def _draw(results: Results, settings: TransferSettings, folder: Path) -> None:
    """All pictures of a maze but those of its rewards."""
    maze, rows, snapshots = settings.maze, results.table, results.snapshots
    folder.mkdir(parents=True, exist_ok=True)
    curves.learning_curves(results.curves[maze], folder / f"{maze}_returns.png")
    curves.bottleneck_curves(
        results.curves[maze], settings.information_limit, folder / f"{maze}_bottleneck.png"
    )
    rows = rows[rows["maze"] == maze]
    curves.returns_by_seed(rows, scripted_return(settings), folder / f"{maze}_seeds.png")
    if not snapshots.empty and (snapshots["maze"] == maze).any():
        chosen = snapshots[snapshots["maze"] == maze]
        curves.snapshot_curves(chosen, folder / f"{maze}_snapshots.png")


def _median_cells(experiment: Experiment, maze: MazeName, table: pd.DataFrame) -> dict[str, Cell]:
    """By method, the cell whose transfer return is the (lower) median."""
    chosen = {}
    for method, finished in finished_cells(experiment, maze).items():
        is_it = (table["maze"] == maze) & (table["method"] == method)
        group = table[is_it].sort_values("transfer_return")
        seed = group["seed"].iloc[(len(group) - 1) // 2]
        chosen[method] = next(cell for cell in finished if cell.seed == seed)
    return chosen
