"""Learning motions from DeepMimic's hand-made reward: training that can be stopped and resumed,
and the evaluations that the papers report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import CSVOutputFormat, configure
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.evaluation import ImitationResult, evaluate_imitation
from sb3_vdb.experiments.framework.checkpoints import load_model, save_model
from sb3_vdb.experiments.framework.evaluations import EvaluationLog
from sb3_vdb.experiments.framework.run import Run, defaults_of
from sb3_vdb.schedules import LinearSchedule
from sb3_vdb.vec_env import make_vec_env

N_EPISODES = 32  # of an evaluation, as DeepMimic's
EVALUATION_SEED = 20_000
SEED_STRIDE = 100_000_000  # between the environments' seeds of two runs; more than the samples
# the VDB paper's joint rotation errors for the hand-made reward, rad (table 1)
PAPER_JOINT_ERRORS = {
    "Backflip": 0.26,
    "Cartwheel": 0.21,
    "Dance": 0.20,
    "Run": 0.14,
    "Spinkick": 0.19,
}


class MocapSettings(NamedTuple):
    """How a skill is trained; chosen on seeds 901 and up, which no table reports."""

    samples: int = 4_000_000
    n_envs: int = 128
    n_steps: int = 16
    batch_size: int = 512
    kl_per_rollout: float = 0.03
    first_std: float = 0.25  # rad, action noise at the start
    last_std: float = 0.08  # rad, when it has stopped falling
    noise_share: float = 0.8  # of the training, in which the noise falls
    evaluate_every: int = 250_000  # samples
    target: str = "absolute"


@dataclass(frozen=True)
class SkillRun(Run):
    """A skill and a seed.

    :param skill: as in the id, for example ``"Run"``
    :param seed: random seed
    :param settings: of the training
    """

    skill: str
    seed: int
    settings: MocapSettings

    @property
    def name(self) -> str:
        """Name of the folder, for example ``Run_0``."""
        return f"{self.skill}_{self.seed}"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"skill": self.skill, "seed": self.seed, "settings": self.settings._asdict()}

    def defaults(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return defaults_of(self.settings, "settings.")

    def make(self, n: int, seed: int, **kwargs: Any) -> VecEnv:
        """Make MuJoCo environments of the skill."""
        env_id = f"sb3_vdb/Humanoid{self.skill}-v0"
        env_kwargs = {"threads": 1, "target": self.settings.target}
        return make_vec_env(env_id, n, seed=seed, env_kwargs=env_kwargs, **kwargs)


Progress = Callable[[int, ImitationResult | None], None]


def train_skill(run: SkillRun, progress: Progress | None = None) -> Path:
    """Train a skill, or go on with a training that was stopped.

    The folder gets ``config.json``, ``progress.csv`` files, ``evaluations.csv`` (32 deterministic
    episodes at 1/240 s), ``checkpoint.zip`` (the latest) and at the end ``model.zip``.

    :param run: what to train and where
    :param progress: called with the samples done and each evaluation
    :return: path of the trained model
    """
    final = run.folder / "model.zip"
    if final.exists():
        return final
    run.claim()
    run.note_versions()
    settings, checkpoint = run.settings, run.folder / "checkpoint.zip"
    venv = run.make(settings.n_envs, 0)
    model = load_model(DeepMimicPPO, checkpoint, venv) if checkpoint.exists() else _fresh(run, venv)
    start = model.num_timesteps
    model.set_random_seed(run.seed + start)
    # not SB3's seed + i, which neighbouring runs would share; and not the first episodes again
    venv.seed(SEED_STRIDE * run.seed + start)
    venv.reset()
    suffix = f"progress_from_{start}" if start else "progress"
    model.set_logger(configure(str(run.folder), []))
    model.logger.output_formats.append(CSVOutputFormat(str(run.folder / f"{suffix}.csv")))
    callback = EvaluateAndSave(run, progress)
    model.learn(settings.samples - start, callback=callback, reset_num_timesteps=start == 0)
    callback.evaluate(model)
    save_model(model, final)
    checkpoint.unlink(missing_ok=True)
    venv.close()
    return final


def _fresh(run: SkillRun, venv: VecEnv) -> DeepMimicPPO:
    settings = run.settings
    noise = LinearSchedule(
        settings.first_std / np.pi, settings.last_std / np.pi, settings.noise_share
    )
    return DeepMimicPPO(
        env=venv,
        action_std=noise,
        n_steps=settings.n_steps,
        batch_size=settings.batch_size,
        kl_per_rollout=settings.kl_per_rollout,
        seed=run.seed,
        device="cpu",
    )


class EvaluateAndSave(BaseCallback):
    """Between rollouts: an evaluation and a checkpoint every ``evaluate_every`` samples.

    :param run: the run
    :param progress: called with the samples done and each evaluation
    """

    def __init__(self, run: SkillRun, progress: Progress | None) -> None:
        super().__init__()
        self.run, self.progress = run, progress
        self._venv = run.make(N_EPISODES, EVALUATION_SEED, every_step_infos=True)
        self._next = 0

    def _init_callback(self) -> None:
        reached = self.model.num_timesteps
        self._log = EvaluationLog(self.run.folder / "evaluations.csv", "samples", reached)
        if self._log.last is not None:
            self._next = self._log.last["samples"] + self.run.settings.evaluate_every
        self._log.start()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        diverged = self.training_env.get_attr("diverged_episodes")[0]
        self.logger.record("rollout/diverged_episodes", diverged)
        if self.num_timesteps >= self._next:
            self._next = self.num_timesteps + self.run.settings.evaluate_every
            self.evaluate(self.model)
            save_model(self.model, self.run.folder / "checkpoint.zip")
        elif self.progress is not None:
            self.progress(self.num_timesteps, None)

    def evaluate(self, model: Any) -> None:
        """Evaluate and write the row; the clock counts training alone."""
        self._log.stop()
        self._venv.seed(EVALUATION_SEED)
        result = evaluate_imitation(model, self._venv)
        self._log.add(model.num_timesteps, **result._asdict())
        if self.progress is not None:
            self.progress(model.num_timesteps, result)
        self._log.start()
