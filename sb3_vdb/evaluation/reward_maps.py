"""A state-only reward over a plane of states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb.arguments import positive_int
from sb3_vdb.box_scaling import fixed_entries, has_finite_range
from sb3_vdb.recovered_reward import RecoveredReward


class RewardMap(NamedTuple):
    """Rewards over a grid.

    :param x: shape (n_x,)
    :param y: shape (n_y,)
    :param rewards: shape (n_y, n_x)
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    rewards: npt.NDArray[np.float32]


def reward_map(
    reward: RecoveredReward,
    space: spaces.Box,
    resolution: int = 120,
    action: npt.NDArray[np.float32] | None = None,
) -> RewardMap:
    """Compute the rewards of all states of a two-dimensional observation space.

    :param reward: a reward of states, or of states and actions
    :param space: a Box of shape (2,) with finite bounds
    :param action: the action at which a reward that looks at actions is computed
    :param resolution: grid points along the longer side
    :raises ValueError: the space has another shape or no bounds, or the resolution is no number
    """
    n_points = positive_int("resolution", resolution)
    if space.shape != (2,):
        raise ValueError(f"a reward map needs observations of shape (2,), got {space.shape}")
    if not has_finite_range(space) or len(fixed_entries(space)) == 2:
        raise ValueError(
            f"a reward map needs bounds, {space} has none; give the part of it that is shown: "
            "gymnasium.spaces.Box(low, high)"
        )
    spacing = float((space.high - space.low).max()) / n_points
    axes = [
        np.linspace(low, high, max(2, round((high - low) / spacing)))
        for low, high in zip(space.low.astype(float), space.high.astype(float), strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes), axis=-1)  # (n_y, n_x, 2)
    rewards = reward.of_states(grid.reshape(-1, 2).astype(np.float32), action)
    return RewardMap(axes[0], axes[1], rewards.reshape(grid.shape[:2]))
