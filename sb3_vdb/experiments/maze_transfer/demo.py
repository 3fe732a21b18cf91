"""The demonstration job: VAIRL-GP and AIRL side by side in both mazes, with a report at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.run import claimed
from sb3_vdb.experiments.maze_transfer.report import write_demo_report
from sb3_vdb.experiments.maze_transfer.runs import Cell, result_rows
from sb3_vdb.experiments.maze_transfer.settings import TransferSettings

DEMO_METHODS = ("VAIRL-GP", "AIRL")


def run_demo(
    out: Path,
    seed: int,
    mazes: Sequence[TransferSettings],
    methods: Sequence[str] = DEMO_METHODS,
    workers: int = 2,
) -> Path:
    """Run the job and write its report.

    Finished phases are kept and not run again, so a job that was stopped goes on with the same
    command.

    :param out: run folder
    :param seed: random seed of the job
    :param mazes: sizes and budgets of each maze
    :param methods: which methods
    :param workers: processes at a time
    :return: path of the report
    :raises ValueError: the folder holds a run with other settings
    :raises RuntimeError: a job failed
    :raises KeyboardInterrupt: the user stopped the job; what had been finished stays
    """
    console, start = Console(), time.monotonic()
    cells = [Cell(out, settings, seed) for settings in mazes]
    try:
        with claimed(out, cells):
            for jobs in _stages(cells, methods):
                run_jobs(jobs, Workers(workers), console)
    except KeyboardInterrupt:
        console.print(f"\nstopped; {out} keeps what is finished, the same command goes on")
        if taught := [cell for cell in cells if cell.is_taught]:
            _write_report(out, taught, methods)
        raise
    for cell in cells:
        console.print(result_table(cell, result_rows(cell, methods)))
    page = _write_report(out, cells, methods)
    console.print(f"{time.monotonic() - start:.0f} s; pictures and curves: {page.resolve()}")
    return page


def _stages(cells: Sequence[Cell], methods: Sequence[str]) -> list[list[Any]]:
    """Return the jobs of each stage, the long ones first: experts, then what learns from them."""
    by_length = sorted(cells, key=lambda cell: -cell.settings.retraining.steps)
    return [
        [cell.expert_job() for cell in by_length],
        [cell.method_job(method) for cell in by_length for method in methods],
    ]


def _write_report(out: Path, cells: Sequence[Cell], methods: Sequence[str]) -> Path:
    tables = [[in_words(row) for row in result_rows(cell, methods)] for cell in cells]
    return write_demo_report(out, cells, methods, tables)


def in_words(row: dict[str, Any]) -> dict[str, str]:
    """Return a row of the table as it is shown."""
    success, learned = row.get("success_rate"), row.get("learned_return")
    return {
        "policy": row["name"],
        "true return": f"{row['mean']:.1f} ± {row['std']:.1f}",
        "success": "" if success is None else f"{success:.0%}",
        "learned return": "" if learned is None else f"{learned:.1f}",
        "remark": remark(row),
    }


def result_table(cell: Cell, rows: Sequence[dict[str, Any]]) -> Table:
    """Return the table of a maze as it is printed."""
    maze = cell.settings.maze
    title = f"{maze}-maze: new policies in its flip, trained on the recovered reward alone"
    table = Table(title=title)
    for name in ("policy", "true return", "success", "learned return", "remark"):
        table.add_column(name, justify="left" if name in ("policy", "remark") else "right")
    for row in rows:
        table.add_row(*in_words(row).values())
    return table


def remark(row: dict[str, Any]) -> str:
    """Say what has to be said about a row."""
    parts = []
    if row.get("judge"):
        parts.append(f"learned return by the reward of {row['judge']}")
    if row.get("retrainings", 1) > 1:
        n = row["retrainings"]
        stuck = f"best of {n} retrainings by learned return"
        parts.append(stuck if row.get("stuck") else f"retraining {n}, those before it stuck")
    if row.get("stuck"):
        parts.append("stuck: settles below the demonstrators in the learned reward")
    return "; ".join(parts)
