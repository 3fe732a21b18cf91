"""The named parts of observations: pictures, vectors, and several of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first

KEY = "observation"  # of the only part, where the space is no Dict


def space_parts(space: gym.Space[Any]) -> dict[str, gym.spaces.Box]:
    """Name the parts of an observation space; there is one ``"observation"`` where it is no Dict.

    :param space: as SB3's algorithms see it, pictures with channels first
    :raises ValueError: a part is neither a square picture nor a vector of numbers
    """
    parts = dict(space.spaces) if isinstance(space, gym.spaces.Dict) else {KEY: space}
    return {name: _checked(name, part) for name, part in parts.items()}


def _checked(name: str, part: gym.Space[Any]) -> gym.spaces.Box:
    """Return a part that the encoders and decoders can take.

    :raises ValueError: the part is neither a square picture nor a vector of numbers
    """
    if not isinstance(part, gym.spaces.Box):
        raise ValueError(
            f"observation {name!r} is a {type(part).__name__}; these networks take pictures and "
            "vectors (Box), one-hot encode the others with a wrapper"
        )
    if is_picture(part) and not (
        is_image_space_channels_first(part) and part.shape[1] == part.shape[2]
    ):
        raise ValueError(
            f"observation {name!r} is a picture of shape {part.shape}; these networks need square "
            "ones, use gymnasium.wrappers.ResizeObservation"
        )
    if not is_picture(part) and len(part.shape) != 1:
        raise ValueError(
            f"observation {name!r} has shape {part.shape} and dtype {part.dtype}; give "
            "pictures as uint8 in [0, 255] and other observations as vectors"
        )
    return part


def is_picture(space: gym.Space[Any]) -> bool:
    """Say whether a space is one of uint8 pictures."""
    return is_image_space(space)


def as_parts(observations: Any) -> dict[str, Any]:
    """Return observations by part, also where there is only one."""
    return dict(observations) if isinstance(observations, Mapping) else {KEY: observations}


def row_of(observations: Any, i: int) -> dict[str, Any]:
    """Return the observation of environment ``i``, by part."""
    return {name: part[i] for name, part in as_parts(observations).items()}
