"""The motion table: methods x skills x seeds as independent jobs, every policy evaluated in both
simulators; finished jobs are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.evaluation import ImitationResult
from sb3_vdb.evaluation.intervals import interquartile_mean
from sb3_vdb.evaluation.videos import record_video
from sb3_vdb.experiments.framework.job import Job, Report, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.page import write_page
from sb3_vdb.experiments.framework.run import (
    check_all,
    claimed,
    nothing_finished,
    read_config,
    versions_of,
)
from sb3_vdb.experiments.framework.table import show, spread, summarise, write_tables
from sb3_vdb.experiments.humanoid.table import SIMULATOR_ROWS, SIMULATOR_TABLE
from sb3_vdb.experiments.motion_imitation import pictures
from sb3_vdb.experiments.motion_imitation.cloning import clone_motion
from sb3_vdb.experiments.motion_imitation.training import (
    EVALUATIONS,
    POLICY,
    MotionRun,
    train_motion,
)
from sb3_vdb.files import write_bytes
from sb3_vdb.saved_models import load_model

TRAINED_IN = SIMULATOR_ROWS[0].name
VIDEO_SECONDS, VIDEO_HEIGHT = 4.0, 160
SHOWN = {
    "joint_error_alive": "error alive",
    "joint_error_shifted": "at best shift",
    "full_share": "full episodes",
    "root_speed": "speed (m/s)",
    "pose_error": "pose error (m)",
    "pose_error_warped": "warped (m)",
}


def run_table(runs: Sequence[MotionRun], workers: Workers, docs: Path | None = None) -> Path:
    """Train and evaluate what is missing, then write table, figures and page.

    :param runs: at least one, in one folder
    :param workers: how many jobs at a time, and where
    :param docs: also write tables and figures here
    :return: the page
    :raises ValueError: a folder holds another run
    """
    jobs = [Job(run.name, run.settings.samples, partial(train_and_evaluate, run)) for run in runs]
    with claimed(runs[0].out, runs):
        run_jobs(jobs, workers)
    return write_table(runs[0].out, docs, type(runs[0]))


def train_and_evaluate(run: MotionRun, report: Report) -> None:
    """Train, and evaluate in both simulators."""
    note = ""

    def progress(samples: int, result: ImitationResult | None) -> None:
        nonlocal note
        if result is not None:
            note = f"error {result.joint_error:.3f} rad, {result.length:.0f} steps"
        report(samples, note)

    train = clone_motion if run.method == "BC" else train_motion
    run.evaluate(train(run, progress))


def finished_runs(out: Path, kind: type[MotionRun] = MotionRun) -> list[MotionRun]:
    """Return the runs of a folder that have been evaluated, in the order of the table.

    :param out: folder of the study
    :param kind: class of its runs
    :raises ValueError: there are none
    """
    tables = out.glob(f"*/{SIMULATOR_TABLE}")
    runs = [kind.of_config(out, read_config(path.parent)) for path in tables]
    if not runs:
        raise nothing_finished(out)
    check_all(runs)
    order = list(kind.METHODS)
    return sorted(runs, key=lambda run: (run.skill, order.index(run.method), run.label, run.seed))


def write_table(out: Path, docs: Path | None, kind: type[MotionRun] = MotionRun) -> Path:
    """Collect all finished runs of a folder; print, write csv files, figures and the page.

    :param out: folder of the study
    :param docs: also write tables and figures here
    :param kind: class of its runs
    :return: the page
    """
    runs = finished_runs(out, kind)
    table, curves = simulator_rows(runs), _curves(runs)
    summary = summarise(table, ["skill", "method", "simulator"], partial(_summary, kind))
    show(summary)
    tables = {"table": table, "summary": summary, "curves": curves}
    made_with = versions_of(runs)
    write_tables(out, tables, made_with)
    figures = pictures.plot_all(curves, out / "pictures", _groups(kind, runs))
    best = best_runs(table, runs)
    figures += kind.figures(best, out / "pictures")
    films = {run: _video(run, out / "pictures") for run in best}
    if docs is not None:
        write_tables(docs, tables, made_with)
        for path in figures:
            write_bytes(docs / path.name, path.read_bytes())
        for run, film in films.items():
            if run.label in kind.DOCUMENTED:
                write_bytes(docs / f"{run.skill.lower()}.gif", film.read_bytes())
    return write_page(
        out / "report.html",
        kind.PAGE,
        summary=summary.to_dict("records"),
        figures=[str(path.relative_to(out)) for path in figures],
        videos={path.stem.replace("_", " "): str(path.relative_to(out)) for path in films.values()},
        versions=made_with,
    )


def simulator_rows(runs: Sequence[MotionRun]) -> pd.DataFrame:
    """Return one row a run and simulator."""
    return pd.concat(
        [
            pd.read_csv(run.folder / SIMULATOR_TABLE).assign(
                **_label(run),
                samples=curve["samples"].iloc[-1],
                minutes=round(curve["seconds"].iloc[-1] / 60, 1),
            )
            for run in runs
            for curve in [pd.read_csv(run.folder / EVALUATIONS)]
        ]
    )


def _curves(runs: Sequence[MotionRun]) -> pd.DataFrame:
    """Return one row an evaluation in training."""
    return pd.concat([pd.read_csv(run.folder / EVALUATIONS).assign(**_label(run)) for run in runs])


def _label(run: MotionRun) -> dict[str, Any]:
    return {"skill": run.skill, "method": run.label, "seed": run.seed}


def _groups(kind: type[MotionRun], runs: Sequence[MotionRun]) -> dict[str, list[str]]:
    """Name the labels that stand in one figure, of groups that have a method of their own."""
    first, *others = kind.GROUPS
    finished = {run.method for run in runs}
    own = {name: finished & set(kind.GROUPS[name]) - set(kind.GROUPS[first]) for name in others}
    return {
        name: list(dict.fromkeys(run.label for run in runs if run.method in kind.GROUPS[name]))
        for name in (first, *(name for name in others if own[name]))
    }


def _summary(kind: type[MotionRun], group: pd.DataFrame) -> dict[str, Any]:
    others = {
        name: float(f"{interquartile_mean(group[key]):.3g}")
        for key, name in SHOWN.items()
        if key in group and group[key].notna().all()
    }
    method, skill = group["method"].iloc[0], group["skill"].iloc[0]
    return {
        **spread(group["joint_error"], 4),
        "paper's error": kind.PAPER_ERRORS.get(method, {}).get(skill),
        **others,
        "samples (M)": round(group["samples"].max() / 1e6, 2),
        "minutes": round(group["minutes"].median(), 1),
    }


def best_runs(table: pd.DataFrame, runs: Sequence[MotionRun]) -> list[MotionRun]:
    """Return the seed with the least error where it was trained, of every skill and method."""
    trained = table[table["simulator"] == TRAINED_IN].sort_values("joint_error")
    best = trained.groupby(["skill", "method"])["seed"].first()
    return [run for run in runs if best[run.skill, run.label] == run.seed]


def _video(run: MotionRun, folder: Path) -> Path:
    """Record a short film of a policy, the clip beside it; finished ones are kept."""
    path = folder / f"{run.name}.gif"
    if not path.exists():
        policy = load_model(run.folder / POLICY, env_id=run.env_id)
        record_video(
            run.env_id,
            policy,
            path,
            VIDEO_SECONDS,
            env_kwargs={"render_height": VIDEO_HEIGHT},
            every=2,
        )
    return path
