"""The whole experiment: runs, their table, and the report page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from sb3_vdb.experiments.pages import template
from sb3_vdb.experiments.run_folder import sole_user
from sb3_vdb.experiments.runner import EngineName, Job, run_jobs
from sb3_vdb.experiments.versions import versions, write_versions
from sb3_vdb.experiments.vmail import pictures
from sb3_vdb.experiments.vmail.runs import REPLAY, Run, check_folder, train
from sb3_vdb.experiments.vmail.settings import METHODS, TaskSettings, vmail_arguments
from sb3_vdb.files import write_bytes, write_text


def plan(
    folder: Path,
    tasks: Sequence[TaskSettings],
    methods: Sequence[str],
    n_demonstrations: Sequence[int],
    seeds: Sequence[int],
) -> list[Run]:
    """All runs of an experiment."""
    return [
        Run(folder, task, method, n, seed)
        for seed in seeds
        for task in tasks
        for n in n_demonstrations
        for method in methods
    ]


def run_table(
    runs: Sequence[Run],
    workers: int,
    engine: EngineName = "local",
    address: str | None = None,
    docs: Path | None = None,
    table_only: bool = False,
) -> pd.DataFrame:
    """Carry out what is missing; print and write table, figures and page.

    :param runs: of :func:`plan`, at least one
    :param workers: jobs at a time, one thread each
    :param engine: ``"local"`` or ``"ray"``
    :param address: of a Ray cluster
    :param docs: also write tables and figures here
    :param table_only: train nothing
    :return: one row a run that has finished
    :raises ValueError: a method changes nothing of its task's settings, or the folder holds runs of
        other ones
    """
    folder = runs[0].folder
    for run in runs:
        check_folder(run)
    if not table_only:
        for run in runs:
            if METHODS[run.method] is not None:
                vmail_arguments(run.settings, run.method)
        jobs = [Job(run.name, run.settings.frames, partial(train, run)) for run in runs]
        with sole_user(folder):
            run_jobs(jobs, workers, engine, address)
    table = collect(runs)
    if table.empty:
        raise RuntimeError(f"no run in {folder} has finished")
    summary = summarize(table)
    Console(width=160).print(summary.to_string(index=False))
    curves = collect_curves(runs)
    for target in filter(None, (folder, docs)):
        write_text(target / "runs.csv", table.to_csv(index=False))
        write_text(target / "summary.csv", summary.to_csv(index=False))
        write_text(target / "curves.csv", curves.to_csv(index=False))
        write_versions(target / "versions.json")
    drawn = _draw(runs, folder / "pictures")
    if docs is not None:
        for path in drawn:
            write_bytes(docs / path.name, path.read_bytes())
    _write_report(folder, runs, table, summary, drawn)
    return table


def collect(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a run that has finished."""
    rows = []
    for run in runs:
        result = run.result()
        if result is not None:
            expert = {"expert": round(run.settings.expert_return, 1)}
            rows.append({**_names(run), **expert, **result})
    return pd.DataFrame(rows)


def _names(run: Run) -> dict[str, Any]:
    """What tells a run from the others."""
    return {
        "task": run.settings.task,
        "method": run.method,
        "demonstrations": run.n_demonstrations,
        "seed": run.seed,
    }


def collect_curves(runs: Sequence[Run]) -> pd.DataFrame:
    """Evaluations during training, one row each."""
    tables = []
    for run in runs:
        path = run.path / "evaluations.csv"
        if path.exists():
            tables.append(pd.read_csv(path).assign(**_names(run)))
    return pd.concat(tables) if tables else pd.DataFrame()


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Means and standard deviations over seeds; frames are those of training and of choosing."""
    table = table.assign(all_frames=table["frames"])
    if "choice_frames" in table:
        table["all_frames"] += table["choice_frames"].fillna(0)
    rows = []
    for key, group in table.groupby(["task", "method", "demonstrations"], sort=False):
        task, method, n = key  # type: ignore[misc]
        rows.append(
            {
                "task": task,
                "method": method,
                "demonstrations": n,
                "seeds": len(group),
                "expert": group["expert"].iloc[0],
                "return": round(group["return"].mean(), 1),
                "std": round(group["return"].std(ddof=0), 1),
                "share of the expert": round(group["share"].mean(), 3),
                "worst seed": round(group["share"].min(), 3),
                "frames": int(group["all_frames"].max()),
                "minutes": round(group["minutes"].mean(), 1),
            }
        )
    return pd.DataFrame(rows)


def _draw(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Curves and choices of every task, and a look into its first finished V-MAIL run."""
    drawn = []
    for task in dict.fromkeys(run.settings.task for run in runs):
        own = [run for run in runs if run.settings.task == task]
        path = folder / f"{task}_curves.png"
        pictures.learning_curves(own, path)
        drawn.append(path)
        path = folder / f"{task}_choices.png"
        if pictures.choices(own, path):
            drawn.append(path)
        for run in own:
            if run.result() is not None and (run.path / REPLAY).exists():
                drawn += pictures.inspect(run, folder)
                break
    return drawn


def _write_report(
    folder: Path,
    runs: Sequence[Run],
    table: pd.DataFrame,
    summary: pd.DataFrame,
    drawn: Sequence[Path],
) -> Path:
    """Write ``report.html``."""
    page = template("vmail/report.html").render(
        summary=summary.to_dict("records"),
        runs=table.to_dict("records"),
        folders=[run.name for run in runs if run.path.exists()],
        pictures={str(path.relative_to(folder)): path.stem.replace("_", " ") for path in drawn},
        versions=versions(),
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"
