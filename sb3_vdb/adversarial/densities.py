"""log pi(a|s) of an SB3 policy for actions as the environment executed them, the density AIRL
compares f with (eq. 13).
"""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy

SUPPORTED = "PPO, A2C, TRPO (and others with an ActorCriticPolicy), SAC, TQC"


def check_has_density(gen_algo: BaseAlgorithm) -> None:
    """Refuse a generator whose policy has no density.

    :raises ValueError: naming the policy and what is supported
    """
    policy: Any = gen_algo.policy
    recurrent = hasattr(policy, "lstm_actor")
    if not recurrent and (isinstance(policy, ActorCriticPolicy) or _has_stochastic_actor(policy)):
        return
    raise ValueError(
        f"`gen_algo` is {type(gen_algo).__name__} with a {type(policy).__name__}, which gives no "
        f"density log pi(a|s) of a single observation; AIRL and VAIRL work with {SUPPORTED}; "
        "GAIL and VAIL need no density"
    )


def _has_stochastic_actor(policy: Any) -> bool:
    return hasattr(getattr(policy, "actor", None), "get_action_dist_params")


@th.no_grad()
def action_log_prob(policy: Any, observations: th.Tensor, actions: th.Tensor) -> th.Tensor:
    """Log-density of executed actions.

    SB3 samples from an unbounded Gaussian and clips to the action space, so an executed action at a
    bound stands for the whole tail beyond it: its probability is the tail's mass, inside the bounds
    the density holds (a censored Gaussian). Expert and generator are measured by the same rule,
    whether or not the expert was clipped.

    :param policy: policy of an algorithm that :func:`check_has_density` accepts
    :param observations: as the policy expects them, shape (batch, ...)
    :param actions: in the environment's units, shape (batch, ...)
    :return: shape (batch,)
    """
    if not isinstance(policy, ActorCriticPolicy):
        mean, log_std, kwargs = policy.actor.get_action_dist_params(observations)
        distribution = policy.actor.action_dist.proba_distribution(mean, log_std, **kwargs)
        return distribution.log_prob(_scaled(policy, actions))  # type: ignore[no-any-return]
    wrapper = policy.get_distribution(observations)
    if not isinstance(policy.action_space, spaces.Box):
        return wrapper.log_prob(actions)
    if policy.squash_output:
        return wrapper.log_prob(_scaled(policy, actions))
    normal: Any = wrapper.distribution
    return censored_log_prob(
        normal.mean, normal.stddev, actions.reshape(normal.mean.shape), policy.action_space
    )


def censored_log_prob(
    mean: th.Tensor, std: th.Tensor, actions: th.Tensor, space: spaces.Box
) -> th.Tensor:
    """Log-density of clip(x, low, high) with x ~ N(mean, diag(std^2)): tail masses at the bounds,
    the density between.

    :param mean: shape (batch, action_dim)
    :param std: shape (batch, action_dim)
    :param actions: shape (batch, action_dim)
    :param space: the bounds
    :return: shape (batch,)
    """
    low, high = (
        th.as_tensor(bound.reshape(-1), device=mean.device).to(mean.dtype)
        for bound in (space.low, space.high)
    )
    inside = th.distributions.Normal(mean, std).log_prob(actions)
    below, above = th.special.log_ndtr((low - mean) / std), th.special.log_ndtr((mean - high) / std)
    per_dim = th.where(
        actions <= low, below, th.where(actions >= high, above, inside)
    )  # (batch, action_dim)
    return per_dim.sum(dim=-1)


def _scaled(policy: Any, actions: th.Tensor) -> th.Tensor:
    """Actions of the environment's range in [-1, 1], where squashed policies have their density."""
    low, high = (
        th.as_tensor(bound, device=actions.device)
        for bound in (policy.action_space.low, policy.action_space.high)
    )
    return 2.0 * (actions - low) / (high - low) - 1.0
