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
    """Centres and scales a Box observation by running statistics, which are saved with the policy.

    The statistics change only in :meth:`update`, which the algorithm calls between rollouts.

    :param observation_space: a Box
    :param std_floor: least standard deviation that is divided by, in the observation's units
    :param clip: bound of the scaled numbers
    :param n_samples: samples after which the statistics stay fixed
    """

    mean: th.Tensor
    variance: th.Tensor
    count: th.Tensor

    def __init__(
        self,
        observation_space: spaces.Box,
        std_floor: float = 0.02,
        clip: float = 10.0,
        n_samples: int = 1_000_000,
    ) -> None:
        size = spaces.flatdim(observation_space)
        super().__init__(observation_space, size)
        self.std_floor, self.clip, self.n_samples = std_floor, clip, n_samples
        self.register_buffer("mean", th.zeros(size))
        self.register_buffer("variance", th.ones(size))
        self.register_buffer("count", th.zeros((), dtype=th.float64))

    def update(self, observations: th.Tensor) -> None:
        """Take more samples into the statistics, until there are ``n_samples``.

        :param observations: shape (batch, features)
        """
        if self.count >= self.n_samples:
            return
        n = len(observations)
        total = self.count + n
        share = (n / total).to(self.mean.dtype)
        variance, mean = th.var_mean(observations, dim=0, unbiased=False)
        shift = mean - self.mean
        self.variance.lerp_(variance, share).add_(share * (1 - share) * shift**2)
        self.mean.add_(share * shift)
        self.count.copy_(total)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Normalised observations, shape (batch, features)."""
        std = self.variance.sqrt().clamp(min=self.std_floor)
        scaled = (observations.flatten(start_dim=1) - self.mean) / std
        return scaled.clamp(-self.clip, self.clip)
