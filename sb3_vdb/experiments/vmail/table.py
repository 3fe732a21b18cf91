"""The table of V-MAIL's runs, its figures and the report page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.evaluation.intervals import interquartile_mean
from sb3_vdb.experiments.framework.job import Job, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.page import write_page
from sb3_vdb.experiments.framework.run import check_all, claimed, nothing_finished, versions_of
from sb3_vdb.experiments.framework.table import show, spread, summarise, write_tables
from sb3_vdb.experiments.vmail import pictures
from sb3_vdb.experiments.vmail.ages import expert_logits, plot_ages
from sb3_vdb.experiments.vmail.runs import PixelRun, train
from sb3_vdb.experiments.vmail.settings import TaskSettings
from sb3_vdb.files import write_bytes


def plan(
    out: Path,
    tasks: Sequence[TaskSettings],
    methods: Sequence[str],
    n_demonstrations: Sequence[int],
    seeds: Sequence[int],
) -> list[PixelRun]:
    """Return all runs of a table."""
    return [
        PixelRun(out, task, method, n, seed)
        for seed in seeds
        for task in tasks
        for n in n_demonstrations
        for method in methods
    ]


def run_table(runs: Sequence[PixelRun], workers: Workers, docs: Path | None = None) -> pd.DataFrame:
    """Carry out what is missing; print and write table, figures and page.

    :param runs: of :func:`plan`, at least one
    :param workers: how many jobs at a time, and where
    :param docs: also write tables and figures here
    :return: one row a run that has finished
    :raises ValueError: a method changes nothing of its task's settings, or the folder holds runs of
        other ones
    """
    jobs = [Job(run.name, run.settings.frames, partial(train, run)) for run in runs]
    with claimed(runs[0].out, runs):
        run_jobs(jobs, workers)
    return write_results(runs, docs)


def write_results(runs: Sequence[PixelRun], docs: Path | None = None) -> pd.DataFrame:
    """Print and write table, figures and page of the runs that have finished.

    :param runs: of :func:`plan`, at least one
    :param docs: also write tables and figures here
    :return: one row a run that has finished
    :raises ValueError: the folder holds runs of other settings, or no run has finished
    """
    out = runs[0].out
    check_all(runs)
    table = collect(runs)
    if table.empty:
        raise nothing_finished(out)
    summary = summarise_runs(table)
    show(summary)
    ages = expert_logits(runs)
    tables = {"runs": table, "summary": summary, "curves": collect_curves(runs)}
    if not ages.empty:
        tables["ages"] = ages
    made_with = versions_of(runs)
    write_tables(out, tables, made_with)
    made = _plot(runs, out / "pictures")
    for task, own in ages.groupby("task") if not ages.empty else ():
        made.append(out / "pictures" / f"{task}_ages.png")
        plot_ages(own, made[-1])
    if docs is not None:
        write_tables(docs, tables, made_with)
        for path in made:
            write_bytes(docs / path.name, path.read_bytes())
    write_page(
        out / "report.html",
        "vmail/page.html",
        summary=summary.to_dict("records"),
        runs=table.to_dict("records"),
        folders=[run.name for run in runs if run.folder.exists()],
        pictures={str(path.relative_to(out)): path.stem.replace("_", " ") for path in made},
        versions=made_with,
    )
    return table


def collect(runs: Sequence[PixelRun]) -> pd.DataFrame:
    """Return one row a run that has finished."""
    rows = []
    for run in runs:
        result = run.result()
        if result is not None:
            expert = {"expert": round(run.settings.expert_return, 1)}
            rows.append({**_names(run), **expert, **result})
    return pd.DataFrame(rows)


def _names(run: PixelRun) -> dict[str, Any]:
    """Return what tells a run from the others."""
    return {
        "task": run.settings.task,
        "method": run.method,
        "demonstrations": run.n_demonstrations,
        "seed": run.seed,
    }


def collect_curves(runs: Sequence[PixelRun]) -> pd.DataFrame:
    """Return the evaluations during training, one row each."""
    finished = [run for run in runs if run.evaluations.exists()]
    tables = [pd.read_csv(run.evaluations).assign(**_names(run)) for run in finished]
    return pd.concat(tables) if tables else pd.DataFrame()


def summarise_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the seeds of each row say together; frames are those of training and of choosing.

    :param table: of :func:`collect`
    """
    table = table.assign(all_frames=table["frames"])
    if "choice_frames" in table:
        table["all_frames"] += table["choice_frames"].fillna(0)
    return summarise(table, ["task", "method", "demonstrations"], _summary)


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    return {
        "expert": group["expert"].iloc[0],
        **spread(group["return"], 1),
        "share of the expert": round(float(interquartile_mean(group["share"])), 3),
        "worst share": round(group["share"].min(), 3),
        "frames": int(group["all_frames"].max()),
        "minutes": round(group["minutes"].median(), 1),
    }


def _plot(runs: Sequence[PixelRun], folder: Path) -> list[Path]:
    """Plot curves and choices of every task, and look into its first finished V-MAIL run."""
    made = []
    for task in dict.fromkeys(run.settings.task for run in runs):
        own = [run for run in runs if run.settings.task == task]
        path = folder / f"{task}_curves.png"
        pictures.learning_curves(own, path)
        made.append(path)
        path = folder / f"{task}_choices.png"
        if pictures.choices(own, path):
            made.append(path)
        finished = [run for run in own if run.result() is not None and run.has_model]
        if finished:
            made += pictures.inspect(finished[0], folder)
    return made
