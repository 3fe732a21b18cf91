"""From transitions as they are stored to flat float tensors: the one place where observations and
actions are encoded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import (
    get_flattened_obs_dim,
    is_image_space,
    preprocess_obs,
)

from sb3_vdb.transitions import Array, Transitions


class Batch(NamedTuple):
    """Encoded transitions on the discriminator's device.

    :param observations: shape (batch, observation_dim)
    :param actions: shape (batch, action_dim); zero columns wide where they are not used
    :param next_observations: shape (batch, observation_dim)
    :param terminated: 0 or 1, shape (batch,)
    :param log_probs: log-density of the actions under the policy, shape (batch,); zeros where it is
        not used
    """

    observations: th.Tensor
    actions: th.Tensor
    next_observations: th.Tensor
    terminated: th.Tensor
    log_probs: th.Tensor

    def rows(self, indices: th.Tensor) -> Batch:
        """The chosen rows."""
        return Batch(*(field[indices] for field in self))


class FeatureEncoder:
    """Encodes the transitions of one pair of spaces: Box flattened, discrete spaces one-hot,
    actions scaled to [-1, 1].

    :param observation_space: Box, Discrete, MultiDiscrete or MultiBinary
    :param action_space: likewise
    :raises ValueError: a space of another kind
    """

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
    ) -> None:
        for name, space in (("observation", observation_space), ("action", action_space)):
            if not isinstance(
                space, (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
            ):
                raise ValueError(
                    f"{name} space {space} cannot be flattened for a discriminator; it must be a "
                    "Box, Discrete, MultiDiscrete or MultiBinary space (for Dict and Tuple "
                    "observations: gymnasium.wrappers.FlattenObservation)"
                )
        if is_image_space(observation_space):
            raise ValueError(
                f"observation space {observation_space} is an image, and these discriminators are "
                "fully connected; use vector observations"
            )
        self.observation_space, self.action_space = observation_space, action_space
        self.observation_dim = get_flattened_obs_dim(observation_space)
        self.action_dim = get_flattened_obs_dim(action_space)

    def encode(self, transitions: Transitions, device: th.device, use_actions: bool) -> Batch:
        """Tensors of the transitions, with zero log-densities.

        :param transitions: raw transitions
        :param device: where the tensors go
        :param use_actions: whether the actions are needed
        """
        n = len(transitions.observations)
        actions = th.zeros((n, 0), device=device)
        if use_actions:
            assert transitions.actions is not None
            actions = self._flat(transitions.actions, self.action_space, device)
            if isinstance(self.action_space, spaces.Box):
                low, high = (
                    th.as_tensor(bound.reshape(-1), device=device).float()
                    for bound in (self.action_space.low, self.action_space.high)
                )
                if bool(th.isfinite(high - low).all()):
                    actions = 2.0 * (actions - low) / (high - low) - 1.0
        return Batch(
            self._flat(transitions.observations, self.observation_space, device),
            actions,
            self._flat(transitions.next_observations, self.observation_space, device),
            th.as_tensor(transitions.terminated, device=device).float(),
            th.zeros(n, device=device),
        )

    @staticmethod
    def _flat(values: Array, space: spaces.Space[Any], device: th.device) -> th.Tensor:
        # float64 data is rounded here, once, for expert and generator alike; rows lie in memory one
        # after the other, whatever the environment's layout, since sums round by it
        encoded = preprocess_obs(
            th.as_tensor(values, device=device).reshape(len(values), *(space.shape or ())), space
        )  # type: ignore[misc]
        assert isinstance(encoded, th.Tensor)
        return encoded.float().reshape(len(values), -1).contiguous()
