"""The recurrent state-space model: deterministic and stochastic part of the latent state, its prior
(forward model) and its posterior (belief).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch as th
from torch import nn
from torch.nn import functional

from sb3_vdb.vmail.latents import Latent


class State(NamedTuple):
    """Latent state z of the paper.

    :param stoch: stochastic part, shape (..., stoch_dim)
    :param deter: deterministic part, shape (..., deter_dim)
    """

    stoch: th.Tensor
    deter: th.Tensor

    @property
    def feat(self) -> th.Tensor:
        """Return both parts side by side, what every head sees, shape (..., feat_dim)."""
        return th.cat(self, dim=-1)

    def map(self, function: Callable[[th.Tensor], th.Tensor]) -> State:
        """Apply a function to both parts."""
        return State(function(self.stoch), function(self.deter))


class Belief(NamedTuple):
    """Posterior states along sequences, and the statistics of both distributions.

    :param state: posterior samples
    :param posterior: statistics of q(z_t | x_t, z_{t-1}, a_{t-1}), shape (..., n_statistics)
    :param prior: statistics of the forward model (z_t | z_{t-1}, a_{t-1}), shape (...,
        n_statistics)
    """

    state: State
    posterior: th.Tensor
    prior: th.Tensor

    def map(self, function: Callable[[th.Tensor], th.Tensor]) -> Belief:
        """Apply a function to every tensor."""
        return Belief(self.state.map(function), function(self.posterior), function(self.prior))


class RSSM(nn.Module):
    """Models latent dynamics with a GRU (Dreamer's, which the paper builds on).

    Layers that take two inputs are kept as two matrices whose products are added: along a sequence
    the products with actions and embedded observations are taken for all time steps at once.

    :param embed_dim: width of an embedded observation
    :param action_dim: number of action dimensions
    :param latent: distribution of ``stoch``
    :param deter_dim: width of ``deter``
    :param hidden_dim: width of the layers between
    """

    def __init__(
        self, embed_dim: int, action_dim: int, latent: Latent, deter_dim: int, hidden_dim: int
    ) -> None:
        super().__init__()
        self.latent, self.deter_dim = latent, deter_dim
        self.feat_dim = latent.dim + deter_dim
        self.stoch_in = nn.Linear(latent.dim, hidden_dim)
        self.action_in = nn.Linear(action_dim, hidden_dim, bias=False)
        self.cell = nn.GRUCell(hidden_dim, deter_dim)
        self.prior = nn.Sequential(
            nn.Linear(deter_dim, hidden_dim), nn.ELU(), nn.Linear(hidden_dim, latent.n_statistics)
        )
        self.deter_in = nn.Linear(deter_dim, hidden_dim)
        self.embed_in = nn.Linear(embed_dim, hidden_dim, bias=False)
        self.posterior_out = nn.Linear(hidden_dim, latent.n_statistics)

    def initial(self, batch_size: int) -> State:
        """Return the state before the first observation: zeros."""
        zeros = self.stoch_in.weight.new_zeros
        return State(zeros(batch_size, self.latent.dim), zeros(batch_size, self.deter_dim))

    def state_of(self, feat: th.Tensor) -> State:
        """Return the state of features, shape (..., feat_dim)."""
        return State(*feat.split([self.latent.dim, self.deter_dim], dim=-1))

    def _next_deter(self, state: State, action_term: th.Tensor) -> th.Tensor:
        """Compute the deterministic part after an action, whose product ``action_in(action)`` is
        given.
        """
        return self.cell(functional.elu(self.stoch_in(state.stoch) + action_term), state.deter)

    def _posterior(self, deter: th.Tensor, embed_term: th.Tensor) -> th.Tensor:
        """Compute the posterior's statistics from ``deter`` and the product ``embed_in(embed)``."""
        return self.posterior_out(functional.elu(self.deter_in(deter) + embed_term))

    def img_step(self, state: State, action: th.Tensor, sample: bool = True) -> State:
        """Imagine one step: z_t ~ T(z_t | z_{t-1}, a_{t-1}).

        :param state: shape (batch, ...)
        :param action: shape (batch, action_dim), in [-1, 1]
        :param sample: sample ``stoch``, or take its mode
        """
        deter = self._next_deter(state, self.action_in(action))
        choose = self.latent.sample if sample else self.latent.mode
        return State(choose(self.prior(deter)), deter)

    def obs_step(
        self, state: State, action: th.Tensor, embed: th.Tensor, sample: bool = True
    ) -> Belief:
        """Filter one observation: z_t ~ q(z_t | x_t, z_{t-1}, a_{t-1}).

        :param state: state before the action, shape (batch, ...)
        :param action: action that led to the observation, shape (batch, action_dim)
        :param embed: embedded observation, shape (batch, embed_dim)
        :param sample: sample ``stoch``, or take its mode
        """
        deter = self._next_deter(state, self.action_in(action))
        posterior = self._posterior(deter, self.embed_in(embed))
        choose = self.latent.sample if sample else self.latent.mode
        return Belief(State(choose(posterior), deter), posterior, self.prior(deter))

    def observe(
        self,
        embed: th.Tensor,
        actions: th.Tensor,
        state: State | None = None,
        sample: bool = True,
    ) -> Belief:
        """Filter sequences, the same as :meth:`obs_step` step by step.

        :param embed: embedded observations, shape (time, batch, embed_dim)
        :param actions: ``actions[t]`` led to observation t, shape (time, batch, action_dim)
        :param state: state before the first action; zeros by default
        :param sample: sample ``stoch``, or take its mode
        :return: beliefs, shape (time, batch, ...)
        """
        action_terms, embed_terms = self.action_in(actions), self.embed_in(embed)
        choose = self.latent.sample if sample else self.latent.mode
        state = self.initial(actions.shape[1]) if state is None else state
        stochs, deters, posteriors = [], [], []
        for action_term, embed_term in zip(action_terms, embed_terms, strict=True):
            deter = self._next_deter(state, action_term)
            posteriors.append(self._posterior(deter, embed_term))
            state = State(choose(posteriors[-1]), deter)
            stochs.append(state.stoch)
            deters.append(deter)
        states = State(th.stack(stochs), th.stack(deters))  # (time, batch, ...)
        return Belief(states, th.stack(posteriors), self.prior(states.deter))

    def imagine(
        self, policy: Callable[[th.Tensor], th.Tensor], state: State, horizon: int
    ) -> tuple[State, th.Tensor]:
        """Roll a policy out inside the forward model; gradients flow through all of it.

        :param policy: actions of shape (batch, action_dim) from features of shape (batch, feat_dim)
        :param state: where the rollouts start, shape (batch, ...)
        :param horizon: number of steps
        :return: states of shape (horizon + 1, batch, ...), the first one given, and actions of
            shape (horizon, batch, action_dim): ``actions[i]`` is taken in ``states[i]``
        """
        states, actions = [state], []
        for _ in range(horizon):
            actions.append(policy(states[-1].feat))
            states.append(self.img_step(states[-1], actions[-1]))
        stoch, deter = (th.stack(parts) for parts in zip(*states, strict=True))
        return State(stoch, deter), th.stack(actions)

    def open_loop(self, state: State, actions: th.Tensor, sample: bool = True) -> State:
        """Run the forward model alone under given actions.

        :param state: where it starts, shape (batch, ...)
        :param actions: shape (time, batch, action_dim)
        :param sample: sample ``stoch``, or take its mode
        :return: states after each action, shape (time, batch, ...)
        """
        states = []
        for action in actions:
            state = self.img_step(state, action, sample)
            states.append(state)
        stoch, deter = (th.stack(parts) for parts in zip(*states, strict=True))
        return State(stoch, deter)
