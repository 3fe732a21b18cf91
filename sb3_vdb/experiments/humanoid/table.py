"""The paper's motion table for DeepMimic's hand-made reward: skills x seeds as independent jobs,
every policy evaluated in both simulators; finished jobs are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from sb3_vdb import saved_models
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.evaluation import ImitationResult, evaluate_imitation
from sb3_vdb.evaluation.intervals import interquartile_mean
from sb3_vdb.evaluation.videos import record_video
from sb3_vdb.experiments.framework.checkpoints import load_model
from sb3_vdb.experiments.framework.job import Job, Report, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.experiments.framework.run import (
    claimed,
    nothing_finished,
    read_config,
    versions_of,
)
from sb3_vdb.experiments.framework.table import show, spread, summarise, write_tables
from sb3_vdb.experiments.humanoid.training import (
    EVALUATION_SEED,
    N_EPISODES,
    PAPER_JOINT_ERRORS,
    MocapSettings,
    SkillRun,
    train_skill,
)
from sb3_vdb.files import write_text
from sb3_vdb.pretrained import load_policy, save_policy
from sb3_vdb.vec_env import make_vec_env


class SimulatorRow(NamedTuple):
    """Where a policy is evaluated."""

    name: str
    prefix: str  # of the id
    timestep: float  # s
    episodes: int
    suffix: str = ""  # of the id, before the version
    env_kwargs: Mapping[str, Any] = MappingProxyType({})  # beside those of the study
    deterministic: bool = True  # or with the noise that the training ended with


SIMULATOR_ROWS = (
    SimulatorRow("MuJoCo 1/240 s", "Humanoid", 1 / 240, N_EPISODES),
    SimulatorRow("MuJoCo 1/1200 s", "Humanoid", 1 / 1200, N_EPISODES),
    SimulatorRow("Bullet 1/1200 s", "BulletHumanoid", 1 / 1200, N_EPISODES),
    # stable PD loses ankle torque in contact, the less the shorter the step
    SimulatorRow("Bullet 1/4800 s", "BulletHumanoid", 1 / 4800, 8),
)
SIMULATOR_TABLE = "simulators.csv"  # of a run
SHOWN = {
    "joint_error_alive": "error alive",
    "length": "steps",
    "full_share": "full episodes",
    "root_speed": "speed (m/s)",
    "episode_return": "return",
}
VIDEO_SECONDS, VIDEO_HEIGHT = 4.0, 200


def run_table(
    out: Path,
    skills: Sequence[str],
    seeds: Sequence[int],
    settings: MocapSettings,
    workers: Workers,
    docs: Path | None = None,
) -> pd.DataFrame:
    """Train and evaluate what is missing, print and write the table; into ``docs`` also the curves
    and videos.

    :param out: one run folder a skill and seed goes here
    :param skills: names as in the ids, for example ``"Run"``
    :param seeds: random seeds
    :param settings: of the training
    :param workers: how many jobs at a time, and where
    :param docs: where tables, figure and videos go; None for nowhere else
    :return: one row a run and simulator
    :raises ValueError: a folder holds another run
    """
    runs = [SkillRun(out, skill, seed, settings) for skill in skills for seed in seeds]
    jobs = [Job(run.name, settings.samples, partial(train_and_evaluate, run)) for run in runs]
    with claimed(out, runs):
        run_jobs(jobs, workers)
    return write_table(out, docs)


def train_and_evaluate(run: SkillRun, report: Report) -> None:
    """Train one skill and evaluate it everywhere."""
    note = ""

    def progress(samples: int, result: ImitationResult | None) -> None:
        nonlocal note
        if result is not None:
            note = f"error {result.joint_error:.3f} rad, {result.length:.0f} steps"
        report(samples, note)

    model = load_model(DeepMimicPPO, train_skill(run, progress))
    path = run.folder / "policy.pt"
    if not path.exists():
        save_policy(model.policy, path, "")
    evaluate_everywhere(run, path)


def evaluate_everywhere(
    run: SkillRun,
    path: Path,
    simulators: Sequence[SimulatorRow] | None = None,
    env_kwargs: dict[str, Any] | None = None,
) -> None:
    """Evaluate the policy as it ships in both simulators and write ``simulators.csv``; finished
    rows are kept.

    :param run: gets the table
    :param path: of its policy
    :param simulators: where it is evaluated; None for ``SIMULATOR_ROWS``
    :param env_kwargs: arguments of the environments; None for the targets of the training
    """
    simulators = SIMULATOR_ROWS if simulators is None else simulators
    chosen = {"target": run.settings.target} if env_kwargs is None else env_kwargs
    table = run.folder / SIMULATOR_TABLE
    rows: list[Any] = pd.read_csv(table).to_dict("records") if table.exists() else []
    finished = {row["simulator"] for row in rows}
    for simulator in simulators:
        if simulator.name in finished:
            continue
        run.note_versions()
        env_id = f"sb3_vdb/{simulator.prefix}{run.skill}{simulator.suffix}-v0"
        kwargs = {"timestep": simulator.timestep, **chosen, **simulator.env_kwargs}
        venv = make_vec_env(env_id, simulator.episodes, env_kwargs=kwargs, every_step_infos=True)
        venv.seed(EVALUATION_SEED + 1000)
        policy = saved_models.load_model(path, env_id=env_id)
        result = evaluate_imitation(
            policy, venv, deterministic=simulator.deterministic, phase_shifts=16, pose_errors=True
        )
        venv.close()
        rows.append({"simulator": simulator.name, **result._asdict()})
        order = [each.name for each in simulators]
        rows.sort(key=lambda row: order.index(row["simulator"]))
        write_text(table, pd.DataFrame(rows).round(4).to_csv(index=False))


def finished_runs(out: Path) -> list[SkillRun]:
    """Return all runs of a folder that have been evaluated.

    :raises ValueError: there are none, or they have different settings
    """
    runs = []
    for path in sorted(out.glob(f"*/{SIMULATOR_TABLE}")):
        config = read_config(path.parent)
        settings = MocapSettings(**config["settings"])
        runs.append(SkillRun(out, config["skill"], config["seed"], settings))
    if not runs:
        raise nothing_finished(out)
    for run in runs:
        if run.settings != runs[0].settings:
            raise ValueError(
                f"{run.folder} was trained with other settings than {runs[0].folder}; "
                "a table needs runs of one kind, give each kind a folder"
            )
    return runs


def write_table(out: Path, docs: Path | None) -> pd.DataFrame:
    """Collect all finished runs of a folder; print, write csv files and plot.

    :return: one row a run and simulator
    """
    runs, tables, curves = finished_runs(out), [], []
    for run in runs:
        label: dict[str, Any] = {"skill": run.skill, "seed": run.seed}
        curve = pd.read_csv(run.folder / "evaluations.csv").assign(**label)
        curves.append(curve)
        tables.append(
            pd.read_csv(run.folder / SIMULATOR_TABLE).assign(
                **label,
                samples=curve["samples"].iloc[-1],
                minutes=round(curve["seconds"].iloc[-1] / 60, 1),
            )
        )
    table, curve = pd.concat(tables), pd.concat(curves)
    summary = summarise_skills(table)
    show(summary)
    for target in {out, docs or out}:
        everything = {"table": table, "summary": summary, "curves": curve}
        write_tables(target, everything, versions_of(runs))
        plot_curves(curve, target / "curves.png")
    if docs is not None:
        for skill in sorted(set(table["skill"])):
            _video(out, skill, best_seed(table, skill), docs / f"{skill.lower()}.gif")
    return table


def summarise_skills(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the seeds of each skill and simulator say together, next to the paper's error.

    :param table: one row a run and simulator
    """
    return summarise(table, ["skill", "simulator"], _summary)


