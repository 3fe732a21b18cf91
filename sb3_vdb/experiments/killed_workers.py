"""What is lost when workers are killed: the same jobs undisturbed and with a killer among them."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import pandas as pd
import torch as th
from matplotlib.figure import Figure
from rich.console import Console

from sb3_vdb.experiments.runner import EngineName, Job, Report, run_jobs
from sb3_vdb.experiments.style import STYLE
from sb3_vdb.experiments.transfer.policies import PhaseReport, learn_policy
from sb3_vdb.experiments.transfer.settings import PolicySettings
from sb3_vdb.experiments.versions import write_versions
from sb3_vdb.files import write_text
from sb3_vdb.trpo import FisherTRPO
from sb3_vdb.vec_env import make_vec_env

POLICY = PolicySettings(iterations=120, mazes=40)
ENV_ID = "sb3_vdb/CMaze-v0"
KILL_EVERY = 7.0  # seconds
MAX_KILLS = 6


class Trial(NamedTuple):
    """One run of all jobs.

    :param name: of the row
    :param engine: where the jobs ran
    :param start: when it began
    :param seconds: wall-clock
    :param kills: seconds at which a worker was killed, with the job's number
    :param folder: with a folder for each job
    """

    name: str
    engine: EngineName
    start: float
    seconds: float
    kills: list[tuple[float, int]]
    folder: Path


def train(folder: Path, seed: int, report: Report) -> None:
    """A job: an expert of the C-maze. Its folder says which process works on it and how far it was
    when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "pid", str(os.getpid()))

    def tell(done: int, note: str) -> None:
        with (folder / "timeline.csv").open("a") as file:
            file.write(f"{time.time()},{done}\n")
        report(done, note)

    venv = make_vec_env(ENV_ID, POLICY.mazes, seed=seed)
    learn_policy(venv, POLICY, seed, folder, PhaseReport(tell, "expert"))
    (folder / "pid").unlink()


class Killer(threading.Thread):
    """Kills the worker of an unfinished job every few seconds, in turn.

    :param folders: of the jobs
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(daemon=True)
        self.folders = folders
        self.kills: list[tuple[float, int]] = []
        self._stop_now = threading.Event()

    def run(self) -> None:
        """Kill until told to stop."""
        while not self._stop_now.wait(KILL_EVERY) and len(self.kills) < MAX_KILLS:
            running = [i for i, folder in enumerate(self.folders) if (folder / "pid").exists()]
            if not running:
                continue
            killed = [job for _, job in self.kills]
            chosen = min(running, key=killed.count)
            try:
                os.kill(int((self.folders[chosen] / "pid").read_text()), signal.SIGKILL)
            except (ProcessLookupError, FileNotFoundError):
                continue  # it has just ended
            self.kills.append((time.time(), chosen))

    def stop(self) -> None:
        """Kill no more."""
        self._stop_now.set()
        self.join()


def try_out(folder: Path, engine: EngineName, has_killer: bool, n_jobs: int, workers: int) -> Trial:
    """Run the jobs from nothing."""
    name = f"{engine}, workers killed" if has_killer else f"{engine}, undisturbed"
    target = folder / name.replace(", ", "-").replace(" ", "-")
    shutil.rmtree(target, ignore_errors=True)
    folders = [target / f"job_{i}" for i in range(n_jobs)]
    jobs = [
        Job(f"job {i}", POLICY.steps, partial(train, each, i)) for i, each in enumerate(folders)
    ]
    killer, start = Killer(folders), time.time()
    if has_killer:
        killer.start()
    try:
        run_jobs(jobs, workers, engine)
    finally:
        if has_killer:
            killer.stop()
    kills = [(when - start, job) for when, job in killer.kills]
    return Trial(name, engine, start, time.time() - start, kills, target)


def compare(trials: Sequence[Trial], n_jobs: int) -> pd.DataFrame:
    """One row a trial; policies are compared with those of the first."""
    reference = [_weights(trials[0].folder / f"job_{i}") for i in range(n_jobs)]
    rows = []
    for trial in trials:
        timelines = [read_timeline(trial.folder / f"job_{i}") for i in range(n_jobs)]
        weights = [_weights(trial.folder / f"job_{i}") for i in range(n_jobs)]
        equal = [_equal(*pair) for pair in zip(reference, weights, strict=True)]
        step = POLICY.mazes * 100
        run = sum(len(each) for each in timelines)
        rows.append(
            {
                "trial": trial.name,
                "jobs": n_jobs,
                "kills": len(trial.kills),
                "policies equal bit for bit": sum(equal),
                "iterations": n_jobs * POLICY.iterations,
                "run twice": run - n_jobs * POLICY.steps // step,
                "seconds": round(trial.seconds, 1),
            }
        )
    return pd.DataFrame(rows)


def read_timeline(folder: Path) -> pd.DataFrame:
    """When a job had made how many steps: columns ``time`` and ``done``."""
    return pd.read_csv(folder / "timeline.csv", names=["time", "done"])


def _weights(folder: Path) -> dict[str, Any]:
    model = FisherTRPO.load(folder / "model.zip", device="cpu")
    return dict(model.policy.state_dict())


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(th.equal(value, other[name]) for name, value in one.items())


def draw(trials: Sequence[Trial], n_jobs: int, path: Path) -> None:
    """Every job's iterations over time, with the kills."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * len(trials), 3.2), layout="constrained")
        panels: Any = figure.subplots(1, len(trials), sharey=True)
        for axes, trial in zip(panels, trials, strict=True):
            timelines = [read_timeline(trial.folder / f"job_{i}") for i in range(n_jobs)]
            for i, timeline in enumerate(timelines):
                done = timeline["done"] / (POLICY.mazes * 100)
                axes.plot(
                    timeline["time"] - trial.start, done, lw=1.3, color=f"C{i}", label=f"job {i}"
                )
            for n, (when, job) in enumerate(trial.kills):
                label = "worker killed" if n == 0 else None
                axes.axvline(when, color=f"C{job}", ls=":", lw=1.0, label=label)
            axes.set_title(trial.name)
            axes.set_xlabel("seconds")
        panels[0].set_ylabel("iterations done")
        panels[-1].legend(frameon=False, fontsize=7)
        figure.savefig(path)


def run(
    folder: Path,
    docs: Path | None,
    engines: Sequence[EngineName],
    n_jobs: int = 4,
    workers: int = 2,
) -> pd.DataFrame:
    """Run all trials and write ``killed_workers.csv`` and ``.png``.

    :param folder: run folder
    :param docs: where table and figure go as well
    :param engines: which engines
    :param n_jobs: jobs in a trial
    :param workers: at a time
    :return: one row a trial
    :raises ImportError: Ray is not installed
    """
    if "ray" in engines:
        importlib.import_module("sb3_vdb.experiments.ray_engine")  # or say now that it is missing
    trials = [try_out(folder, "local", False, n_jobs, workers)]
    trials += [try_out(folder, engine, True, n_jobs, workers) for engine in engines]
    table = compare(trials, n_jobs)
    Console(width=140).print(table.to_string(index=False))
    for target in [folder, *([docs] if docs is not None else [])]:
        write_text(target / "killed_workers.csv", table.to_csv(index=False))
        write_versions(target / "versions.json")
        draw(trials, n_jobs, target / "killed_workers.png")
    return table
