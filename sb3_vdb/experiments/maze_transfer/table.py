"""The paper's table of inverse RL: methods, mazes and seeds, resumable, on one machine or many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sb3_vdb.experiments.framework.job import Job, Workers
from sb3_vdb.experiments.framework.jobs import JobsFailedError, try_jobs
from sb3_vdb.experiments.framework.run import claimed
from sb3_vdb.experiments.framework.table import show, write_tables
from sb3_vdb.experiments.maze_transfer import curves, pictures
from sb3_vdb.experiments.maze_transfer.phases import scripted_return
from sb3_vdb.experiments.maze_transfer.report import write_table_report
from sb3_vdb.experiments.maze_transfer.results import (
    Results,
    TransferPlan,
    collect,
    collect_all,
    finished_cells,
)
from sb3_vdb.experiments.maze_transfer.runs import Cell
from sb3_vdb.experiments.maze_transfer.settings import MazeName, TransferSettings


def run_table(plan: TransferPlan, workers: Workers, docs: Path | None = None) -> pd.DataFrame:
    """Run what is missing, print the table and write everything; see :func:`write_results`.

    :param plan: what to run
    :param workers: how many jobs at a time, and where
    :param docs: where tables and figures go as well
    :return: one row a maze, method and seed
    :raises ValueError: a folder holds a run with other settings
    :raises JobsFailedError: some jobs failed; the others are kept
    """
    cells, guides = plan.cells, plan.guides
    failures: list[str] = []

    def run(jobs: Sequence[Job]) -> None:
        failures.extend(try_jobs(jobs, workers))

    with claimed(plan.out, [*cells, *guides]):
        run([*(guide.job() for guide in guides), *(cell.expert_job() for cell in cells)])
        taught = [cell for cell in cells if cell.is_taught]
        run([cell.method_job(method) for cell in taught for method in plan.methods])
        snapshots = [each for each in plan.snapshots() if _is_kept(*each)]
        run([cell.snapshot_job(method, n) for cell, method, n in snapshots])
    if failures and collect(plan).empty:
        raise JobsFailedError("; ".join(failures))
    table = write_results(plan, docs)
    if failures:
        raise JobsFailedError("; ".join(failures))
    return table


def _is_kept(cell: Cell, method: str, n: int) -> bool:
    """Whether the reward after so many rounds is there."""
    return (cell.folder / method / "irl" / f"reward_{n:04d}.pt").exists()


def write_results(plan: TransferPlan, docs: Path | None = None) -> pd.DataFrame:
    """Collect what is finished: ``table.csv``, ``summary.csv``, ``<maze>_curves.csv``, pictures and
    ``report.html``.

    :param plan: what was run
    :param docs: where tables and figures go as well; what is there of other mazes and
        methods is kept
    :return: one row a maze, method and seed
    :raises ValueError: nothing is finished, or a folder holds a run with other settings
    """
    results = collect_all(plan)
    show(results.summary)
    shown = [each for each in plan.settings if each.maze in results.curves]
    for settings in shown:
        cells = _median_cells(plan, settings.maze, results.table)
        maps = {method: (cell, method) for method, cell in cells.items()}
        pictures.heat_maps(maps, plan.out / "pictures" / f"{settings.maze}_rewards.png")
        if docs is not None:
            for method, each in maps.items():
                path = docs / f"{settings.maze}_rewards_{method}.png"
                pictures.heat_maps({method: each}, path)
    _write(results, shown, plan.out, plan.out / "pictures")
    if docs is not None:
        _write(results.with_kept(docs), shown, docs, docs)
    with_snapshots = set() if results.snapshots.empty else set(results.snapshots["maze"])
    write_table_report(
        plan.out, shown, results.table, results.summary, with_snapshots, results.made_with
    )
    return results.table


def _write(
    results: Results, shown: Sequence[TransferSettings], folder: Path, picture_folder: Path
) -> None:
    """Write tables and pictures of the mazes that are shown."""
    tables = {name: getattr(results, name).round(3) for name in ("table", "summary", "snapshots")}
    if tables["snapshots"].empty:
        del tables["snapshots"]
        (folder / "snapshots.csv").unlink(missing_ok=True)
    tables |= {f"{each.maze}_curves": results.curves[each.maze] for each in shown}
    write_tables(folder, tables, results.made_with)
    for settings in shown:
        _plot(results, settings, picture_folder)


def _plot(results: Results, settings: TransferSettings, folder: Path) -> None:
    """Plot all curves of a maze."""
    maze, rows, snapshots = settings.maze, results.table, results.snapshots
    curves.learning_curves(results.curves[maze], folder / f"{maze}_returns.png")
    curves.bottleneck_curves(
        results.curves[maze], settings.information_limit, folder / f"{maze}_bottleneck.png"
    )
    rows = rows[rows["maze"] == maze]
    curves.returns_by_seed(rows, scripted_return(settings), folder / f"{maze}_seeds.png")
    if not snapshots.empty and (snapshots["maze"] == maze).any():
        chosen = snapshots[snapshots["maze"] == maze]
        curves.snapshot_curves(chosen, folder / f"{maze}_snapshots.png")


def _median_cells(plan: TransferPlan, maze: MazeName, table: pd.DataFrame) -> dict[str, Cell]:
    """Return the cell whose transfer return is the (lower) median, by method."""
    chosen = {}
    for method, finished in finished_cells(plan, maze).items():
        is_it = (table["maze"] == maze) & (table["method"] == method)
        group = table[is_it].sort_values("transfer_return")
        seed = group["seed"].iloc[(len(group) - 1) // 2]
        chosen[method] = next(cell for cell in finished if cell.seed == seed)
    return chosen
