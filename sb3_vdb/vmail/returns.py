"""Returns of imagined rollouts."""

from __future__ import annotations

import torch as th


def discounted_sum(rewards: th.Tensor, gamma: float) -> th.Tensor:
    """Sum gamma^(k-i) r_k over k >= i within the rollout, without a value at its end.

    :param rewards: shape (horizon, batch)
    :param gamma: discount
    :return: shape (horizon, batch)
    """
    return lambda_returns(rewards, rewards.new_zeros(len(rewards) + 1, *rewards.shape[1:]), gamma)


def lambda_returns(
    rewards: th.Tensor, values: th.Tensor, gamma: float, td_lambda: float = 1.0
) -> th.Tensor:
    """Compute R_i = r_i + gamma ((1 - lambda) V_{i+1} + lambda R_{i+1}), R_H = V_H; with lambda = 1
    the objective of eq. 8.

    :param rewards: ``rewards[i]`` is paid for state and action i, shape (horizon, batch)
    :param values: of all states, the last one included, shape (horizon + 1, batch)
    :param gamma: discount
    :param td_lambda: 1 trusts the rollout, 0 the values
    :return: shape (horizon, batch)
    """
    following = values[-1]
    returns = []
    for reward, value in zip(rewards.flip(0), values[1:].flip(0), strict=True):
        following = reward + gamma * ((1.0 - td_lambda) * value + td_lambda * following)
        returns.append(following)
    return th.stack(returns[::-1])


def discount_weights(horizon: int, gamma: float, like: th.Tensor) -> th.Tensor:
    """Compute gamma^i, how much state i of a rollout counts, shape (horizon, 1)."""
    exponents = th.arange(horizon, dtype=like.dtype, device=like.device)
    return (gamma**exponents).unsqueeze(1)
