"""The demonstration job: VAIRL-GP and AIRL side by side on the C-maze, with a report at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sb3_vdb.experiments.run_folder import sole_user
from sb3_vdb.experiments.runner import run_jobs
from sb3_vdb.experiments.transfer.report import write_demo_report
from sb3_vdb.experiments.transfer.runs import Cell, result_rows
from sb3_vdb.experiments.transfer.settings import TransferSettings
from sb3_vdb.experiments.versions import versions

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
    :param seed: random seed of the whole job
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
    cell.claim(versions())
    try:
        with sole_user(cell.folder):
            run_jobs([cell.expert_job()], 1, console=console)
            run_jobs([cell.method_job(method) for method in methods], workers, console=console)
    except KeyboardInterrupt:
        console.print(f"\nstopped; {out} keeps what is finished, the same command goes on")
        if (cell.folder / "expert" / "demonstrations.npz").exists():
            write_demo_report(cell, list(methods), [in_words(row) for row in rows(cell, methods)])
        raise
    found = rows(cell, methods)
    console.print(result_table(found))
    page = write_demo_report(cell, list(methods), [in_words(row) for row in found])
    console.print(f"{time.monotonic() - start:.0f} s; pictures and curves: {page.resolve()}")
    return page


def rows(cell: Cell, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the table."""
    return result_rows(cell, list(methods))


def in_words(row: dict[str, Any]) -> dict[str, str]:
    """A row of the table as it is shown."""
    success, learned = row.get("success_rate"), row.get("learned_return")
    return {
        "policy": row["name"],
        "true return": f"{row['mean']:.2f} ± {row['std']:.2f}",
        "success": "" if success is None else f"{success:.0%}",
        "learned return": "" if learned is None else f"{learned:.1f}",
        "remark": remark(row),
    }


def result_table(found: Sequence[dict[str, Any]]) -> Table:
    """The table as it is printed."""
    table = Table(title="New policies in the flipped maze, trained on the recovered reward alone")
    for name in ("policy", "true return", "success", "learned return", "remark"):
        table.add_column(name, justify="left" if name in ("policy", "remark") else "right")
    for row in found:
        table.add_row(*in_words(row).values())
    return table


def remark(row: dict[str, Any]) -> str:
    """What has to be said about a row, in words."""
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
