"""What the command line runs of the study of standard tasks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from sb3_vdb.experiments.control_tasks.runs import (
    ControlRun,
    control_run,
    expert_of,
    train_and_record,
)
from sb3_vdb.experiments.control_tasks.settings import ROWS, THEIRS
from sb3_vdb.experiments.control_tasks.table import write_table
from sb3_vdb.experiments.control_tasks.theirs import train_theirs
from sb3_vdb.experiments.framework.job import Job, Report, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.run import claimed
from sb3_vdb.experiments.training.run import train

DEFAULT_TASKS = ("Pendulum", "InvertedPendulum", "Hopper")


def control_tasks(
    tasks: Sequence[str],
    methods: Sequence[str],
    seeds: range,
    out: Path,
    docs: Path | None,
    workers: Workers,
    table_only: bool,
) -> list[Path]:
    """Train experts and methods, or only collect what is finished.

    :return: the report
    :raises ValueError: GAIL of ``imitation`` is asked for alone and is not installed
    """
    if table_only:
        return [write_table(out, docs)]
    tasks = tasks or DEFAULT_TASKS
    rows = [row for row in methods or ROWS if row != THEIRS or methods or _has_imitation()]
    if THEIRS in rows and not _has_imitation():
        raise ValueError(f"{THEIRS!r} needs the second stack: pip install 'sb3-vdb[imitation]'")
    experts = [
        Job(task, expert_of(out, task).frames, partial(train_and_record, out, task))
        for task in tasks
    ]
    # seeds outermost, so that a study that is stopped has as many seeds of every row
    runs = [control_run(out, task, row, seed) for seed in seeds for task in tasks for row in rows]
    with claimed(out, runs):
        run_jobs(experts, workers)
        run_jobs([Job(run.name, run.settings.steps, partial(_train, run)) for run in runs], workers)
    return [write_table(out, docs)]


def _has_imitation() -> bool:
    return find_spec("imitation") is not None


def _train(run: ControlRun, report: Report) -> None:
    (train_theirs if run.row == THEIRS else train)(run, report)
