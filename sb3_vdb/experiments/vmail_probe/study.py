"""What the command line runs of the probe: one row a variant and seed, each at equal seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch as th

from sb3_vdb.acting import RandomActions
from sb3_vdb.demonstrations import Demonstrations, Trajectory, recording, reenactment
from sb3_vdb.experiments.framework.job import Job, Report, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.run import (
    Run,
    claimed,
    nothing_finished,
    versions_of,
    write_result,
)
from sb3_vdb.experiments.framework.table import show, write_tables
from sb3_vdb.experiments.vmail_probe.settings import GROUPS, LOOK, PRESET, VARIANTS
from sb3_vdb.vec_env import make_vec_env
from sb3_vdb.vmail import VMAIL, preset
from sb3_vdb.vmail.inspection import rows_of
from sb3_vdb.vmail.probing import learn_model, read_out

N_EPISODES, N_TESTED = 10, 4  # of the expert, and as many at random; that the map is tested on
RANDOM_SEED = 80_000
N_AHEAD = 5  # decisions

Episode = tuple[Trajectory, npt.NDArray[np.float64]]  # and the physics state at each observation


@dataclass(frozen=True)
class ProbeRun(Run):
    """A variant and a seed.

    :param task: name in the ids, with a recording
    :param variant: key of :data:`VARIANTS`
    :param seed: of networks and batches
    :param seconds: of the processor, for learning
    """

    task: str
    variant: str
    seed: int
    seconds: float

    @property
    def name(self) -> str:
        """Name of the folder."""
        return f"{self.task}_{self.variant}_{self.seed}".replace(" ", "_")

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        names = ("task", "variant", "seed", "seconds")
        return {name: getattr(self, name) for name in names}

    @property
    def look(self) -> dict[str, Any]:
        """Arguments of the pixel environment."""
        return {**LOOK, **VARIANTS[self.variant].look}

    def settings(self) -> dict[str, Any]:
        """Return the arguments of :class:`~sb3_vdb.VMAIL`."""
        variant, arguments = VARIANTS[self.variant], preset(PRESET)
        sizes = {**arguments["policy_kwargs"], **variant.sizes}
        return {**arguments, **variant.changes, "policy_kwargs": sizes}


def vmail_probe(
    task: str,
    variants: Sequence[str],
    seeds: range,
    seconds: float,
    out: Path,
    docs: Path | None,
    workers: Workers,
    table_only: bool,
) -> list[Path]:
    """Learn world models and read the true state out of them, or only collect what is finished.

    :return: the table
    """
    runs = [
        ProbeRun(out, task, variant, seed, seconds)
        for seed in seeds
        for variant in variants or VARIANTS
    ]
    if not table_only:
        jobs = [Job(run.name, 1, partial(probe, run)) for run in runs]
        with claimed(out, runs):
            run_jobs(jobs, workers)
    rows = [{**run.arguments(), **result} for run in runs if (result := run.result()) is not None]
    if not rows:
        raise nothing_finished(out)
    table = pd.DataFrame(rows)
    show(table)
    for folder in (out, docs):
        if folder is not None:
            write_tables(folder, {"probe": table}, versions_of(runs))
    return [out / "probe.csv"]


def probe(run: ProbeRun, report: Report) -> None:
    """Learn one world model and write what can be read out of it."""
    if run.result() is not None:
        return
    run.note_versions()
    th.set_num_threads(1)
    expert = _episodes(recording.load(run.task), run.look)
    random = _episodes(_random_recording(run), run.look)
    venv = make_vec_env(_env_id(run.task), 1, env_kwargs={**run.look, **_repeat(run.task)})
    kept = [expert[N_TESTED:], random[N_TESTED:]]
    model = VMAIL(
        "CnnPolicy",
        venv,
        Demonstrations([trajectory for trajectory, _ in kept[0]]),
        buffer_size=2 * sum(len(states) for _, states in random),
        seed=run.seed,
        device="cpu",
        **run.settings(),
    )
    model.add_episodes(Demonstrations([trajectory for trajectory, _ in kept[1]]))
    n_updates = learn_model(model, run.seconds)
    learned, tested = (
        [(rows_of(model, trajectory), states) for trajectory, states in episodes]
        for episodes in ([*kept[0], *kept[1]], [*expert[:N_TESTED], *random[:N_TESTED]])
    )
    found = read_out(model, learned, tested, N_AHEAD)
    result: dict[str, Any] = {"updates": n_updates}
    for group, columns in GROUPS[run.task].items():
        result[group] = round(float(found.now[columns].mean()), 3)
        result[f"{group}, {N_AHEAD} ahead"] = round(float(found.ahead[columns].mean()), 3)
    write_result(run.folder, result)
    report(1, f"{n_updates} updates")
    venv.close()


def _env_id(task: str) -> str:
    return f"sb3_vdb/{task}Pixels-v0"


def _repeat(task: str) -> dict[str, Any]:
    """Give the action repeat of a task's recording."""
    return {"action_repeat": recording.load(task).env_kwargs["action_repeat"]}


def _random_recording(run: ProbeRun) -> recording.Recording:
    """Record episodes of random actions."""
    kwargs = _repeat(run.task)
    env = gym.make(f"sb3_vdb/{run.task}State-v0", **kwargs)
    assert isinstance(env.action_space, gym.spaces.Box)
    actor = RandomActions(env.action_space, RANDOM_SEED)
    return recording.record(actor, _env_id(run.task), N_EPISODES, RANDOM_SEED, kwargs, env)


def _episodes(made: recording.Recording, look: dict[str, Any]) -> list[Episode]:
    """Render a recording's episodes, each with the physics state at every observation but the
    first, at which none is recorded.
    """
    trajectories = reenactment.reenact(made, {**made.env_kwargs, **look}, rerender=True)
    return [
        (_without_first(trajectory), episode.states)
        for trajectory, episode in zip(trajectories, made.episodes, strict=True)
    ]


def _without_first(trajectory: Trajectory) -> Trajectory:
    """Leave out the first observation of an episode, and the action after it."""
    assert trajectory.actions is not None
    assert trajectory.rewards is not None
    assert isinstance(trajectory.observations, np.ndarray)
    return Trajectory(
        trajectory.observations[1:],
        trajectory.actions[1:],
        trajectory.rewards[1:],
        trajectory.terminal,
        trajectory.action_repeat,
    )
