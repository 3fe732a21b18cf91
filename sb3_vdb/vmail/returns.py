"""Returns of imagined rollouts."""

from __future__ import annotations

import torch as th


def discounted_sum(rewards: th.Tensor, gamma: float) -> th.Tensor:
    """sum_{k >= i} gamma^(k-i) r_k within the rollout, without a value at its end.

    :param rewards: shape (horizon, batch)
    :param gamma: discount
    :return: shape (horizon, batch)
    """
    return lambda_returns(rewards, rewards.new_zeros(len(rewards) + 1, *rewards.shape[1:]), gamma)


def lambda_returns(
    rewards: th.Tensor, values: th.Tensor, gamma: float, td_lambda: float = 1.0
) -> th.Tensor:
    """R_i = r_i + gamma ((1 - lambda) V_{i+1} + lambda R_{i+1}), R_H = V_H; with lambda = 1 the
    objective of eq. 8.

    :param rewards: ``rewards[i]`` is paid for state and action i, shape (horizon, batch)
    :param values: of all states, the last one included, shape (horizon + 1, batch)
    :param gamma: discount
    :param td_lambda: 1 trusts the rollout, 0 the values
    :return: shape (horizon, batch)
    """
    found = values[-1]
    returns = []
    for reward, value in zip(rewards.flip(0), values[1:].flip(0), strict=True):
        found = reward + gamma * ((1.0 - td_lambda) * value + td_lambda * found)
        returns.append(found)
    return th.stack(returns[::-1])


def discount_weights(horizon: int, gamma: float, like: th.Tensor) -> th.Tensor:
    """gamma^i: how much state i of a rollout counts, shape (horizon, 1)."""
    exponents = th.arange(horizon, dtype=like.dtype, device=like.device)
    return (gamma**exponents).unsqueeze(1)
