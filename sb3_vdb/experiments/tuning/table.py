"""How soon a step size of beta holds the limit, and curves of healthy and sick runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sb3_vdb.experiments.framework.job import Job, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.experiments.framework.run import (
    check_all,
    claimed,
    has_result,
    nothing_finished,
    read_result,
    versions_of,
)
from sb3_vdb.experiments.framework.table import show, write_tables
from sb3_vdb.experiments.tuning.runs import CURVES, TuningRun, train
from sb3_vdb.experiments.tuning.settings import (
    CASES,
    INFORMATION_LIMIT,
    SHOWN_TASK,
    STEP_SIZES,
    TASKS,
)

NEAR = 1.25  # times the limit: the mean KL below which it counts as held
WINDOW = 10  # rounds of a running mean


def runs_of(
    out: Path, tasks: Sequence[str], step_sizes: Sequence[float], seeds: Sequence[int], share: float
) -> list[TuningRun]:
    """List the runs of the study: step sizes on every task, cases on the one that is shown."""
    steps = [
        TuningRun(out, task, f"step {size:g}", seed, {"beta_step_size": size}, share)
        for task in tasks
        for size in step_sizes
        for seed in seeds
    ]
    cases = [
        TuningRun(out, SHOWN_TASK, case, seeds[0], varied, share)
        for case, varied in CASES.items()
        if SHOWN_TASK in tasks
    ]
    return steps + cases


def tuning(
    tasks: Sequence[str],
    step_sizes: Sequence[float],
    seeds: range,
    share: float,
    out: Path,
    docs: Path | None,
    workers: Workers,
    table_only: bool,
) -> list[Path]:
    """Train what is missing, and write the tables and figures.

    :param tasks: names of :data:`~sb3_vdb.experiments.tuning.settings.TASKS`; all if empty
    :param step_sizes: of beta; the study's if empty
    :return: the figures
    """
    runs = runs_of(out, tasks or list(TASKS), step_sizes or STEP_SIZES, seeds, share)
    if table_only:
        check_all(runs)
    else:
        jobs = [Job(run.name, run.steps, partial(train, run)) for run in runs]
        with claimed(out, runs):
            run_jobs(jobs, workers)
    return write_table(out, [run for run in runs if has_result(run.folder)], docs)


def write_table(out: Path, runs: Sequence[TuningRun], docs: Path | None) -> list[Path]:
    """Write the table of step sizes and the figure of cases.

    :param runs: finished ones
    :raises ValueError: there are none
    """
    if not runs:
        raise nothing_finished(out)
    curves = {run.name: pd.read_csv(run.folder / CURVES) for run in runs}
    step_runs = [run for run in runs if run.case not in CASES]
    table = pd.DataFrame([_row(run, curves[run.name]) for run in step_runs])
    show(table)
    cases = {run.case: curves[run.name] for run in runs if run.case in CASES}
    for target in {out, docs or out}:
        write_tables(target, {"steps": table}, versions_of(runs))
        for name, curve in cases.items():
            write_tables(target, {name.replace(" ", "_"): thinned(curve)}, versions_of(runs))
        plot_cases(cases, target / "cases.png")
    return [out / "cases.png"]


def _row(run: TuningRun, curve: pd.DataFrame) -> dict[str, Any]:
    last = curve.tail(max(1, len(curve) // 5))
    held = held_after(curve)
    return {
        "task": run.task,
        "step size": run.varied["beta_step_size"],
        "seed": run.seed,
        "updates": int(curve["updates"].iloc[-1]),
        "limit held after": "never" if held is None else held,
        "KL at the end": round(float(last["kl"].mean()), 3),
        "std of KL": round(float(last["kl"].std(ddof=0)), 3),
        "beta at the end": round(float(last["beta"].mean()), 4),
        "std of reward": round(float(last["reward_std"].mean()), 3),
        "task return": round(float(read_result(run.folder)["task_return"]), 2),
    }


def held_after(curve: pd.DataFrame, limit: float = INFORMATION_LIMIT) -> int | None:
    """Return the updates after which the KL's running mean stays near the limit or below it; None
    if it does not at the end.

    :param curve: columns ``updates`` and ``kl``, one row a round
    :param limit: I_c in nats
    """
    mean = curve["kl"].rolling(WINDOW, min_periods=1).mean().to_numpy()
    above = np.flatnonzero(mean > NEAR * limit)
    if len(above) == 0:
        return int(curve["updates"].iloc[0])
    after = above[-1] + 1
    return int(curve["updates"].iloc[after]) if after < len(curve) else None


def thinned(curve: pd.DataFrame, n: int = 60) -> pd.DataFrame:
    """Return at most so many rows of a curve, evenly."""
    return curve.iloc[:: max(1, len(curve) // n)].reset_index(drop=True)


def plot_cases(cases: dict[str, pd.DataFrame], path: Path) -> None:
    """Plot what the log shows of healthy and sick runs, one column a run."""
    panels = {
        "accuracy": "accuracy\n(expert, generator)",
        "kl": "KL (nats)",
        "beta": "beta",
        "reward_std": "std of the reward",
        "task_return": "task return",
    }
    with new_figure(path, (2.3 * len(cases) + 0.7, 7.2)) as figure:
        axes: Any = figure.subplots(len(panels), len(cases), sharex="col", squeeze=False)
        for column, (name, curve) in enumerate(cases.items()):
            axes[0, column].set_title(name)
            for row, (key, label) in enumerate(panels.items()):
                _plot_panel(axes[row, column], curve, key)
                if column == 0:
                    axes[row, column].set_ylabel(label)
            axes[-1, column].set_xlabel("updates")


def _plot_panel(axes: Any, curve: pd.DataFrame, key: str) -> None:
    if key == "accuracy":
        for side, colour in (("expert", "C0"), ("generator", "C3")):
            axes.plot(curve["updates"], curve[f"accuracy_{side}"], color=colour, lw=1)
        axes.set_ylim(0, 1.03)
    elif key in curve and not (key == "kl" and "beta" not in curve):
        axes.plot(curve["updates"], curve[key], color="C0", lw=1)
    else:
        axes.text(0.5, 0.5, "no bottleneck", ha="center", transform=axes.transAxes, color="0.5")
        axes.set_yticks([])
