"""The demonstration job: VAIRL-GP and AIRL side by side on the C-maze, with a report at the end."""

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
    settings: TransferSettings,
    methods: Sequence[str] = DEMO_METHODS,
    workers: int = 2,
) -> Path:
    """Run the job and write its report.

    Finished phases are kept and not run again, so a job that was stopped goes on with the same
    command.

    :param out: run folder
    :param seed: random seed of the job
    :param settings: sizes and budgets
    :param methods: which methods
    :param workers: processes at a time
    :return: path of the report
    :raises ValueError: the folder holds a run with other settings
    :raises RuntimeError: a job failed
    :raises KeyboardInterrupt: the user stopped the job; what had been finished stays
    """
    console, start = Console(), time.monotonic()
    cell = Cell(out, settings, seed)
    try:
        with claimed(cell.folder, [cell]):
            run_jobs([cell.expert_job()], Workers(1), console)
            jobs = [cell.method_job(method) for method in methods]
            run_jobs(jobs, Workers(workers), console)
    except KeyboardInterrupt:
        console.print(f"\nstopped; {out} keeps what is finished, the same command goes on")
        if cell.is_taught:
            _write_report(cell, methods, result_rows(cell, methods))
        raise
    rows = result_rows(cell, methods)
    console.print(result_table(rows))
    page = _write_report(cell, methods, rows)
    console.print(f"{time.monotonic() - start:.0f} s; pictures and curves: {page.resolve()}")
    return page


def _write_report(cell: Cell, methods: Sequence[str], rows: Sequence[dict[str, Any]]) -> Path:
    return write_demo_report(cell, methods, [in_words(row) for row in rows])


def in_words(row: dict[str, Any]) -> dict[str, str]:
    """Return a row of the table as it is shown."""
    success, learned = row.get("success_rate"), row.get("learned_return")
    return {
        "policy": row["name"],
        "true return": f"{row['mean']:.2f} ± {row['std']:.2f}",
        "success": "" if success is None else f"{success:.0%}",
        "learned return": "" if learned is None else f"{learned:.1f}",
        "remark": remark(row),
    }


def result_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the table as it is printed."""
    table = Table(title="New policies in the flipped maze, trained on the recovered reward alone")
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
        parts.append("stuck: settles far below the demonstrators in the learned reward")
    return "; ".join(parts)
