"""Figures of an update."""

from __future__ import annotations

from typing import NamedTuple

import torch as th


class UpdateMetrics(NamedTuple):
    """Figures of one update; scalars, detached."""

    model_loss: th.Tensor
    reconstruction: th.Tensor
    belief_kl: th.Tensor
    discriminator_loss: th.Tensor
    loss_expert: th.Tensor
    loss_generator: th.Tensor
    loss_bottleneck: th.Tensor
    gradient_penalty: th.Tensor
    accuracy_expert: th.Tensor
    accuracy_generator: th.Tensor
    code_kl: th.Tensor
    actor_loss: th.Tensor
    reward: th.Tensor
    policy_return: th.Tensor
    action_std: th.Tensor
    entropy: th.Tensor
    cloning_loss: th.Tensor
    value_loss: th.Tensor
    value: th.Tensor


class PolicyFigures(NamedTuple):
    """Figures of actor and value; scalars.

    :param reward: mean reward
    :param policy_return: mean return of the first states
    :param action_std: mean deviation of the actions before tanh
    :param entropy: entropy of the policy in nats
    :param cloning_loss: mean squared difference from the expert's actions
    :param value: mean value
    """

    reward: th.Tensor
    policy_return: th.Tensor
    action_std: th.Tensor
    entropy: th.Tensor
    cloning_loss: th.Tensor
    value: th.Tensor
