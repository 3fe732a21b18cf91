"""Feature extractors for SB3 policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    NatureCNN,
)

from sb3_vdb.arguments import positive_int, positive_number
from sb3_vdb.networks.normalizers import BoundsNormalizer, box_bounds
from sb3_vdb.networks.random_shifts import RandomShift

# SB3 copies what is called `running_` to the target networks of SAC and its kin
MEAN, VARIANCE, COUNT = "running_mean", "running_var", "running_count"


class BoundsExtractor(BaseFeaturesExtractor):
    """Scales a bounded Box observation to [-1, 1], so that networks see mazes of any size alike.

    Use it with ``policy_kwargs=dict(features_extractor_class=BoundsExtractor)``; unlike
    ``VecNormalize`` it has nothing to learn, to save or to keep in step.

    :param observation_space: a Box with finite bounds
    :raises ValueError: a bound is not finite
    """

    def __init__(self, observation_space: spaces.Box) -> None:
        if not isinstance(observation_space, spaces.Box):
            raise ValueError(
                f"BoundsExtractor takes observations of one Box, got {observation_space}; flatten "
                "them with gymnasium.wrappers.FlattenObservation"
            )
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
        if not isinstance(observation_space, spaces.Dict):
            raise ValueError(
                f"PartsExtractor takes a Dict of observations, got {observation_space}"
            )
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


class ShiftedCNN(NatureCNN):
    """SB3's convolutional extractor on pictures that are shifted at random while the policy learns
    (DrQ, Kostrikov et al. 2021), and left as they are while it acts.

    ``SAC("CnnPolicy", env, policy_kwargs=dict(features_extractor_class=ShiftedCNN))``

    *Differences from DrQ*: one shift of a picture an update (K = 1, M = 1); the target networks of
    SB3's algorithms see pictures as they are.

    :param observation_space: pictures, channels first
    :param features_dim: width of its output
    :param shift: most pixels of a shift
    :param normalized_image: as for SB3's ``NatureCNN``
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        features_dim: int = 512,
        shift: int = 4,
        normalized_image: bool = False,
    ) -> None:
        pictures: Any = observation_space
        super().__init__(pictures, features_dim, normalized_image)
        self.shift = RandomShift(shift)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Compute features, shape (batch, features_dim)."""
        return super().forward(self.shift(observations))


class ShiftedCombinedExtractor(CombinedExtractor):
    """:class:`ShiftedCNN` for the pictures of a Dict observation; the other parts are flattened.

    :param observation_space: a Dict
    :param cnn_output_dim: width of the output for a picture
    :param shift: most pixels of a shift
    :param normalized_image: as for SB3's ``CombinedExtractor``
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        cnn_output_dim: int = 256,
        shift: int = 4,
        normalized_image: bool = False,
    ) -> None:
        super().__init__(observation_space, cnn_output_dim, normalized_image)
        self.shift = RandomShift(shift)

    def forward(self, observations: dict[str, th.Tensor]) -> th.Tensor:
        """Join the features of all parts, shape (batch, features)."""
        shifted = {
            name: self.shift(part) if isinstance(self.extractors[name], NatureCNN) else part
            for name, part in observations.items()
        }
        return super().forward(shifted)


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
    :param key: the part of a Dict observation that is read, the only one; None where the space is
        no Dict
    :raises ValueError: an argument is out of range, or the space has parts and none is named
    """

    running_mean: th.Tensor
    running_var: th.Tensor
    running_count: th.Tensor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        std_floor: float = 0.02,
        clip: float = 10.0,
        n_samples: int | None = None,
        key: str | None = None,
    ) -> None:
        part = observation_space
        if isinstance(observation_space, spaces.Dict) and key in observation_space.spaces:
            part = observation_space[str(key)]
        if isinstance(part, (spaces.Dict, spaces.Tuple)) or (key is not None) == (
            part is observation_space
        ):
            raise ValueError(
                f"RunningNormExtractor takes one vector, got observations {observation_space} and "
                f"`key` {key!r}; name a part of a Dict with `key`, or flatten them with "
                "gymnasium.wrappers.FlattenObservation"
            )
        self.std_floor = positive_number("std_floor", std_floor)
        self.clip = positive_number("clip", clip)
        self.n_samples = None if n_samples is None else positive_int("n_samples", n_samples)
        size = get_flattened_obs_dim(part)
        super().__init__(observation_space, size)
        self.key = key
        self.learns_by_itself = True  # False where an algorithm calls `update`
        self._collected: list[tuple[int, th.Tensor, th.Tensor]] = []
        self.register_buffer(MEAN, th.zeros(size))
        self.register_buffer(VARIANCE, th.ones(size))
        self.register_buffer(COUNT, th.zeros((), dtype=th.float64))
        self.register_state_dict_pre_hook(_take_in_before_saving)  # type: ignore[no-untyped-call]

    def _flat(self, observations: Any) -> th.Tensor:
        """Give the part that is read as rows."""
        part: th.Tensor = observations if self.key is None else observations[self.key]
        return part.flatten(start_dim=1)

    def update(self, observations: th.Tensor | dict[str, th.Tensor]) -> None:
        """Take more samples into the statistics, until there are ``n_samples``.

        :param observations: shape (batch, ...), or one such tensor a part
        """
        flat = self._flat(observations).to(self.running_mean.dtype)
        variance, mean = th.var_mean(flat, dim=0, unbiased=False)
        self._take(len(flat), mean, variance)

    def _take(self, n: int, mean: th.Tensor, variance: th.Tensor) -> None:
        """Take n samples into the statistics, of which these are the moments."""
        if self.n_samples is not None and self.running_count >= self.n_samples:
            return
        total = self.running_count + n
        share = (n / total).to(mean.dtype)
        shift = mean - self.running_mean
        self.running_var.lerp_(variance, share).add_(share * (1 - share) * shift**2)
        self.running_mean.add_(share * shift)
        self.running_count.copy_(total)

    def train(self, mode: bool = True) -> RunningNormExtractor:
        """Enter or leave the training mode; leaving it takes in what was collected."""
        if not mode:
            self.take_in_collected()
        return super().train(mode)

    def take_in_collected(self) -> None:
        """Take in the samples that were trained on since the last time."""
        for moments in self._collected:
            self._take(*moments)
        self._collected = []

    def forward(self, observations: th.Tensor | dict[str, th.Tensor]) -> th.Tensor:
        """Normalised observations, shape (batch, features)."""
        flat = self._flat(observations)
        if self.training and self.learns_by_itself and th.is_grad_enabled():
            self._collect(flat.detach())
        std = self.running_var.sqrt().clamp(min=self.std_floor)
        scaled = (flat - self.running_mean) / std
        return scaled.clamp(-self.clip, self.clip)

    @th.no_grad()
    def _collect(self, flat: th.Tensor) -> None:
        """Keep the moments of a batch, but for rows of zeros alone."""
        rows = flat[flat.ne(0.0).any(dim=1)]
        if len(rows):
            variance, mean = th.var_mean(rows, dim=0, unbiased=False)
            self._collected.append((len(rows), mean, variance))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Read statistics also under the names that shipped policies have them by."""
        for old, new in (("mean", MEAN), ("variance", VARIANCE), ("count", COUNT)):
            if prefix + old in state_dict:
                state_dict[prefix + new] = state_dict.pop(prefix + old)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _take_in_before_saving(module: RunningNormExtractor, *_: Any) -> None:
    """Let a saved policy act as the present one will."""
    module.take_in_collected()
