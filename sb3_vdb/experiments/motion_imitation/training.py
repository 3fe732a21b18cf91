"""One training of the motion table: a method, a skill and a seed; it can be stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.baselines import DeepMimicPolicy, DeepMimicPPO
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation import ImitationResult, evaluate_imitation
from sb3_vdb.experiments.framework.checkpoints import load_model, save_model
from sb3_vdb.experiments.framework.evaluations import EvaluationLog
from sb3_vdb.experiments.humanoid.training import (
    EVALUATION_SEED,
    N_EPISODES,
    SEED_STRIDE,
    SkillRun,
)
from sb3_vdb.experiments.motion_imitation.settings import METHODS
from sb3_vdb.pretrained import save_policy
from sb3_vdb.schedules import LinearSchedule
from sb3_vdb.vec_env import make_vec_env

CHECKPOINT, EVALUATIONS, POLICY = "checkpoint.zip", "evaluations.csv", "policy.pt"
ENV_KWARGS = {"drift": True}
PHASE_SHIFTS = 16  # of a cycle, over which the error is minimised
# what the table of evaluations has from the trainer's log
LOGGED = {
    "discriminator/kl": "kl",
    "discriminator/beta": "beta",
    "discriminator/accuracy_expert": "accuracy_expert",
    "discriminator/accuracy_generator": "accuracy_generator",
    "discriminator/mean_code_acc_expert": "mean_code_accuracy_expert",
    "discriminator/mean_code_acc_gen": "mean_code_accuracy_generator",
    "reward/q10": "reward_q10",
    "reward/q50": "reward_q50",
    "reward/q90": "reward_q90",
    "reward/task_rank_correlation": "task_rank_correlation",
}
Learner = AdversarialTrainer | DeepMimicPPO


@dataclass(frozen=True)
class MotionRun(SkillRun):
    """A skill, a seed and a method.

    :param method: name in :data:`~sb3_vdb.experiments.motion_imitation.settings.METHODS`
    :param clip: of the skill "Mocap": a name or the path of a file
    """

    method: str
    clip: str | None = None

    @property
    def name(self) -> str:
        """Name of the folder, for example ``Run_VAIL-difference_0``."""
        return f"{self.skill}_{self.method}_{self.seed}".replace(", ", "_").replace(" ", "_")

    @property
    def env_id(self) -> str:
        """Environment of the skill, in MuJoCo."""
        return f"sb3_vdb/Humanoid{self.skill}-v0"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        clip = {} if self.clip is None else {"clip": self.clip}
        return {"method": self.method, **clip, **super().arguments()}

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Arguments of the environment that decide what is learned."""
        return ENV_KWARGS if self.clip is None else {**ENV_KWARGS, "clip": self.clip}

    def make(self, n: int, seed: int, **kwargs: Any) -> VecEnv:
        """Make environments of the skill."""
        env_kwargs = {**self.env_kwargs, "threads": 1}
        return make_vec_env(self.env_id, n, seed=seed, env_kwargs=env_kwargs, **kwargs)


Progress = Callable[[int, ImitationResult | None], None]


def train_motion(run: MotionRun, progress: Progress | None = None) -> Path:
    """Train, or go on with a training that was stopped.

    The folder gets ``evaluations.csv`` (32 deterministic episodes at 1/240 s every
    ``evaluate_every`` samples), ``checkpoint.zip`` (the latest) and at the end ``policy.pt``, a
    policy of the id's own observation.

    :param run: what to train and where
    :param progress: called with the samples done and each evaluation
    :return: path of the policy
    """
    final = run.folder / POLICY
    if final.exists():
        return final
    run.note_versions()
    venv = run.make(run.settings.n_envs, SEED_STRIDE * run.seed)
    learner = _resumed(run, venv) or make_learner(run, venv)
    generator = learner if isinstance(learner, DeepMimicPPO) else learner.gen_algo
    callback = EvaluateAndSave(run, learner, progress)
    start = generator.num_timesteps
    learner.learn(run.settings.samples - start, callback, reset_num_timesteps=start == 0)
    callback.evaluate()
    assert isinstance(generator.policy, DeepMimicPolicy)
    save_policy(generator.policy.of_part("state"), final, "")
    (run.folder / CHECKPOINT).unlink(missing_ok=True)
    venv.close()
    return final


