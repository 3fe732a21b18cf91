"""What ``sb3-vdb train`` and ``sb3-vdb plot`` do: runs side by side, and the report of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.adversarial.health import Illness, diagnose
from sb3_vdb.errors import DamagedFileError
from sb3_vdb.experiments.framework.job import Job, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.page import write_page
from sb3_vdb.experiments.framework.plots import GREY, new_figure
from sb3_vdb.experiments.framework.run import (
    CONFIG,
    claimed,
    nothing_finished,
    read_config,
    versions_of,
)
from sb3_vdb.experiments.training.run import (
    EVALUATIONS,
    Follow,
    TrainingRun,
    TrainingSettings,
    train,
)
from sb3_vdb.files import check_entries, reading

REPORT, CURVES = "report.html", "curves.png"
PANELS = {
    "return": "return of the task, {n} episodes",
    "accuracy_generator": "accuracy on the agent's samples",
    "kl": "KL (nats)",
    "beta": "beta",
    "reward_q50": "learned reward, median",
}
JUDGED = 3  # last evaluations, of whose figures the advice is made


def train_all(runs: Sequence[TrainingRun], workers: Workers, follow: Follow | None = None) -> Path:
    """Train what is missing, and write the report.

    :param runs: at least one, in one folder
    :param workers: how many at a time, and where
    :param follow: something that goes on around each training; can be pickled
    :return: the report
    :raises ValueError: a folder holds another run, or something does not fit
    """
    runs[0].try_out()
    with claimed(runs[0].out, runs):
        jobs = [
            Job(run.name, run.settings.steps, partial(train, run, follow=follow)) for run in runs
        ]
        run_jobs(jobs, workers)
    return write_report(runs[0].out)


def runs_in(out: Path) -> list[TrainingRun]:
    """Return the runs of a folder that have at least one evaluation.

    :raises ValueError: there are none
    :raises DamagedFileError: a file is damaged
    """
    folders = sorted(path.parent for path in out.glob(f"*/{EVALUATIONS}"))
    runs = [_run_of(out, folder) for folder in folders if (folder / CONFIG).exists()]
    if not runs:
        raise nothing_finished(out)
    return runs


def _run_of(out: Path, folder: Path) -> TrainingRun:
    config = read_config(folder)
    remedy = "name a folder that `sb3-vdb train --demos` wrote"
    entries = {"method": str, "env_id": str, "seed": int, "settings": dict}
    check_entries(config, entries, str(folder / CONFIG), remedy)
    try:
        settings = TrainingSettings(**config["settings"])
    except TypeError as error:
        raise DamagedFileError(f"{folder / CONFIG} is of another command; {remedy}") from error
    return TrainingRun(out, config["method"], config["env_id"], config["seed"], settings)


def write_report(out: Path) -> Path:
    """Write the page of a folder: last returns, curves, and advice where a curve is not healthy.

    :param out: folder of the runs
    :return: the page
    """
    runs = runs_in(out)
    tables = [_evaluations(run) for run in runs]
    rows = [_row(run, table) for run, table in zip(runs, tables, strict=True)]
    _plot(runs, tables, out / CURVES)
    found = {run.name: advice(table) for run, table in zip(runs, tables, strict=True)}
    return write_page(
        out / REPORT,
        "training/page.html",
        rows=rows,
        advice={name: illness for name, illness in found.items() if illness is not None},
        versions=versions_of(runs),
        figure=CURVES,
    )


def _evaluations(run: TrainingRun) -> pd.DataFrame:
    path = run.folder / EVALUATIONS
    with reading(path, "delete the folder of this run, and it begins anew"):
        table = pd.read_csv(path)
        table[["steps", "seconds", "return"]].astype(float)
    return table


def advice(evaluations: pd.DataFrame) -> Illness | None:
    """Say what is wrong with a run's discriminator at its end; None where nothing is, or where
    there is none.

    :param evaluations: of the run
    """
    names = ["accuracy_expert", "accuracy_generator"]
    if not set(names) <= set(evaluations):
        return None
    last = evaluations.dropna(subset=names).tail(JUDGED).to_dict("records")
    rounds = [{str(name): v for name, v in row.items() if pd.notna(v)} for row in last]
    return diagnose(rounds)


def _row(run: TrainingRun, table: pd.DataFrame) -> dict[str, Any]:
    last = table.iloc[-1]
    done, minutes = int(last["steps"]), float(last["seconds"]) / 60
    expert = _expert_return(run)
    return {
        "run": run.name,
        "return": f"{last['return']:.4g}",
        "expert": "" if expert is None else f"{expert:.4g}",
        "best": f"{table['return'].max():.4g}",
        "steps": f"{done:,} of {run.settings.steps:,}",
        "minutes": f"{minutes:.1f}",
        "settings": _changed(run.settings),
    }


def _expert_return(run: TrainingRun) -> float | None:
    """Give the median return of the demonstrations; None where they do not tell it."""
    returns = run.demonstrations().summary().returns
    return None if returns is None else returns.median


def _changed(settings: TrainingSettings) -> str:
    """Name what is not the default."""
    own = {**settings.arguments}
    own |= {f"algo.{name}": value for name, value in settings.algorithm_arguments.items()}
    shown = [f"{name}={value}" for name, value in own.items()]
    return ", ".join(([settings.algorithm] if settings.algorithm else []) + shown)


def _plot(runs: Sequence[TrainingRun], tables: Sequence[pd.DataFrame], path: Path) -> None:
    """Plot what the runs logged side by side, a line a run."""
    shown = [key for key in PANELS if any(key in t and t[key].notna().any() for t in tables)]
    with new_figure(path, (3.0 * len(shown) + 0.6, 3.0)) as figure:
        axes = figure.subplots(1, len(shown), squeeze=False)[0]
        for axis, key in zip(axes, shown, strict=True):
            for i, (run, table) in enumerate(zip(runs, tables, strict=True)):
                if key in table:
                    rows = table.dropna(subset=[key])
                    axis.plot(rows["steps"], rows[key], f"C{i % 10}", lw=1.3, label=run.name)
            axis.set_title(PANELS[key].format(n=runs[0].settings.n_episodes), fontsize=9)
            axis.set_xlabel("steps")
        expert = _expert_return(runs[0])
        if expert is not None:
            axes[0].axhline(expert, color=GREY, lw=0.8, ls="--", label="demonstrations")
        axes[0].legend(frameon=False, fontsize=7)
