"""The paper's motion table for DeepMimic's hand-made reward: skills x seeds as independent jobs,
every policy evaluated in both engines; finished jobs are kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.evaluation import ImitationResult, evaluate_imitation
from sb3_vdb.evaluation.videos import record_video
from sb3_vdb.experiments.mocap import (
    EVALUATION_SEED,
    N_EPISODES,
    PAPER_ERRORS,
    MocapSettings,
    Run,
    train_skill,
)
from sb3_vdb.experiments.run_folder import sole_user
from sb3_vdb.experiments.runner import EngineName, Job, Report, run_jobs
from sb3_vdb.experiments.style import STYLE
from sb3_vdb.experiments.versions import write_versions
from sb3_vdb.files import write_text
from sb3_vdb.pretrained import load_policy, save_policy
from sb3_vdb.vec_env import make_vec_env


class EngineRow(NamedTuple):
    """Where a policy is evaluated."""

    name: str
    prefix: str  # of the id
    timestep: float  # s
    episodes: int


ENGINES = (
    EngineRow("MuJoCo 1/240 s", "Humanoid", 1 / 240, N_EPISODES),
    EngineRow("MuJoCo 1/1200 s", "Humanoid", 1 / 1200, N_EPISODES),
    EngineRow("Bullet 1/1200 s", "BulletHumanoid", 1 / 1200, N_EPISODES),
    # stable PD loses ankle torque in contact, the less the shorter the step
    EngineRow("Bullet 1/4800 s", "BulletHumanoid", 1 / 4800, 8),
)
SHOWN = {
    "joint_error": "error (rad)",
    "joint_error_alive": "error alive",
    "length": "steps",
    "full_share": "full episodes",
    "root_speed": "speed (m/s)",
    "episode_return": "return",
}
VIDEO_SECONDS, VIDEO_HEIGHT = 4.0, 200
LEAST_FULL_SHARE = 0.9  # of full episodes, for a policy that ships


def run_table(
    folder: Path,
    skills: Sequence[str],
    seeds: Sequence[int],
    workers: int,
    settings: MocapSettings,
    docs: Path | None,
    engine: EngineName = "local",
    address: str | None = None,
) -> pd.DataFrame:
    """Train and evaluate what is missing, print and write the table; into ``docs`` also the curves
    and videos.

    :param folder: one run folder a skill and seed goes here
    :param skills: names as in the ids, for example ``"Run"``
    :param seeds: random seeds
    :param workers: jobs at a time, one thread each
    :param settings: of the training
    :param docs: where tables, figure and videos go; None for nowhere else
    :param engine: ``"local"`` or ``"ray"``
    :param address: of a Ray cluster
    :return: one row a run and engine
    """
    jobs = []
    for skill in skills:
        for seed in seeds:
            run = Run(folder / f"{skill}_{seed}", skill, seed, settings)
            work = partial(_train_and_evaluate, run)
            jobs.append(Job(run.folder.name, settings.samples, work))
    with sole_user(folder):
        run_jobs(jobs, workers, engine, address)
    return write_table(folder, docs)


def _train_and_evaluate(run: Run, report: Report) -> None:
    """Train one skill and evaluate it everywhere."""
    note = ""

    def progress(samples: int, result: ImitationResult | None) -> None:
        nonlocal note
        if result is not None:
            note = f"error {result.joint_error:.3f} rad, {result.length:.0f} steps"
        report(samples, note)

    model = DeepMimicPPO.load(train_skill(run, progress), device="cpu")
    path = run.folder / "policy.pt"
    if not path.exists():
        save_policy(model.policy, path, "")
    evaluate_everywhere(run, path)


def evaluate_everywhere(run: Run, path: Path) -> None:
    """Evaluate the policy as it ships in both engines and write ``engines.csv``; finished rows are
    kept.
    """
    table = run.folder / "engines.csv"
    rows: list[Any] = pd.read_csv(table).to_dict("records") if table.exists() else []
    for engine in ENGINES:
        if engine.name in {row["engine"] for row in rows}:
            continue
        env_id = f"sb3_vdb/{engine.prefix}{run.skill}-v0"
        policy = load_policy(path, env_id)
        kwargs = {"timestep": engine.timestep, "target": run.settings.target}
        venv = make_vec_env(
            env_id, engine.episodes, EVALUATION_SEED + 1000, kwargs, every_step_infos=True
        )
        venv.seed(EVALUATION_SEED + 1000)
        result = evaluate_imitation(policy, venv)
        venv.close()
        rows.append({"engine": engine.name, **result._asdict()})
        write_text(table, pd.DataFrame(rows).round(4).to_csv(index=False))


def write_table(folder: Path, docs: Path | None) -> pd.DataFrame:
    """Collect all finished runs of a folder; print, write csv files and draw.

    :return: one row a run and engine
    """
    runs = sorted(path.parent for path in folder.glob("*/engines.csv"))
    if not runs:
        raise ValueError(f"no finished run in {folder}")
    tables, curves = [], []
    configs = [json.loads((path / "config.json").read_text()) for path in runs]
    for path, config in zip(runs, configs, strict=True):
        if config["settings"] != configs[0]["settings"]:
            raise ValueError(
                f"{path} was trained with other settings than {runs[0]}; "
                "a table needs runs of one kind, give each kind a folder"
            )
    for path, config in zip(runs, configs, strict=True):
        label = {"skill": config["skill"], "seed": config["seed"]}
        curve = pd.read_csv(path / "evaluations.csv").assign(**label)
        curves.append(curve)
        tables.append(
            pd.read_csv(path / "engines.csv").assign(
                **label,
                samples=curve["samples"].iloc[-1],
                minutes=round(curve["seconds"].iloc[-1] / 60, 1),
            )
        )
    table, curve = pd.concat(tables), pd.concat(curves)
    short = summary(table)
    Console(width=200).print(short.to_string(index=False))
    for target in {folder, docs or folder}:
        target.mkdir(parents=True, exist_ok=True)
        write_text(target / "table.csv", table.to_csv(index=False))
        write_text(target / "summary.csv", short.to_csv(index=False))
        write_text(target / "curves.csv", curve.to_csv(index=False))
        write_versions(target / "versions.json")
        plot_curves(curve, target / "curves.png")
    if docs is not None:
        for skill in sorted(set(table["skill"])):
            _video(folder, skill, best_seed(table, skill), docs / f"{skill.lower()}.gif")
    return table


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over seeds, by skill and engine."""
    rows = []
    for (skill, engine), group in table.groupby(["skill", "engine"], sort=False):
        row: dict[str, Any] = {"skill": skill, "engine": engine, "seeds": len(group)}
        for key, name in SHOWN.items():
            row[name] = f"{group[key].mean():.3g} ± {group[key].std(ddof=0):.2g}"
        row["samples (M)"] = round(group["samples"].mean() / 1e6, 2)
        row["minutes"] = round(group["minutes"].mean())
        row["paper's error"] = PAPER_ERRORS.get(str(skill), "")
        rows.append(row)
    return pd.DataFrame(rows)


