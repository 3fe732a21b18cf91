"""TRPO for every phase of the transfer: how it is made, and a training that goes on exactly."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from sb3_contrib import TRPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from sb3_vdb.adversarial.log import make_logger
from sb3_vdb.experiments.framework.checkpoints import load_model, load_run, save_model, save_run
from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.maze_transfer.settings import EPISODE_STEPS, PolicySettings
from sb3_vdb.extractors import BoundsExtractor
from sb3_vdb.trpo import FisherTRPO, LinearBaselineTRPO

CHECKPOINT_EVERY = 20  # iterations
N_FORCES = 2


class PhaseReport(BaseCallback):
    """Tells how far a phase is, once a rollout, with the mean return.

    :param report: where to
    :param phase: what the note begins with
    :param before: steps of earlier phases
    """

    def __init__(self, report: Report, phase: str, before: int = 0) -> None:
        super().__init__()
        self.report, self.phase, self.before = report, phase, before

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.ep_info_buffer
        note = f", return {np.mean([each['r'] for each in buffer]):.1f}" if buffer else ""
        self.report(self.before + self.num_timesteps, self.phase + note)


class PolicyCheckpoint(BaseCallback):
    """Saves a policy's algorithm every few iterations, and its last policies one by one.

    :param path: of the checkpoint
    :param last: numbers of the iterations after which the policy is kept next to it, as
        ``policy_<number>.zip``
    """

    def __init__(self, path: Path, last: range = range(0)) -> None:
        super().__init__()
        self.path, self.last = path, last

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:  # after an update
        done = self.num_timesteps // (EPISODE_STEPS * self.training_env.num_envs)
        if done in self.last:
            save_model(self.model, self.path.with_name(f"policy_{done:04d}.zip"))
        if done and done % CHECKPOINT_EVERY == 0:
            assert isinstance(self.model, TRPO)
            save_run(self.model, self.path)


def make_trpo(
    venv: VecEnv, settings: PolicySettings, seed: int, algorithm: type[TRPO] | None = None
) -> TRPO:
    """Make TRPO with two layers of 32.

    :param venv: mazes; a rollout is one episode of each
    :param settings: of the phase
    :param seed: random seed
    :param algorithm: class, by default the one that the baseline needs
    """
    if algorithm is None:
        algorithm = LinearBaselineTRPO if settings.baseline == "linear" else FisherTRPO
    entropy: dict[str, Any] = (
        {"ent_coef": settings.ent_coef} if issubclass(algorithm, FisherTRPO) else {}
    )
    return algorithm(
        "MlpPolicy",
        venv,
        n_steps=EPISODE_STEPS,
        batch_size=venv.num_envs * EPISODE_STEPS // 4,
        gamma=0.99,
        gae_lambda=settings.gae_lambda,
        target_kl=settings.target_kl / N_FORCES,  # SB3 takes the mean over the action's dimensions
        cg_max_steps=10,
        n_critic_updates=10,
        learning_rate=3e-3,
        seed=seed,
        device="cpu",
        policy_kwargs={
            "net_arch": [32, 32],
            "activation_fn": nn.ReLU if settings.activation == "relu" else nn.Tanh,
            "log_std_init": math.log(settings.std),
            "features_extractor_class": (
                BoundsExtractor if settings.scaled_inputs else FlattenExtractor
            ),
        },
        **entropy,
    )


def learn_policy(
    venv: VecEnv,
    settings: PolicySettings,
    seed: int,
    folder: Path,
    report: PhaseReport,
    keep_last: int = 0,
) -> TRPO:
    """Train a policy, or go on from the folder's checkpoint; one that is finished is loaded.

    :param venv: as many mazes as the settings say
    :param settings: of the phase
    :param seed: random seed
    :param folder: gets logs and checkpoint
    :param report: told after every rollout
    :param keep_last: how many of the last iterations' policies are kept one by one
    """
    checkpoint, final = folder / "checkpoint.zip", folder / "model.zip"
    model = make_trpo(venv, settings, seed)
    if final.exists():
        return load_model(type(model), final, venv)
    if checkpoint.exists():
        model = load_run(type(model), checkpoint, venv)
    done = model.num_timesteps
    model.set_logger(make_logger(str(folder), 0, f"_from_{done}" if done else ""))
    last = range(settings.iterations - keep_last + 1, settings.iterations)
    callbacks = [report, PolicyCheckpoint(checkpoint, last)]
    if done < settings.steps:
        model.learn(settings.steps - done, callback=callbacks, reset_num_timesteps=False)
    save_model(model, final)
    checkpoint.unlink(missing_ok=True)
    return model
