"""Feature extractors for SB3 policies."""

from __future__ import annotations

import torch as th
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_vdb.discriminators import BoundsNormalizer


class BoundsExtractor(BaseFeaturesExtractor):
    """Scales a bounded Box observation to [-1, 1], so that networks see mazes of any size alike.

    Use it with ``policy_kwargs=dict(features_extractor_class=BoundsExtractor)``; unlike
    ``VecNormalize`` it has nothing to learn, to save or to keep in step.

    :param observation_space: a Box with finite bounds
    :raises ValueError: a bound is not finite
    """

    def __init__(self, observation_space: spaces.Box) -> None:
        normalizer = BoundsNormalizer(observation_space)
        super().__init__(observation_space, normalizer.mean.numel())
        self.normalizer = normalizer

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Scaled and flattened observations, shape (batch, features)."""
        scaled: th.Tensor = self.normalizer(observations.flatten(start_dim=1))
        return scaled
