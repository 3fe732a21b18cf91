"""Reward nets of `imitation` in this package: as a trunk, and as a reward that is paid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces

from sb3_vdb.transitions import Transitions

try:
    from imitation.rewards.reward_nets import BasicRewardNet, RewardNet
except ImportError as error:
    raise ImportError('this needs imitation: pip install "sb3-vdb[imitation]"') from error


def reward_of(net: RewardNet) -> Callable[[Transitions], npt.NDArray[np.float32]]:
    """Give the reward that a net of `imitation` pays, for :class:`~sb3_vdb.RewardVecEnv`.

    :param net: it is not copied; its normalisers stay as they are
    """

    def reward(transitions: Transitions) -> npt.NDArray[np.float32]:
        if transitions.actions is None:
            raise ValueError("a reward net of imitation takes actions, the transitions have none")
        rewards = net.predict_processed(
            np.asarray(transitions.observations),
            np.asarray(transitions.actions),
            np.asarray(transitions.next_observations),
            np.asarray(transitions.terminated),
            update_stats=False,
        )
        return np.asarray(rewards, dtype=np.float32)

    return reward


class RewardNetTrunk(th.nn.Module):
    """A reward net of `imitation` as the trunk of any discriminator, with and without a bottleneck:
    its output is the one feature.

    It sees what the view sees of (s, a, s') as one vector, in the place of the state.

    :param input_shape: ``(n,)`` for vectors of n entries
    :param reward_net_class: ``reward_net_class(observation_space, action_space, **kwargs)``
    :param reward_net_kwargs: its keyword arguments beside the spaces
    :raises ValueError: pictures are seen
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        reward_net_class: type[RewardNet] = BasicRewardNet,
        reward_net_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if len(input_shape) != 1:
            raise ValueError(
                f"RewardNetTrunk takes vectors, the input has shape {input_shape}; for pictures "
                "use trunk_class=ConvTrunk"
            )
        seen = spaces.Box(-np.inf, np.inf, input_shape, np.float32)
        nothing = spaces.Box(-1.0, 1.0, (1,), np.float32)
        chosen = {"use_action": False, **(reward_net_kwargs or {})}
        self.net = reward_net_class(seen, nothing, **chosen)
        self.features_dim = 1

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Compute the feature, shape (batch, 1)."""
        zeros = inputs.new_zeros(len(inputs))
        return self.net(inputs, inputs[:, :1], inputs, zeros)[:, None]
