"""What a discriminator sees of a transition: the view of observations, and of which moments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim

from sb3_vdb.box_scaling import has_finite_range, scaled_to_bounds
from sb3_vdb.transitions import Transitions
from sb3_vdb.views.observations import (
    ObservationView,
    Space,
    check_flat,
    default_view,
    flatten,
)
from sb3_vdb.views.seen import EncodedTransitions, Inputs, Seen

Moment = Literal["observations", "actions", "next_observations"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)


@dataclass(frozen=True)
class View:
    """What of (s, a, s') is seen.

    :param observation: of each observation; None for all of it
    :param sees: which moments: ``("observations",)`` for (s), ``("next_observations",)`` for (s'),
        ``("observations", "next_observations")`` for (s, s'), and so on
    :raises ValueError: a moment is unknown, or there is none
    """

    observation: ObservationView | None = None
    sees: tuple[Moment, ...] = ("observations", "actions")

    def __post_init__(self) -> None:
        if isinstance(self.sees, str) or not self.sees or set(self.sees) - set(MOMENTS):
            raise ValueError(
                f"`sees` must be a tuple of some of {', '.join(MOMENTS)}, got {self.sees!r}"
            )
        if self.observation is not None and not isinstance(self.observation, ObservationView):
            raise ValueError(
                "`observation` must be a view of observations such as sb3_vdb.views.Vector(), got "
                f"{self.observation!r}"
            )
        # in the order of time, whatever the order they are named in
        object.__setattr__(self, "sees", tuple(each for each in MOMENTS if each in self.sees))

    def of(self, space: Space) -> View:
        """Give the same view with its view of observations filled in.

        :raises ValueError: the space has parts, and the view does not choose among them
        """
        if self.observation is not None:
            return self
        return replace(self, observation=default_view(space))

    def inputs(self, observations: Inputs, actions: th.Tensor, next_observations: Inputs) -> Inputs:
        """Join what is seen into the input of one network; a subclass may compute something else of
        it, row by row.

        :param observations: normalised, shape (batch, ...)
        :param actions: scaled to [-1, 1] or one-hot, shape (batch, action_dim)
        :param next_observations: normalised, shape (batch, ...)
        """
        seen = {
            "observations": observations,
            "actions": Inputs(actions),
            "next_observations": next_observations,
        }
        return Inputs.side_by_side([seen[moment] for moment in self.sees])


class TransitionEncoder:
    """Turns transitions of one pair of spaces into tensors: the one place where observations and
    actions are encoded.

    :param view: what is seen; observations are filled in (``View.of``)
    :param observation_space: of the environment
    :param action_space: of the environment
    :param needs: which observations are encoded; actions are where the view sees them
    :raises ValueError: a space cannot be seen so
    """

    def __init__(
        self,
        view: View,
        observation_space: Space,
        action_space: Space,
        needs: frozenset[str] = frozenset(MOMENTS),
    ) -> None:
        self.view, self.needs = view.of(observation_space), needs
        self.observation_space, self.action_space = observation_space, action_space
        assert self.view.observation is not None
        self._observation_view = self.view.observation
        self.probe = self._observation_view.probe(observation_space)
        check_flat(action_space, "action")
        self.action_dim = get_flattened_obs_dim(action_space) if "actions" in view.sees else 0

    @property
    def keys(self) -> tuple[str, ...] | None:
        """Parts of a Dict observation that are looked at; None where there are no parts."""
        return self._observation_view.keys(self.observation_space)

    def encode(self, transitions: Transitions, device: th.device) -> EncodedTransitions:
        """Encode transitions, with zero log-densities.

        :param transitions: raw transitions
        :param device: where the tensors go
        """
        n = transitions.n_steps
        return EncodedTransitions(
            self._seen(transitions.observations, "observations", n, device),
            self._actions(transitions, device),
            self._seen(transitions.next_observations, "next_observations", n, device),
            th.as_tensor(transitions.terminated, device=device).float(),
            th.zeros(n, device=device),
        )

    def _seen(self, observations: object, moment: Moment, n: int, device: th.device) -> Seen:
        if moment not in self.needs:
            return Seen.nothing(n, device)
        return self._observation_view.encode(observations, self.observation_space, device)

    def _actions(self, transitions: Transitions, device: th.device) -> th.Tensor:
        """Encode actions flat, those of a bounded Box scaled to [-1, 1]."""
        if "actions" not in self.view.sees:
            return th.zeros((transitions.n_steps, 0), device=device)
        if transitions.actions is None:
            raise ValueError(
                "the transitions have no actions, which the view sees; give some with actions, or "
                'let the view see observations alone: View(sees=("observations",))'
            )
        actions = flatten(transitions.actions, self.action_space, device)
        if has_finite_range(self.action_space):
            assert isinstance(self.action_space, spaces.Box)
            low, high = (
                th.as_tensor(bound.reshape(-1), device=device).float()
                for bound in (self.action_space.low, self.action_space.high)
            )
            actions = scaled_to_bounds(actions, low, high)
        return actions
