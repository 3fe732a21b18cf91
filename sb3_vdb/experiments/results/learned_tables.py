"""The tables of what was learned from demonstrations: motions, videos, standard tasks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.experiments.motion_imitation.settings import PAPER_ERRORS
from sb3_vdb.experiments.results.markdown import number
from sb3_vdb.experiments.results.seed_rows import by_seed

PROBED_AHEAD = 5  # decisions
TRAINED_IN = "MuJoCo 1/240 s"
# of videos: where else policies are tested, and what the page calls it
ELSEWHERE = {
    "MuJoCo 1/240 s, from the first pose, with noise": "from the first pose",
    "MuJoCo 1/1200 s": "MuJoCo 1/1200 s",
    "Bullet 1/1200 s": "Bullet",
}


def learned_motions(benchmarks: Path, folder: str = "motion-imitation") -> pd.DataFrame:
    """Return motions that were learned from a clip, beside the hand-made reward's at its budget.

    :param benchmarks: folder of all studies
    :param folder: of the study
    """
    path = benchmarks / folder / "table.csv"
    if not path.exists():
        return pd.DataFrame({"method": ["not run yet"]})
    runs = pd.read_csv(path)

    def others(group: pd.DataFrame) -> dict[str, Any]:
        paper = PAPER_ERRORS.get(group["method"].iloc[0], {}).get(group["skill"].iloc[0], "")
        return {
            "paper": paper,
            "full episodes": f"{group['full_share'].mean():.0%}",
            "pose (m)": number(group["pose_error"].mean(), 3),
            "minutes": number(group["minutes"].median(), 0),
        }

    runs = runs[runs["simulator"] == TRAINED_IN]
    keys = {"skill": "skill", "method": "method"}
    return by_seed(runs, keys, "joint_error", others, digits=3)


def learned_videos(benchmarks: Path) -> pd.DataFrame:
    """Return motions that were learned from a video, and their errors elsewhere, a column each."""
    runs = pd.read_csv(benchmarks / "video-imitation" / "table.csv")
    elsewhere = runs.pivot_table(index="method", columns="simulator", values="joint_error")

    def others(group: pd.DataFrame) -> dict[str, Any]:
        errors = elsewhere.loc[group["method"].iloc[0]]
        return {
            "before a fall": number(group["joint_error_alive"].mean(), 3),
            "full": f"{group['full_share'].mean():.0%}",
            "m/s": number(group["root_speed"].mean(), 1),
            **{name: number(errors.get(column), 2) for column, name in ELSEWHERE.items()},
            "samples (M)": number(group["samples"].max() / 1e6, 2),
            "minutes": number(group["minutes"].median(), 0),
        }

    here = runs[runs["simulator"] == TRAINED_IN]
    return by_seed(here, {"method": "method"}, "joint_error", others, digits=3)


def control_tasks(benchmarks: Path) -> pd.DataFrame:
    """Return the methods on standard tasks: the task's return at the end of training."""
    folder = benchmarks / "control-tasks"
    if not (folder / "table.csv").exists():
        return pd.DataFrame({"method": ["not run yet"]})
    runs = pd.read_csv(folder / "table.csv")
    experts = pd.read_csv(folder / "experts.csv").set_index("task")["return"]

    def others(group: pd.DataFrame) -> dict[str, Any]:
        return {
            "best on the way": number(group["best"].mean(), 0),
            "expert": number(float(experts[group["task"].iloc[0]]), 0),
            "steps": f"{round(group['steps'].median(), -3):,.0f}",
            "minutes": number(group["minutes"].mean(), 1),
        }

    keys = {"task": "task", "method": "method"}
    return by_seed(runs, keys, "return", others, digits=0)


def vmail_probe(benchmarks: Path) -> pd.DataFrame:
    """Return what of the true state a linear map cannot explain, one row a variant and seed."""
    path = benchmarks / "vmail-probe" / "probe.csv"
    if not path.exists():
        return pd.DataFrame({"variant": ["not run yet"]})
    runs = pd.read_csv(path)
    names = [str(name) for name in runs if f"{name}, {PROBED_AHEAD} ahead" in runs]
    records: list[dict[str, Any]] = runs.to_dict("records")  # type: ignore[assignment]
    rows = [
        {
            "variant": run["variant"],
            "updates": f"{run['updates']:,}",
            **{
                name: f"{run[name]:.2f} / {run[f'{name}, {PROBED_AHEAD} ahead']:.2f}"
                for name in names
            },
        }
        for run in records
    ]
    return pd.DataFrame(rows)


def learned_motions_elsewhere(benchmarks: Path) -> pd.DataFrame:
    """Return the same policies' errors in every simulator, one column each."""
    rows = pd.read_csv(benchmarks / "motion-imitation" / "summary.csv")
    wide = rows.pivot_table(
        index=["skill", "method"], columns="simulator", values="IQM", sort=False
    )
    return wide.map(partial(number, digits=3)).reset_index().rename_axis(columns=None)


def _by_plant(file: str, columns: str, value: str, benchmarks: Path) -> pd.DataFrame:
    """Return what policies bear, one row a policy and one column a push or a plant."""
    rows = pd.read_csv(benchmarks / "motion-imitation" / file)
    wide = rows.pivot_table(index=["skill", "method"], columns=columns, values=value, sort=False)
    return wide.reset_index().rename_axis(columns=None)


def pushes(benchmarks: Path) -> pd.DataFrame:
    """Return the shares that survive a push."""
    if not (benchmarks / "motion-imitation" / "pushes.csv").exists():
        return pd.DataFrame({"policy": ["not run yet"]})
    wide = _by_plant("pushes.csv", "force", "survived", benchmarks)
    shares = {force: f"{force:.0f} N" for force in wide.columns[2:]}
    for force in shares:
        wide[force] = [f"{share:.0%}" for share in wide[force]]
    return wide.rename(columns=shares)


def plants(benchmarks: Path) -> pd.DataFrame:
    """Return the errors with masses and friction that are off."""
    if not (benchmarks / "motion-imitation" / "plants.csv").exists():
        return pd.DataFrame({"policy": ["not run yet"]})
    long = pd.read_csv(benchmarks / "motion-imitation" / "plants.csv")
    long = long.assign(policy=long["skill"] + ", " + long["method"])
    wide = long.pivot_table(index="plant", columns="policy", values="joint_error", sort=False)
    shown = wide.map(partial(number, digits=3))
    return shown.rename_axis("what is off").reset_index().rename_axis(columns=None)
