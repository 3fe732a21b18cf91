"""The experts of the study, and its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.control_tasks.settings import (
    EXPERT,
    N_DEMONSTRATIONS,
    N_ENVS,
    ROWS,
    TASKS,
    ControlTask,
)
from sb3_vdb.experiments.experts.training import ExpertRun, train_expert
from sb3_vdb.experiments.framework.checkpoints import load_model
from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.training.run import TrainingRun, TrainingSettings
from sb3_vdb.vec_env import make_vec_env

EXPERTS, DEMONSTRATIONS = "experts", "demonstrations"
EXPERT_SEED, RECORDING_SEED = 42, 40_000


@dataclass(frozen=True)
class ControlExpert(ExpertRun):
    """The expert of a task: SB3's SAC."""

    @property
    def task_settings(self) -> ControlTask:
        """The task."""
        return TASKS[self.task]

    @property
    def aim(self) -> float:
        """See :class:`ExpertRun`."""
        return self.task_settings.aim

    @property
    def frames(self) -> int:
        """See :class:`ExpertRun`."""
        return self.task_settings.expert_steps

    def make(self, n: int, seed: int) -> VecEnv:
        """See :class:`ExpertRun`."""
        return make_vec_env(self.task_settings.env_id, n, seed=seed)


def expert_of(out: Path, task: str) -> ControlExpert:
    """Give the expert of a task.

    :param out: folder of the study
    :param task: its name
    """
    return ControlExpert(out / EXPERTS, task, EXPERT_SEED, EXPERT)


def demonstrations_of(out: Path, task: str) -> Path:
    """Name the file with an expert's episodes."""
    return out / DEMONSTRATIONS / f"{task}.npz"


def train_and_record(out: Path, task: str, report: Report) -> None:
    """Train the expert of a task, unless it is there, and record its episodes.

    :param out: folder of the study
    :param task: its name
    :param report: told how far it is
    """
    run, path = expert_of(out, task), demonstrations_of(out, task)
    if path.exists():
        return
    train_expert(run, report)
    venv = run.make(1, RECORDING_SEED)
    policy = load_model(SAC, run.folder / "best.zip")
    Demonstrations.from_rollouts(policy, venv, n_episodes=N_DEMONSTRATIONS).save(path)
    venv.close()


@dataclass(frozen=True)
class ControlRun(TrainingRun):
    """A row of the table, a task and a seed.

    :param task: of :data:`TASKS`
    :param row: of :data:`ROWS`
    """

    task: str = ""
    row: str = ""

    @property
    def name(self) -> str:
        """Name of the folder, for example ``Hopper_VAIL-GP_PPO_0``."""
        return f"{self.task}_{self.row.replace(', ', '_').replace(' ', '-')}_{self.seed}"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {**super().arguments(), "task": self.task, "row": self.row}

    @classmethod
    def of_config(cls, out: Path, config: Mapping[str, Any]) -> ControlRun:
        """Make the run of a folder."""
        return control_run(out, config["task"], config["row"], config["seed"])


def control_run(out: Path, task: str, row: str, seed: int) -> ControlRun:
    """Make a run.

    :param out: folder of the study
    :param task: of :data:`TASKS`
    :param row: of :data:`ROWS`
    :param seed: random seed
    """
    chosen, method = TASKS[task], ROWS[row]
    is_on_policy = method.generator == "PPO"
    settings = TrainingSettings(
        demos=str(demonstrations_of(out, task)),
        steps=chosen.steps[method.generator or "BC"],
        n_envs=N_ENVS.get(method.generator or "", 1),
        algorithm=method.generator,
        normalize=chosen.normalize and is_on_policy,
        algorithm_arguments=dict(chosen.ppo) if is_on_policy else {},
        absorbing=chosen.ends and method.method == "dac",
    )
    return ControlRun(out, method.method, chosen.env_id, seed, settings, task, row)
