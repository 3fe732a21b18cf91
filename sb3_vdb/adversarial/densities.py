"""log pi(a|s) of an SB3 policy for actions as the environment executed them, the density AIRL
compares f with (eq. 13).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb.box_scaling import scaled_to_bounds
from sb3_vdb.transitions import Transitions

SQUASHED_EDGE = 1e-3  # of a range of [-1, 1]: nearer to a bound a squashed action counts as on it
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


def transition_log_prob(
    gen_algo: BaseAlgorithm, normalize: VecNormalize | None, transitions: Transitions
) -> th.Tensor:
    """Compute the log-density of the actions of transitions under a generator's present policy.

    :param gen_algo: the generator
    :param normalize: what normalises the policy's observations; None for nothing
    :param transitions: raw transitions with executed actions
    :return: shape (batch,)
    """
    observations: Any = transitions.observations
    if normalize is not None:
        observations = normalize.normalize_obs(observations)
    policy: Any = gen_algo.policy
    policy.set_training_mode(False)
    tensors = policy.obs_to_tensor(observations)[0]
    actions = th.as_tensor(np.asarray(transitions.actions), device=policy.device)
    return action_log_prob(policy, tensors, actions)


@th.no_grad()
def action_log_prob(policy: Any, observations: th.Tensor, actions: th.Tensor) -> th.Tensor:
    """Compute the log-density of executed actions.

    SB3 samples from an unbounded Gaussian and clips to the action space, so an executed action at a
    bound stands for the whole tail beyond it: its probability is the tail's mass, inside the bounds
    the density holds (a censored Gaussian). Expert and generator are measured by the same rule,
    whether or not the expert was clipped.

    :param policy: policy of an algorithm that ``check_has_density`` accepts
    :param observations: as the policy expects them, shape (batch, ...)
    :param actions: in the environment's units, shape (batch, ...)
    :return: shape (batch,)
    """
    if not isinstance(policy, ActorCriticPolicy):
        mean, log_std, kwargs = policy.actor.get_action_dist_params(observations)
        wrapper = policy.actor.action_dist.proba_distribution(mean, log_std, **kwargs)
    else:
        wrapper = policy.get_distribution(observations)
    space = policy.action_space
    if not isinstance(space, spaces.Box):
        binary = isinstance(space, spaces.MultiBinary)
        return wrapper.log_prob(actions.float() if binary else actions)
    normal: Any = wrapper.distribution
    actions = actions.reshape(normal.mean.shape)
    low, high = (
        th.as_tensor(bound.reshape(-1), device=actions.device).to(normal.mean.dtype)
        for bound in (space.low, space.high)
    )
    if policy.squash_output:
        scaled = scaled_to_bounds(actions, low, high)
        return squashed_log_prob(normal.mean, normal.stddev, scaled)
    return censored_log_prob(normal.mean, normal.stddev, actions, low, high)


def squashed_log_prob(mean: th.Tensor, std: th.Tensor, actions: th.Tensor) -> th.Tensor:
    """Compute the log-density of tanh(x) with x ~ N(mean, diag(std^2)), and the tail's mass within
    ``SQUASHED_EDGE`` of a bound, where the density would be infinite for an expert that sits on
    it and huge for a policy that comes near.

    :param mean: shape (batch, action_dim)
    :param std: shape (batch, action_dim)
    :param actions: in [-1, 1], shape (batch, action_dim)
    :return: shape (batch,)
    """
    edge = 1.0 - SQUASHED_EDGE
    inner = actions.clamp(-edge, edge)
    normal = th.distributions.Normal(mean, std)
    inside = normal.log_prob(th.atanh(inner)) - th.log1p(-inner.square())
    bound = math.atanh(edge)
    below, above = (th.special.log_ndtr((side * mean - bound) / std) for side in (-1.0, 1.0))
    per_dim = th.where(actions <= -edge, below, th.where(actions >= edge, above, inside))
    return per_dim.sum(dim=-1)


def censored_log_prob(
    mean: th.Tensor, std: th.Tensor, actions: th.Tensor, low: th.Tensor, high: th.Tensor
) -> th.Tensor:
    """Compute the log-density of clip(x, low, high) with x ~ N(mean, diag(std^2)): tail masses at
    the bounds, the density between.

    :param mean: shape (batch, action_dim)
    :param std: shape (batch, action_dim)
    :param actions: shape (batch, action_dim)
    :param low: shape (action_dim,)
    :param high: shape (action_dim,)
    :return: shape (batch,)
    """
    inside = th.distributions.Normal(mean, std).log_prob(actions)
    below = th.special.log_ndtr((low - mean) / std)
    above = th.special.log_ndtr((mean - high) / std)
    per_dim = th.where(actions <= low, below, th.where(actions >= high, above, inside))
    return per_dim.sum(dim=-1)