def best_seed(table: pd.DataFrame, skill: str) -> int:
    """Seed of a skill with the least error where it was trained."""
    rows = table[(table["skill"] == skill) & (table["engine"] == ENGINES[0].name)]
    return int(rows.sort_values("joint_error")["seed"].iloc[0])


def _video(folder: Path, skill: str, seed: int, path: Path) -> None:
    """A short film of a skill, the motion beside the character."""
    env_id = f"sb3_vdb/Humanoid{skill}-v0"
    policy = load_policy(folder / f"{skill}_{seed}" / "policy.pt", env_id)
    record_video(
        env_id, policy, path, VIDEO_SECONDS, env_kwargs={"render_height": VIDEO_HEIGHT}, every=2
    )


def plot_curves(curves: pd.DataFrame, path: Path) -> None:
    """Error, length and speed over samples, one colour a skill and one line a seed."""
    panels = {
        "joint_error": "joint rotation error (rad),\npi after a fall",
        "length": "steps before a fall (600 = 20 s)",
        "joint_error_alive": "joint rotation error (rad)\nwhile alive",
    }
    skills = list(dict.fromkeys(curves["skill"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 3.2), layout="constrained")
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
        figure.savefig(path)


CARD = """# {name}

A policy for `{env_id}`: imitates the clip `{clip}` with {target} PD targets.

- Trained with `DeepMimicPPO` on DeepMimic's hand-made reward: seed {seed}, {samples:.1f} M samples,
  {minutes:.0f} minutes on one core. Chosen as the best of {seeds} seed(s) by the error at 1/240 s.
- Networks {widths} (ReLU), half precision; observations are normalised inside.
- Made by `sb3-vdb reproduce humanoid --ship`.

| engine | error (rad) | steps of 600 | full episodes | speed (m/s) | episodes |
|---|---|---|---|---|---|
{rows}

Deterministic episodes, started anywhere in the clip. The error is the mean angle between
the 12 joints' rotations and the clip's, pi for every step after a fall.

Limits: it has seen this clip alone, flat ground and no pushes.
"""


def ship(folder: Path, target: Path) -> list[Path]:
    """Copy the best policy of every skill into the package, with a model card.

    :param folder: of the runs
    :param target: folder of the shipped policies
    :return: the files
    """
    table = pd.read_csv(folder / "table.csv")
    paths = []
    for skill in sorted(set(table["skill"])):
        seed = best_seed(table, skill)
        rows = table[(table["skill"] == skill) & (table["seed"] == seed)]
        env_id = f"sb3_vdb/Humanoid{skill}-v0"
        if rows["full_share"].iloc[0] < LEAST_FULL_SHARE:
            Console(stderr=True).print(f"{skill}: the best seed falls; nothing ships")
            continue
        run_folder = folder / f"{skill}_{seed}"
        config = json.loads((run_folder / "config.json").read_text())
        policy = load_policy(run_folder / "policy.pt", env_id)
        widths = policy.net_arch["pi"]  # type: ignore[call-overload]
        venv = make_vec_env(env_id, 1)
        card = CARD.format(
            name=f"Humanoid{skill}",
            env_id=env_id,
            clip=venv.get_attr("clip")[0].name,
            seed=seed,
            target=config["settings"]["target"],
            widths="-".join(map(str, widths)),
            samples=rows["samples"].iloc[0] / 1e6,
            minutes=rows["minutes"].iloc[0],
            seeds=int((table[table["skill"] == skill]["engine"] == ENGINES[0].name).sum()),
            rows="\n".join(
                f"| {row.engine} | {row.joint_error:.3f} | {row.length:.0f} "
                f"| {row.full_share:.2f} | {row.root_speed:.2f} | {row.episodes} |"
                for row in rows.itertuples()
            ),
        )
        path = target / f"Humanoid{skill}.pt"
        save_policy(policy, path, card)
        paths.append(path)
    return paths
