"""Keeping the scale of a learned reward while the network behind it grows."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch as th

Scaling = Literal["none", "std", "mean_std"]
SCALINGS: tuple[Scaling, ...] = ("none", "std", "mean_std")
SMALLEST_SCALE = 1e-8


class RewardScaling:
    """Pays (r - shift) / scale, with the statistics of the last round.

    :param kind: ``"none"``; ``"std"``, where the scale is the standard deviation; or
        ``"mean_std"``, where the shift is the mean as well
    """

    def __init__(self, kind: Scaling) -> None:
        self.kind = kind
        self.shift, self.scale = 0.0, 1.0

    def update(self, rewards: th.Tensor, episodes_can_end: bool) -> None:
        """Take the statistics of a round.

        :param rewards: shape (batch,)
        :param episodes_can_end: whether an episode ended by itself, so that a shift is no matter of
            taste
        """
        if self.kind == "mean_std" and episodes_can_end:
            warnings.warn(
                '`reward_scaling="mean_std"` shifts the reward, and episodes of this task can end '
                'early: the shift decides whether they should; use "std"',
                stacklevel=2,
            )
        self.shift = float(rewards.mean()) if self.kind == "mean_std" else 0.0
        self.scale = 1.0 if self.kind == "none" else max(float(rewards.std()), SMALLEST_SCALE)

    def __call__(self, rewards: th.Tensor) -> npt.NDArray[np.float32]:
        """Scale rewards; the shape stays the same."""
        return ((rewards - self.shift) / self.scale).cpu().numpy()
