"""Demonstrations as learners store them: pictures with channels first, actions in [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb.box_scaling import scaled_to_bounds
from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.demonstrations.validation import space_problem, warn_of_outside
from sb3_vdb.networks.observation_parts import as_parts, is_picture, space_parts


class StoredEpisode(NamedTuple):
    """One episode, or a part of one.

    :param observations: shape (length + 1, *space) a part, pictures with channels first
    :param actions: executed actions scaled to [-1, 1], shape (length, action_dim)
    :param rewards: rewards of the task, shape (length,); kept for reports, never used for learning
    """

    observations: Mapping[str, npt.NDArray[Any]]
    actions: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]


def stored_episodes(
    demonstrations: Demonstrations | None,
    observation_space: gym.Space[Any],
    action_space: gym.spaces.Box,
    sequence_length: int,
) -> list[StoredEpisode]:
    """Check demonstrations against spaces and bring them into the form that learners store.

    :param demonstrations: as the environment would observe them
    :param observation_space: the algorithm's, pictures with channels first
    :param action_space: the environment's
    :param sequence_length: observations that an episode has at least
    :raises ValueError: naming the trajectory, what is wrong and the remedy
    """
    if not isinstance(demonstrations, Demonstrations):
        raise ValueError(
            f"`demonstrations` must be Demonstrations, got {type(demonstrations).__name__}; make "
            "them with Demonstrations.load(path), .from_recording(path) or .from_arrays(...)"
        )
    if not demonstrations.has_actions:
        raise ValueError(
            "the demonstrations have no actions and this learner needs them; GAIL or VAIL with "
            '`discriminator_kwargs=dict(view=View(sees=("observations",)))` compare states only'
        )
    for i, trajectory in enumerate(demonstrations):
        _check_length(trajectory, i, sequence_length)
    episodes = [
        StoredEpisode(
            _observations(trajectory, i, observation_space),
            _actions(trajectory, i, action_space),
            _rewards(trajectory),
        )
        for i, trajectory in enumerate(demonstrations)
    ]
    parts = gym.spaces.Dict(space_parts(observation_space))  # type: ignore[arg-type]
    warn_of_outside((each.observations for each in episodes), parts)
    return episodes


def _check_length(trajectory: Trajectory, number: int, sequence_length: int) -> None:
    """Refuse a trajectory with too few observations."""
    n_observations = len(trajectory) + 1
    if n_observations < sequence_length:
        raise ValueError(
            f"trajectory {number} has {n_observations} observations, fewer than "
            f"`sequence_length` {sequence_length}; lower it, or leave the trajectory out"
        )


def _observations(
    trajectory: Trajectory, number: int, space: gym.Space[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Return a trajectory's observations by part, as the space has them."""
    parts, given = space_parts(space), as_parts(trajectory.observations)
    if set(parts) != set(given):
        raise ValueError(
            f"trajectory {number} has observations {sorted(given)}, the environment "
            f"{sorted(parts)}; record the demonstrations in an environment of the same kind"
        )
    observations = {}
    for name, part in parts.items():
        values = np.asarray(given[name])
        if is_picture(part):
            values = _channels_first(values, part, number)
        if problem := space_problem(values, part, "observation"):
            raise ValueError(f"trajectory {number}: {problem}")
        observations[name] = np.ascontiguousarray(values)
    return observations


def _channels_first(
    values: npt.NDArray[Any], part: gym.spaces.Box, number: int
) -> npt.NDArray[Any]:
    """Return pictures as SB3's algorithms see them."""
    channels, height, width = part.shape
    if values.dtype != part.dtype:
        raise ValueError(
            f"trajectory {number} has pictures of dtype {values.dtype}, the environment of "
            f"{part.dtype} in [0, 255]; convert them"
        )
    if values.shape[1:] == (height, width, channels):
        return np.moveaxis(values, -1, 1)
    if values.shape[1:] != part.shape:
        raise ValueError(
            f"trajectory {number} has pictures of shape {values.shape[1:]}, the environment of "
            f"{(height, width, channels)}; make the environment with the demonstrations' image "
            "size and frame stack, or reenact their recording with the environment's"
        )
    return values


def _actions(trajectory: Trajectory, number: int, space: gym.spaces.Box) -> npt.NDArray[np.float32]:
    """Scale a trajectory's actions to [-1, 1], shape (length, action_dim)."""
    actions = np.asarray(trajectory.actions, dtype=np.float64)
    if problem := space_problem(actions, space, "action"):
        raise ValueError(f"trajectory {number}: {problem}")
    scaled = scaled_to_bounds(actions, space.low, space.high)
    return np.clip(scaled, -1.0, 1.0).astype(np.float32).reshape(len(actions), -1)


def _rewards(trajectory: Trajectory) -> npt.NDArray[np.float32]:
    """Return a trajectory's rewards, zeros where there are none."""
    if trajectory.rewards is None:
        return np.zeros(len(trajectory), dtype=np.float32)
    return np.asarray(trajectory.rewards, dtype=np.float32)
