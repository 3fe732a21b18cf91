"""Rollouts of the policy inside the forward model, and the states where they start."""

from __future__ import annotations

from typing import NamedTuple

import torch as th

from sb3_vdb.vmail.actor_critic import Actor
from sb3_vdb.vmail.rssm import RSSM, State


class Imagined(NamedTuple):
    """Rollouts of the policy inside the forward model.

    :param states: shape (horizon + 1, batch, ...)
    :param actions: ``actions[i]`` is taken in ``states[i]``, shape (horizon, batch, action_dim)
    """

    states: State
    actions: th.Tensor

    def pairs(self) -> th.Tensor:
        """Return features and actions side by side, what the discriminator sees, shape (horizon,
        batch, feat_dim + action_dim).
        """
        return th.cat([self.states.feat[:-1], self.actions], dim=-1)


def imagine(actor: Actor, rssm: RSSM, start: State, horizon: int) -> Imagined:
    """Roll the policy out in the forward model (Algorithm 1, line 17). Gradients flow through the
    model and the actions; the actor sees features without their gradients.

    :param actor: policy of latent states
    :param rssm: forward model
    :param start: where the rollouts start, shape (batch, ...)
    :param horizon: number of steps, H
    """
    states, actions = rssm.imagine(lambda feat: actor(feat.detach()).sample(), start, horizon)
    return Imagined(states, actions)


def starting_states(states: State, burn_in: int, n_imagined: int | None) -> State:
    """Choose where imagination starts: in every belief state of the batch after the burn-in but the
    last of each sequence, or in some of them, without their gradients.

    :param states: belief states, shape (time, batch, ...)
    :param burn_in: first states of each sequence that are left out
    :param n_imagined: number of rollouts; None for one from every state
    :return: states of shape (n_rollouts, ...)
    """
    start = states.map(lambda part: part[burn_in:-1].detach().flatten(0, 1))
    if n_imagined is None or n_imagined >= len(start.stoch):
        return start
    chosen = random_indices(n_imagined, len(start.stoch), start.stoch.device)
    return start.map(lambda part: part[chosen])


def random_indices(n: int, of: int, device: th.device) -> th.Tensor:
    """Choose ``n`` different indices below ``of``; not by randperm, which a CUDA graph cannot
    hold.
    """
    return th.rand(of, device=device).argsort()[:n]
