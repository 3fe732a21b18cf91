"""What is lost when workers are killed: the same jobs undisturbed, and with a killer."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch as th

from sb3_vdb.experiments.framework.folder import sole_user
from sb3_vdb.experiments.framework.job import BACKENDS, BackendName, Job, Report, Workers
from sb3_vdb.experiments.framework.jobs import run_jobs
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.experiments.framework.run import Run, versions_of
from sb3_vdb.experiments.framework.table import show, write_tables
from sb3_vdb.experiments.maze_transfer.policies import PhaseReport, learn_policy
from sb3_vdb.experiments.maze_transfer.settings import EPISODE_STEPS, PolicySettings
from sb3_vdb.files import write_text
from sb3_vdb.trpo import FisherTRPO
from sb3_vdb.vec_env import make_vec_env

POLICY = PolicySettings(iterations=120, mazes=40)
ENV_ID = "sb3_vdb/CMaze-v0"
KILL_EVERY = 7.0  # seconds
MAX_KILLS = 6


@dataclass(frozen=True)
class PolicyRun(Run):
    """An expert of the C-maze. Its folder says which process works on it and how far it was when.

    :param seed: random seed
    :param policy: how it is trained
    """

    seed: int
    policy: PolicySettings = POLICY

    @property
    def name(self) -> str:
        """Name of the folder, for example ``job_0``."""
        return f"job_{self.seed}"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"seed": self.seed, "policy": self.policy}

    @property
    def pid(self) -> Path:
        """File with the number of the process that works on it."""
        return self.folder / "pid"

    def train(self, report: Report) -> None:
        """Train, or go on with it; the work of a job."""
        self.claim()
        self.note_versions()
        write_text(self.pid, str(os.getpid()))

        def tell(done: int, note: str) -> None:
            with (self.folder / "timeline.csv").open("a") as file:
                file.write(f"{time.time()},{done}\n")
            report(done, note)

        venv = make_vec_env(ENV_ID, self.policy.mazes, seed=self.seed)
        learn_policy(venv, self.policy, self.seed, self.folder, PhaseReport(tell, "expert"))
        self.pid.unlink()

    def timeline(self) -> pd.DataFrame:
        """Return when it had made how many iterations: columns ``time`` and ``done``."""
        timeline = pd.read_csv(self.folder / "timeline.csv", names=["time", "done"])
        return timeline.assign(done=timeline["done"] / (self.policy.mazes * EPISODE_STEPS))

    def weights(self) -> dict[str, Any]:
        """Return the parameters of the policy."""
        model = FisherTRPO.load(self.folder / "model.zip", device="cpu")
        return dict(model.policy.state_dict())


class Trial(NamedTuple):
    """All jobs, run once.

    :param name: of the row
    :param start: when it began
    :param seconds: wall-clock
    :param kills: seconds at which a worker was killed, with the job's number
    :param runs: one a job
    """

    name: str
    start: float
    seconds: float
    kills: list[tuple[float, int]]
    runs: list[PolicyRun]


class Killer(threading.Thread):
    """Kills the worker of an unfinished job every few seconds, in turn.

    :param runs: of the jobs
    """

    def __init__(self, runs: Sequence[PolicyRun]) -> None:
        super().__init__(daemon=True)
        self.runs = runs
        self.kills: list[tuple[float, int]] = []
        self._stop_now = threading.Event()

    def run(self) -> None:
        """Kill until told to stop."""
        while not self._stop_now.wait(KILL_EVERY) and len(self.kills) < MAX_KILLS:
            running = [i for i, run in enumerate(self.runs) if run.pid.exists()]
            if not running:
                continue
            killed = [job for _, job in self.kills]
            chosen = min(running, key=killed.count)
            try:
                os.kill(int(self.runs[chosen].pid.read_text()), signal.SIGKILL)
            except (ProcessLookupError, FileNotFoundError):
                continue  # it has just ended
            self.kills.append((time.time(), chosen))

    def stop(self) -> None:
        """Kill no more."""
        self._stop_now.set()
        self.join()


def try_out(
    out: Path, workers: Workers, has_killer: bool, n_jobs: int, policy: PolicySettings
) -> Trial:
    """Run the jobs from nothing.

    :param out: folder of the study
    :param workers: how many jobs at a time, and where
    :param has_killer: whether workers are killed
    :param n_jobs: how many jobs
    :param policy: what each of them trains
    """
    name = f"{workers.backend}, {'workers killed' if has_killer else 'undisturbed'}"
    target = out / name.replace(", ", "-").replace(" ", "-")
    shutil.rmtree(target, ignore_errors=True)
    runs = [PolicyRun(target, seed, policy) for seed in range(n_jobs)]
    jobs = [Job(f"job {run.seed}", policy.steps, run.train) for run in runs]
    killer, start = Killer(runs), time.time()
    if has_killer:
        killer.start()
    try:
        run_jobs(jobs, workers)
    finally:
        if has_killer:
            killer.stop()
    kills = [(when - start, job) for when, job in killer.kills]
    return Trial(name, start, time.time() - start, kills, runs)


def compare(trials: Sequence[Trial]) -> pd.DataFrame:
    """Return one row a trial; policies are compared with those of the first."""
    reference = [run.weights() for run in trials[0].runs]
    n_asked = sum(run.policy.iterations for run in trials[0].runs)
    rows = []
    for trial in trials:
        weights = [run.weights() for run in trial.runs]
        equal = [_equal(*pair) for pair in zip(reference, weights, strict=True)]
        n_iterations = sum(len(run.timeline()) for run in trial.runs)
        rows.append(
            {
                "trial": trial.name,
                "jobs": len(reference),
                "kills": len(trial.kills),
                "policies equal bit for bit": sum(equal),
                "iterations": n_asked,
                "run twice": n_iterations - n_asked,
                "seconds": round(trial.seconds, 1),
            }
        )
    return pd.DataFrame(rows)


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(th.equal(value, other[name]) for name, value in one.items())


def plot(trials: Sequence[Trial], path: Path) -> None:
    """Plot every job's iterations over time, with the kills."""
    with new_figure(path, (3.6 * len(trials), 3.2)) as figure:
        panels: Any = figure.subplots(1, len(trials), sharey=True)
        for axes, trial in zip(panels, trials, strict=True):
            for i, run in enumerate(trial.runs):
                timeline = run.timeline()
                seconds = timeline["time"] - trial.start
                axes.plot(seconds, timeline["done"], lw=1.3, color=f"C{i}", label=f"job {i}")
            for n, (when, job) in enumerate(trial.kills):
                label = "worker killed" if n == 0 else None
                axes.axvline(when, color=f"C{job}", ls=":", lw=1.0, label=label)
            axes.set_title(trial.name)
            axes.set_xlabel("seconds")
        panels[0].set_ylabel("iterations done")
        panels[-1].legend(frameon=False, fontsize=7)


