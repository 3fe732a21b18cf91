"""Rollouts of one part of Dict observations: pictures that a policy does not read cost nothing."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer


class PartRolloutBuffer(DictRolloutBuffer):
    """Keeps one part of the observations, in single precision as SB3 does.

    :param buffer_size: steps of each environment
    :param observation_space: a Dict
    :param action_space: of the environments
    :param key: name of the part
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        *args: Any,
        key: str,
        **kwargs: Any,
    ) -> None:
        part = spaces.Dict({key: observation_space[key]})
        super().__init__(buffer_size, part, action_space, *args, **kwargs)
