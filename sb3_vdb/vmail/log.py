"""What V-MAIL logs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stable_baselines3.common.utils import safe_mean

from sb3_vdb.vmail.update import UpdateMetrics

if TYPE_CHECKING:
    from sb3_vdb.vmail.vmail import VMAIL

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


def log_updates(model: VMAIL, metrics: UpdateMetrics) -> None:
    """Record figures of a training phase.

    :param model: what was trained
    :param metrics: means over its updates, as numbers
    """
    logger, replay = model.logger, model.replay_buffer
    assert replay is not None
    for name, key in LOG_KEYS.items():
        logger.record(key, getattr(metrics, name))
    if model.dual is not None:
        logger.record("discriminator/beta", model.dual.beta)
    fraction = model.present_expert_fraction()
    logger.record("train/expert_fraction", replay.expert_share() if fraction is None else fraction)
    logger.record("train/n_updates", model._n_updates, exclude="tensorboard")
    logger.record("train/learning_rate", model.learning_rate_of("model"))


def log_progress(model: VMAIL) -> None:
    """Record episodes, steps, frames and time."""
    logger = model.logger
    elapsed = max((time.time_ns() - model.start_time) / 1e9, 1e-9)
    for key, name in EPISODE_KEYS.items():
        if model.ep_info_buffer:
            logger.record(name, safe_mean([info[key] for info in model.ep_info_buffer]))
    steps = model.num_timesteps - model._num_timesteps_at_start
    logger.record("time/episodes", model._episode_num, exclude="tensorboard")
    logger.record("time/fps", int(steps / elapsed))
    logger.record("time/time_elapsed", int(elapsed), exclude="tensorboard")
    logger.record("time/total_timesteps", model.num_timesteps, exclude="tensorboard")
    logger.record("time/env_frames", model.num_env_frames + int(model._open_frames.sum()))
