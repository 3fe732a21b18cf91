"""One training of the tuning study."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.framework.run import Run, has_result, write_result
from sb3_vdb.experiments.tuning.settings import EVALUATION_SEED, TASKS
from sb3_vdb.files import write_text

LOG, CURVES = "log", "curves.csv"
N_EPISODES = 20  # of the evaluation at the end
COLUMNS = {
    "discriminator/n_updates": "updates",
    "discriminator/kl": "kl",
    "discriminator/beta": "beta",
    "discriminator/accuracy_expert": "accuracy_expert",
    "discriminator/accuracy_generator": "accuracy_generator",
    "reward/std": "reward_std",
    "rollout/ep_rew_mean": "task_return",
}


@dataclass(frozen=True)
class TuningRun(Run):
    """A task with arguments of its own.

    :param task: name in :data:`~sb3_vdb.experiments.tuning.settings.TASKS`
    :param case: name of what is varied
    :param seed: random seed
    :param varied: arguments of the trainer
    :param share: of the task's steps
    """

    task: str
    case: str
    seed: int
    varied: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0

    @property
    def name(self) -> str:
        """Name of the folder, for example ``maze_VAIL_healthy_0``."""
        words = f"{self.task} {self.case} {self.seed}".replace(",", "")
        return words.replace(" ", "_")

    @property
    def steps(self) -> int:
        """Environment steps of the training."""
        return round(TASKS[self.task].steps * self.share)

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {
            "task": self.task,
            "case": self.case,
            "seed": self.seed,
            "varied": dict(self.varied),
            "steps": self.steps,
        }


def train(run: TuningRun, report: Report) -> None:
    """Train, evaluate, and write ``curves.csv`` and ``result.json``; a run that was stopped starts
    anew.
    """
    if has_result(run.folder):
        return
    run.note_versions()
    shutil.rmtree(run.folder / LOG, ignore_errors=True)
    task = TASKS[run.task]
    trainer = task.make(run.seed, str(run.folder / LOG), **run.varied)

    def callback(local: dict[str, Any], _: dict[str, Any]) -> bool:
        report(local["self"].num_timesteps, run.case)
        return True

    trainer.learn(run.steps, callback=callback, log_interval=1)
    curves = read_curves(run.folder / LOG / "progress.csv")
    write_text(run.folder / CURVES, curves.round(5).to_csv(index=False))
    result = trainer.evaluate(task.environments(N_EPISODES, EVALUATION_SEED), N_EPISODES)
    write_result(run.folder, {"task_return": float(result.mean)})


def read_curves(path: Path) -> pd.DataFrame:
    """Return one row a round of a trainer's log: updates so far, KL, beta, accuracies, the spread
    of the reward and the task's return.
    """
    table = pd.read_csv(path)
    known = {name: short for name, short in COLUMNS.items() if name in table}
    curves = table[list(known)].rename(columns=known).dropna(subset=["updates"])
    return curves.drop_duplicates("updates", keep="last").reset_index(drop=True)