def _summary(group: pd.DataFrame) -> dict[str, Any]:
    others = {name: float(f"{interquartile_mean(group[key]):.3g}") for key, name in SHOWN.items()}
    return {
        **spread(group["joint_error"], 4),
        "paper's error": PAPER_JOINT_ERRORS.get(group["skill"].iloc[0]),
        **others,
        "samples (M)": round(group["samples"].max() / 1e6, 2),
        "minutes": round(group["minutes"].median(), 1),
    }


def best_seed(table: pd.DataFrame, skill: str) -> int:
    """Return the seed of a skill with the least error where it was trained."""
    rows = table[(table["skill"] == skill) & (table["simulator"] == SIMULATOR_ROWS[0].name)]
    return int(rows.sort_values("joint_error")["seed"].iloc[0])


def _video(out: Path, skill: str, seed: int, path: Path) -> None:
    """Record a short film of a skill, the motion next to the character."""
    env_id = f"sb3_vdb/Humanoid{skill}-v0"
    policy = load_policy(out / f"{skill}_{seed}" / "policy.pt", env_id)
    record_video(
        env_id, policy, path, VIDEO_SECONDS, env_kwargs={"render_height": VIDEO_HEIGHT}, every=2
    )


def plot_curves(curves: pd.DataFrame, path: Path) -> None:
    """Plot error and length over samples, one colour a skill and one line a seed."""
    panels = {
        "joint_error": "joint rotation error (rad),\npi after a fall",
        "length": "steps before a fall (600 = 20 s)",
        "joint_error_alive": "joint rotation error (rad)\nwhile alive",
    }
    skills = list(dict.fromkeys(curves["skill"]))
    with new_figure(path, (10.5, 3.2)) as figure:
        for axes, (key, title) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            for i, skill in enumerate(skills):
                rows = curves[curves["skill"] == skill]
                for k, (_, one) in enumerate(rows.groupby("seed")):
                    label = skill if k == 0 else None
                    axes.plot(one["samples"] / 1e6, one[key], f"C{i}", lw=1.2, label=label)
            if key != "length":
                axes.set_yscale("log")
                axes.axhline(0.16, color="0.5", lw=0.8, ls="--")
            axes.set_xlabel("samples (millions)")
            axes.set_title(title, fontsize=9)
        axes.legend(frameon=False, fontsize=8)
