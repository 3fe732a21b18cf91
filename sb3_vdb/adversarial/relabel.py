"""Paying a whole on-policy rollout at once, with the discriminator that has just seen it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer


def relabel_rollout(
    buffer: RolloutBuffer,
    rewards: npt.NDArray[np.float32],
    last_values: th.Tensor,
    dones: npt.NDArray[np.bool_],
) -> None:
    """Add rewards to a rollout that was collected without any, and compute its returns and
    advantages again.

    What the buffer holds already is the value of truncated episodes' last observations, which SB3
    adds to the reward.

    :param buffer: the rollout, collected with zero rewards
    :param rewards: shape (n_steps, n_envs)
    :param last_values: values of the observations after the rollout, shape (n_envs, 1)
    :param dones: whether the last step ended episodes, shape (n_envs,)
    """
    buffer.rewards += rewards
    buffer.compute_returns_and_advantage(last_values=last_values, dones=dones)
