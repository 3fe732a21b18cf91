"""What V-MAIL logs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import safe_mean

from sb3_vdb.vmail.metrics import UpdateMetrics

# figures of an update -> where they are logged
LOG_KEYS = {
    "model_loss": "world_model/loss",
    "reconstruction": "world_model/reconstruction",
    "belief_kl": "world_model/belief_kl",
    "discriminator_loss": "discriminator/loss",
    "loss_expert": "discriminator/loss_expert",
    "loss_generator": "discriminator/loss_generator",
    "loss_bottleneck": "discriminator/loss_bottleneck",
    "gradient_penalty": "discriminator/gradient_penalty",
    "accuracy_expert": "discriminator/accuracy_expert",
    "accuracy_generator": "discriminator/accuracy_generator",
    "code_kl": "discriminator/kl",
    "actor_loss": "actor/loss",
    "reward": "actor/reward",
    "policy_return": "actor/return",
    "action_std": "actor/std",
    "entropy": "actor/entropy",
    "cloning_loss": "actor/cloning_loss",
    "value_loss": "value/loss",
    "value": "value/value",
}
EPISODE_KEYS = {"r": "rollout/ep_rew_mean", "l": "rollout/ep_len_mean"}


class TrainingFigures(NamedTuple):
    """What is logged of a training phase in addition to the updates' own figures.

    :param beta: dual variable of the bottleneck; None for no bottleneck
    :param expert_fraction: share of the expert in the joint buffer's batches
    :param n_updates: updates so far
    :param learning_rate: learning rate of the world model
    """

    beta: float | None
    expert_fraction: float
    n_updates: int
    learning_rate: float


class Progress(NamedTuple):
    """How far a run is.

    :param episodes: returns and lengths of the latest episodes, as SB3's buffer has them
    :param n_episodes: ended episodes
    :param timesteps: decisions so far
    :param timesteps_now: decisions of this call of ``learn``
    :param env_frames: frames of the environments so far
    :param start_time: start of this call of ``learn``, ns
    """

    episodes: Sequence[dict[str, Any]]
    n_episodes: int
    timesteps: int
    timesteps_now: int
    env_frames: int
    start_time: float


def log_updates(logger: Logger, metrics: UpdateMetrics, training: TrainingFigures) -> None:
    """Log figures of a training phase.

    :param logger: SB3's
    :param metrics: means over the phase's updates, as numbers
    :param training: what is logged in addition
    """
    for name, key in LOG_KEYS.items():
        logger.record(key, getattr(metrics, name))
    if training.beta is not None:
        logger.record("discriminator/beta", training.beta)
    logger.record("train/expert_fraction", training.expert_fraction)
    logger.record("train/n_updates", training.n_updates, exclude="tensorboard")
    logger.record("train/learning_rate", training.learning_rate)


def log_progress(logger: Logger, progress: Progress) -> None:
    """Log episodes, steps, frames and time.

    :param logger: SB3's
    :param progress: how far the run is
    """
    elapsed = max((time.time_ns() - progress.start_time) / 1e9, 1e-9)
    for key, name in EPISODE_KEYS.items():
        if progress.episodes:
            logger.record(name, safe_mean([info[key] for info in progress.episodes]))
    logger.record("time/episodes", progress.n_episodes, exclude="tensorboard")
    logger.record("time/fps", int(progress.timesteps_now / elapsed))
    logger.record("time/time_elapsed", int(elapsed), exclude="tensorboard")
    logger.record("time/total_timesteps", progress.timesteps, exclude="tensorboard")
    logger.record("time/env_frames", progress.env_frames)
