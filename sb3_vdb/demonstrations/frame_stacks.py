"""Demonstrations as a VecFrameStack shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack

from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.transitions import Observations, map_parts, parts_of
from sb3_vdb.vec_env import below_normalize, wrappers


def as_stacked(trajectories: Sequence[Trajectory], venv: VecEnv) -> list[Trajectory]:
    """Stack the observations of demonstrations as the environments stack theirs, zeros before the
    first one; those that are stacked already stay as they are.

    Where a VecFrameStack stands above a VecNormalize, discriminators see what is below, and nothing
    is stacked.

    :param trajectories: demonstrated episodes
    :param venv: environments of a learner
    """
    stacked = list(trajectories)
    layers = [each for each in wrappers(below_normalize(venv)) if isinstance(each, VecFrameStack)]
    for layer in reversed(layers):
        if all(_is_of(each.observations, layer.venv.observation_space) for each in stacked):
            stacked = [
                replace(each, observations=_stack(each.observations, layer.stacked_obs))
                for each in stacked
            ]
    return stacked


def _is_of(observations: Observations, space: gym.Space[Any]) -> bool:
    """Say whether observations have the parts and shapes of a space."""
    names = set(space.spaces) if isinstance(space, gym.spaces.Dict) else {"observations"}
    parts = parts_of(observations)
    if set(parts) != names:
        return False
    return all(
        part.shape[1:] == (space[name] if isinstance(space, gym.spaces.Dict) else space).shape
        for name, part in parts.items()
    )


def _stack(observations: Observations, stacks: Any) -> Observations:
    """Stack the observations of one episode.

    :param observations: shape (length + 1, ...), or one such array a part
    :param stacks: SB3's ``StackedObservations``
    """
    inner = getattr(stacks, "sub_stacked_observations", None)
    if inner is not None:
        return {name: _stack(part, inner[name]) for name, part in observations.items()}
    return map_parts(
        lambda part: _stack_part(part, stacks.n_stack, stacks.repeat_axis), observations
    )


def _stack_part(part: npt.NDArray[Any], n_stack: int, axis: int) -> npt.NDArray[Any]:
    """Stack an array.

    :param part: shape (length + 1, ...)
    :param n_stack: number of frames
    :param axis: of a single observation along which they are stacked, 0 or -1
    """
    padded = np.concatenate([np.zeros_like(part[:1])] * (n_stack - 1) + [part])
    frames = [padded[i : i + len(part)] for i in range(n_stack)]
    return np.concatenate(frames, axis=1 if axis == 0 else -1)