def _resumed(run: MotionRun, venv: VecEnv) -> Learner | None:
    """Go on from the checkpoint; None where there is none."""
    path, trainer = run.folder / CHECKPOINT, METHODS[run.method].trainer
    if not path.exists():
        return None
    if trainer is not None:
        return trainer.load(path, venv)
    model: DeepMimicPPO = load_model(DeepMimicPPO, path, venv)
    model.set_random_seed(run.seed + model.num_timesteps)
    venv.seed(SEED_STRIDE * run.seed + model.num_timesteps)  # not the first episodes again
    venv.reset()
    return model


def make_learner(run: MotionRun, venv: VecEnv) -> Learner:
    """Make what learns, untrained.

    :param run: method, skill and seed
    :param venv: of :meth:`MotionRun.make`
    """
    settings, method = run.settings, METHODS[run.method]
    noise = LinearSchedule(
        settings.first_std / np.pi, settings.last_std / np.pi, settings.noise_share
    )
    generator = DeepMimicPPO(
        "MultiInputPolicy",
        venv,
        action_std=noise,
        n_steps=settings.n_steps,
        batch_size=settings.batch_size,
        kl_per_rollout=settings.kl_per_rollout,
        policy_kwargs={"features_extractor_kwargs": {"key": "state"}},
        seed=run.seed,
        device="cpu",
    )
    if method.trainer is None:
        return generator
    demonstrations = Demonstrations.from_mocap(run.env_id, env_kwargs=run.env_kwargs)
    arguments = method.arguments(demonstrations)
    return method.trainer(demonstrations, venv, generator, seed=run.seed, device="cpu", **arguments)


class EvaluateAndSave(BaseCallback):
    """Between rollouts: an evaluation and a checkpoint every ``evaluate_every`` samples.

    :param run: the run
    :param learner: what learns
    :param progress: called with the samples done and each evaluation
    """

    def __init__(self, run: MotionRun, learner: Learner, progress: Progress | None) -> None:
        super().__init__()
        self.run, self.learner, self.progress = run, learner, progress
        self._venv = run.make(N_EPISODES, EVALUATION_SEED, every_step_infos=True, monitor=False)
        self._next = 0
        self._logged: dict[str, float] = {}

    def _init_callback(self) -> None:
        reached = self.model.num_timesteps
        self._log = EvaluationLog(self.run.folder / EVALUATIONS, "samples", reached)
        if self._log.last is not None:
            self._next = self._log.last["samples"] + self.run.settings.evaluate_every
        self._log.start()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        values = self.logger.name_to_value
        self._logged = {short: values[name] for name, short in LOGGED.items() if name in values}

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self._next = self.num_timesteps + self.run.settings.evaluate_every
            self.evaluate()
            path = self.run.folder / CHECKPOINT
            if isinstance(self.learner, AdversarialTrainer):
                self.learner.save(path)
            else:
                save_model(self.learner, path)
        elif self.progress is not None:
            self.progress(self.num_timesteps, None)

    def evaluate(self) -> None:
        """Evaluate and write the row; the clock counts training alone."""
        self._log.stop()
        self._venv.seed(EVALUATION_SEED)
        result = evaluate_imitation(self.model, self._venv, phase_shifts=PHASE_SHIFTS)
        logged = {short: self._logged.get(short) for short in LOGGED.values()}
        self._log.add(self.model.num_timesteps, **result._asdict(), **logged)
        if self.progress is not None:
            self.progress(self.model.num_timesteps, result)
        self._log.start()
