"""Feature extractors for SB3 policies."""

from __future__ import annotations

from collections.abc import Sequence

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_vdb.networks.normalizers import BoundsNormalizer, box_bounds


class BoundsExtractor(BaseFeaturesExtractor):
    """Scales a bounded Box observation to [-1, 1], so that networks see mazes of any size alike.

    Use it with ``policy_kwargs=dict(features_extractor_class=BoundsExtractor)``; unlike
    ``VecNormalize`` it has nothing to learn, to save or to keep in step.

    :param observation_space: a Box with finite bounds
    :raises ValueError: a bound is not finite
    """

    def __init__(self, observation_space: spaces.Box) -> None:
        normalizer = BoundsNormalizer(*box_bounds(observation_space))
        super().__init__(observation_space, normalizer.mean.numel())
        self.normalizer = normalizer

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Scaled and flattened observations, shape (batch, features)."""
        scaled: th.Tensor = self.normalizer(observations.flatten(start_dim=1))
        return scaled


class PartsExtractor(BaseFeaturesExtractor):
    """Reads chosen parts of a Dict observation, flattened side by side, and no others.

    A policy then sees something else than its discriminator:
    ``policy_kwargs=dict(features_extractor_class=PartsExtractor,
    features_extractor_kwargs=dict(keys=("state",)))`` with ``"MultiInputPolicy"``.

    :param observation_space: a Dict
    :param keys: names of the parts, at least one
    :raises ValueError: the space has no such part
    """

    def __init__(self, observation_space: spaces.Dict, keys: Sequence[str]) -> None:
        missing = [key for key in keys if key not in observation_space.spaces]
        if isinstance(keys, str) or missing or not keys:
            raise ValueError(
                f"`keys` must be a tuple of some of {', '.join(observation_space.spaces)}, got "
                f"{keys!r}"
            )
        dims = [get_flattened_obs_dim(observation_space[key]) for key in keys]
        super().__init__(observation_space, sum(dims))
        self.keys = tuple(keys)

    def forward(self, observations: dict[str, th.Tensor]) -> th.Tensor:
        """Join the chosen parts, shape (batch, features)."""
        return th.cat([observations[key].flatten(start_dim=1) for key in self.keys], dim=1)


class RunningNormExtractor(BaseFeaturesExtractor):
    """Centres and scales observations by running statistics, which are saved with the policy.

    It learns the statistics by itself in any SB3 algorithm: it collects what the algorithm trains
    on, with gradients, and takes it in when the policy leaves its training mode. So the statistics
    stay as they are during an update (the ratio of PPO's new to old policy is one at the first
    minibatch), and neither rollouts nor evaluations change them. Each sample of an update counts as
    often as it is trained on, once an epoch. Rows of zeros alone do not count: recurrent algorithms
    fill sequences up with them.

    :param observation_space: vectors: anything but a Dict or a Tuple
    :param std_floor: least standard deviation that is divided by, in the observation's units
    :param clip: bound of the scaled numbers
    :param n_samples: samples after which the statistics stay fixed; None for never
    :raises ValueError: an argument is out of range, or the space has parts
    """

    mean: th.Tensor
    variance: th.Tensor
    count: th.Tensor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        std_floor: float = 0.02,
        clip: float = 10.0,
        n_samples: int | None = None,
    ) -> None:
        if isinstance(observation_space, (spaces.Dict, spaces.Tuple)):
            raise ValueError(
                f"RunningNormExtractor takes one vector, got observations {observation_space}; "
                "flatten them with gymnasium.wrappers.FlattenObservation"
            )
        self.std_floor = positive_number("std_floor", std_floor)
        self.clip = positive_number("clip", clip)
        self.n_samples = None if n_samples is None else positive_int("n_samples", n_samples)
        size = get_flattened_obs_dim(observation_space)
        super().__init__(observation_space, size)
        self.learns_by_itself = True  # False where an algorithm calls `update`
        self._seen = Moments.nothing(size)
        self.register_buffer("mean", th.zeros(size))
        self.register_buffer("variance", th.ones(size))
        self.register_buffer("count", th.zeros((), dtype=th.float64))
