"""Experts of the dm_control tasks: SAC on states, recorded for the pixel environments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from stable_baselines3 import SAC

from sb3_vdb.demonstrations import recording
from sb3_vdb.experiments.experts.training import (
    AIMS,
    DEFAULT,
    EPISODES,
    ExpertRun,
    ExpertSettings,
    train_expert,
)
from sb3_vdb.experiments.framework.checkpoints import load_model
from sb3_vdb.experiments.framework.job import Job, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.experiments.framework.run import claimed, read_result, versions_of
from sb3_vdb.experiments.framework.table import show, write_tables
from sb3_vdb.experiments.vmail.settings import FRAMES_A_DECISION

LEAST_SHARE = 0.9  # of the expert's mean return, for an episode to be a demonstration
RECORDING_SEED = 40_000  # not those that chose the model


def train_experts(
    out: Path,
    tasks: Sequence[str],
    seed: int,
    workers: Workers,
    demos: Path | None = None,
    docs: Path | None = None,
    settings: ExpertSettings = DEFAULT,
    stochastic: bool = False,
) -> pd.DataFrame:
    """Train what is missing, print the table, and record demonstrations.

    :param out: one run folder a task goes here
    :param tasks: names in the ids, keys of :data:`AIMS` or others with the budget of WalkerWalk
    :param seed: random seed
    :param workers: how many jobs at a time, and where
    :param demos: where recordings go; None for nowhere
    :param docs: where table and curves go as well; None for nowhere
    :param settings: of every expert
    :param stochastic: record SAC's policy with its noise, which it was trained with, so that
        demonstrations show how small mistakes are made good
    :return: one row a task
    :raises ValueError: a folder holds another expert, or ``stochastic`` without ``demos``
    """
    if stochastic and demos is None:
        raise ValueError("`stochastic` is about demonstrations; say where they go with --demos")
    runs = [ExpertRun(out, task, seed, settings) for task in dict.fromkeys(tasks)]
    with claimed(out, runs):
        run_jobs([Job(run.name, run.frames, partial(train_expert, run)) for run in runs], workers)
    table = pd.DataFrame([_row(run, demos, stochastic) for run in runs])
    show(table)
    write_tables(out, {"experts": table}, versions_of(runs))
    if docs is not None:
        write_tables(docs, {"experts": table}, versions_of(runs))
        plot_curves(runs, docs / "curves.png")
    return table


def _row(run: ExpertRun, demos: Path | None, stochastic: bool) -> dict[str, Any]:
    """Return what an expert reached, and its demonstrations where they are asked for."""
    aim = run.aim if np.isfinite(run.aim) else np.nan
    row = {"task": run.task, "aim": aim, **read_result(run.folder)}
    if demos is not None:
        name = recording_name(run.task, run.settings.action_repeat, stochastic)
        path = record_expert(run, demos / f"{name}.npz", stochastic=stochastic)
        returns = recording.load(path).returns
        row |= {"demonstrations": round(returns.mean(), 1), "kB": path.stat().st_size >> 10}
    return row


def recording_name(task: str, action_repeat: int, stochastic: bool = False) -> str:
    """Name the demonstrations of an expert whose actions last so many frames and have noise."""
    frames = "" if action_repeat == FRAMES_A_DECISION else f"-{action_repeat}frames"
    return f"{task}{frames}{'-stochastic' if stochastic else ''}"


def plot_curves(runs: Sequence[ExpertRun], path: Path) -> None:
    """Plot the returns of the evaluations during training."""
    with new_figure(path, (6.0, 3.2), "tight") as figure:
        axes = figure.subplots()
        for run in runs:
            rows = pd.read_csv(run.folder / "evaluations.csv")
            axes.plot(rows["frames"] / 1000, rows["mean"], label=run.task)
        axes.set_xlabel("thousand environment frames")
        axes.set_ylabel("return, mean of 10 episodes")
        axes.legend(frameon=False, fontsize=7)


def record_expert(
    run: ExpertRun, path: Path, episodes: int = EPISODES, stochastic: bool = False
) -> Path:
    """Record the best model of a run for the task's pixel environment. Episodes far below the
    expert's mean are no demonstrations and left out.

    :param run: that has ended
    :param path: of the recording
    :param episodes: how many
    :param stochastic: whether the policy acts with its noise
    :return: the path
    """
    action_repeat = run.settings.action_repeat
    model = load_model(SAC, run.folder / "best.zip")
    model.set_random_seed(RECORDING_SEED)  # of its noise
    made = recording.record(
        model,
        f"sb3_vdb/{run.task}Pixels-v0",
        episodes,
        seed=RECORDING_SEED,
        env_kwargs={"action_repeat": action_repeat},
        acting_env=gym.make(f"sb3_vdb/{run.task}State-v0", action_repeat=action_repeat),
        deterministic=not stochastic,
        least_return=LEAST_SHARE * read_result(run.folder)["return"],
    )
    return recording.save(made, path)


def experts(
    tasks: Sequence[str],
    seed: int,
    action_repeat: int,
    out: Path,
    demos: Path | None,
    stochastic: bool,
    docs: Path | None,
    workers: Workers,
) -> None:
    """Train experts, as the command line asks for them."""
    settings = ExpertSettings(action_repeat=action_repeat)
    train_experts(out, tasks or list(AIMS), seed, workers, demos, docs, settings, stochastic)
