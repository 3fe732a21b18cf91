"""Bounded spaces on one scale: what lies between two bounds, from -1 to 1."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces

Values = TypeVar("Values", npt.NDArray[Any], th.Tensor)


def scaled_to_bounds(values: Values, low: Values, high: Values) -> Values:
    """Scale what lies between two bounds to [-1, 1]; an entry of one possible value (``low`` equal
    to ``high``) becomes 0.

    :param values: shape (batch, ...)
    :param low: finite, shape (...)
    :param high: finite, shape (...)
    :return: shape (batch, ...)
    """
    span = high - low
    fixed = span <= 0
    scaled: Any = 2.0 * (values - low) / (span + fixed) - 1.0
    chosen: Any = th if isinstance(values, th.Tensor) else np
    result: Values = chosen.where(fixed, chosen.zeros_like(scaled), scaled)
    return result


def has_finite_range(space: spaces.Space[Any]) -> bool:
    """Say whether a space is a Box with bounds whose difference is a number, too, in single
    precision: the largest floats are no bounds.
    """
    if not isinstance(space, spaces.Box):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        span = space.high.astype(np.float32) - space.low.astype(np.float32)
    return bool(np.isfinite(span).all())


def check_bounded_actions(space: spaces.Space[Any], learner: str) -> None:
    """Refuse actions that cannot be scaled to [-1, 1] and back.

    :param space: the environment's action space
    :param learner: who needs such actions, for the message
    :raises ValueError: naming the space and the remedy
    """
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise ValueError(
            f"{learner} needs continuous actions (a Box of floats), the environment has {space}; "
            "GAIL and VAIL with PPO learn discrete actions"
        )
    if not has_finite_range(space):
        raise ValueError(
            f"{learner} scales actions to [-1, 1] and {space} have no bounds; give them some: "
            "`env.action_space = gymnasium.spaces.Box(low, high)`"
        )


def fixed_entries(space: spaces.Space[Any]) -> list[int]:
    """List the entries of a flattened Box that have one possible value."""
    if not isinstance(space, spaces.Box):
        return []
    return [int(i) for i in np.flatnonzero(space.low.reshape(-1) == space.high.reshape(-1))]
