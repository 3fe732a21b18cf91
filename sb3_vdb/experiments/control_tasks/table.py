"""Table, curves and page of the study of standard tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.control_tasks.runs import ControlRun, demonstrations_of
from sb3_vdb.experiments.control_tasks.settings import ROWS, TASKS
from sb3_vdb.experiments.framework.page import write_page
from sb3_vdb.experiments.framework.plots import GREY, new_figure
from sb3_vdb.experiments.framework.run import (
    CONFIG,
    RESULT,
    nothing_finished,
    read_config,
    versions_of,
)
from sb3_vdb.experiments.framework.table import show, spread, summarise, write_tables
from sb3_vdb.experiments.training.run import EVALUATIONS
from sb3_vdb.files import write_bytes

CURVES = "curves.png"


def finished_runs(out: Path) -> list[ControlRun]:
    """Return the runs of a folder that have ended, in the order of the table.

    :param out: folder of the study
    :raises ValueError: there are none
    """
    folders = [path.parent for path in out.glob(f"*/{RESULT}") if (path.parent / CONFIG).exists()]
    runs = [ControlRun.of_config(out, read_config(folder)) for folder in folders]
    if not runs:
        raise nothing_finished(out)
    tasks, rows = list(TASKS), list(ROWS)
    return sorted(runs, key=lambda run: (tasks.index(run.task), rows.index(run.row), run.seed))


def write_table(out: Path, docs: Path | None) -> Path:
    """Collect all finished runs of a folder; print, write csv files, the figure and the page.

    :param out: folder of the study
    :param docs: also write tables and figure here
    :return: the page
    """
    runs = finished_runs(out)
    evaluations = [pd.read_csv(run.folder / EVALUATIONS).assign(**_label(run)) for run in runs]
    curves = pd.concat(evaluations)
    table = pd.DataFrame([_row(run) for run in runs])
    summary = summarise(table, ["task", "method"], lambda group: spread(group["return"], 1))
    show(summary)
    experts = _experts(out, list(dict.fromkeys(run.task for run in runs)))
    tables = {"table": table, "experts": experts, "curves": curves}
    made_with = versions_of(runs)
    write_tables(out, tables, made_with)
    _plot(curves, experts, out / CURVES)
    if docs is not None:
        write_tables(docs, tables, made_with)
        write_bytes(docs / CURVES, (out / CURVES).read_bytes())
    return write_page(
        out / "report.html",
        "control_tasks/page.html",
        summary=summary.to_dict("records"),
        experts=experts.set_index("task")["return"].to_dict(),
        figure=CURVES,
        versions=made_with,
    )


def _label(run: ControlRun) -> dict[str, Any]:
    return {"task": run.task, "method": run.row, "seed": run.seed}


def _row(run: ControlRun) -> dict[str, Any]:
    evaluations = pd.read_csv(run.folder / EVALUATIONS)
    last = evaluations.iloc[-1]
    return {
        **_label(run),
        "return": last["return"],
        "best": evaluations["return"].max(),
        "steps": int(last["steps"]),
        "minutes": round(last["seconds"] / 60, 1),
    }


def _experts(out: Path, tasks: Sequence[str]) -> pd.DataFrame:
    rows = []
    for task in tasks:
        returns = Demonstrations.load(demonstrations_of(out, task)).returns
        assert returns is not None
        rows.append({"task": task, "return": round(float(returns.mean()), 1), "n": len(returns)})
    return pd.DataFrame(rows)


def _plot(curves: pd.DataFrame, experts: pd.DataFrame, path: Path) -> None:
    """Plot a panel a task and generator, a line a seed."""
    tasks = list(experts["task"])
    panels = [[row for row in ROWS if row.endswith(kind)] for kind in ("PPO", "SAC")]
    with new_figure(path, (3.4 * len(tasks), 5.2), dpi=80) as figure:
        axes = figure.subplots(len(panels), len(tasks), squeeze=False)
        for j, task in enumerate(tasks):
            for i, rows in enumerate(panels):
                axis = axes[i, j]
                for k, row in enumerate(rows):
                    _lines(axis, curves[(curves["task"] == task) & (curves["method"] == row)], k)
                expert = experts.set_index("task").loc[task, "return"]
                axis.axhline(expert, color=GREY, lw=0.8, ls="--")
                axis.set_title(task if i == 0 else "", fontsize=9)
                axis.set_xlabel("steps")
                if j == 0:
                    axis.set_ylabel("return")
        for axis, rows in zip(axes[:, 0], panels, strict=True):
            handles = [axis.plot([], [], f"C{k}", lw=1.3)[0] for k in range(len(rows))]
            axis.legend(handles, rows, frameon=False, fontsize=6)


def _lines(axis: Any, rows: pd.DataFrame, colour: int) -> None:
    for _, seed in rows.groupby("seed"):
        axis.plot(seed["steps"], seed["return"], f"C{colour}", lw=0.9, alpha=0.8)