def killed_workers(
    backends: Sequence[BackendName], out: Path, docs: Path | None, workers: int
) -> list[Path]:
    """Run all trials, as the command line asks for them; return the figure."""
    run_trials(backends or BACKENDS, out, docs, workers)
    return [out / "killed_workers.png"]


def run_trials(
    backends: Sequence[BackendName],
    out: Path,
    docs: Path | None,
    workers: int,
    n_jobs: int = 4,
    policy: PolicySettings = POLICY,
) -> pd.DataFrame:
    """Run all trials and write ``killed_workers.csv`` and ``.png``.

    :param backends: which backends
    :param out: run folder
    :param docs: where table and figure go as well
    :param workers: jobs at a time
    :param n_jobs: jobs in a trial
    :param policy: what a job trains
    :return: one row a trial
    :raises ImportError: Ray is not installed
    """
    if "ray" in backends:  # or say now that it is missing
        importlib.import_module("sb3_vdb.experiments.framework.ray_backend")
    with sole_user(out):
        trials = [try_out(out, Workers(workers), False, n_jobs, policy)]
        for backend in backends:
            trials.append(try_out(out, Workers(workers, backend), True, n_jobs, policy))
    table = compare(trials)
    show(table)
    for target in filter(None, (out, docs)):
        made_with = versions_of(run for trial in trials for run in trial.runs)
        write_tables(target, {"killed_workers": table}, made_with)
        plot(trials, target / "killed_workers.png")
    return table
