"""Minari's datasets as demonstrations, and demonstrations as Minari's datasets."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.integrations.extras import needed
from sb3_vdb.transitions import Array, Observations, map_parts

REPEAT = "action_repeat"  # in the metadata of an episode


def from_minari(dataset: Any) -> Demonstrations:
    """Make demonstrations of a dataset, episode by episode, in the data types that it has.

    Parts of nested Dict observations get names with dots. Pictures that were stored as JPEG, as
    Minari does unless it is told otherwise, are not what the environment gave.

    :param dataset: a ``MinariDataset``, or the id of one that has been downloaded
    :raises ImportError: Minari is not installed
    :raises ValueError: there is no such dataset, or it has spaces without a counterpart here
    """
    if isinstance(dataset, str):
        name, dataset = dataset, None
        try:
            dataset = needed("minari").load_dataset(name)
        except FileNotFoundError as error:
            raise ValueError(
                f"there is no Minari dataset {name} on this disk ({error}); get it with: minari "
                f"download {name}"
            ) from error
    indices = dataset.episode_indices
    notes = dataset.storage.get_episode_metadata(indices)
    return Demonstrations(
        Trajectory(
            _numbers("observations", episode.observations),
            _one_array("actions", _numbers("actions", episode.actions)),
            np.asarray(episode.rewards),
            bool(episode.terminations[-1]),
            int(note[REPEAT]) if REPEAT in note else None,
        )
        for episode, note in zip(dataset.iterate_episodes(indices), notes, strict=True)
    )


def _numbers(name: str, values: Any, prefix: str = "") -> Observations:
    """Return an array, or the arrays of a nested mapping under names with dots.

    :raises ValueError: they are tuples or texts
    """
    if isinstance(values, Mapping):
        flat: dict[str, Array] = {}
        for key, part in values.items():
            inner = _numbers(name, part, f"{prefix}{key}.")
            flat |= inner if isinstance(inner, Mapping) else {prefix + str(key): inner}
        return flat
    array = np.asarray(values) if isinstance(values, np.ndarray) else None
    if array is None or array.dtype.kind not in "biuf":
        raise ValueError(
            f"the {name} are {type(values).__name__}s, which demonstrations do not have; convert "
            "the dataset with a flattened space (gymnasium.wrappers.FlattenObservation)"
        )
    return array


def _one_array(name: str, values: Observations) -> Array:
    """Refuse several parts.

    :raises ValueError: naming them
    """
    if isinstance(values, Mapping):
        raise ValueError(
            f"the {name} have parts ({', '.join(values)}), and demonstrations have one array of "
            "them; join the parts in a dataset of your own"
        )
    array: Array = values
    return array


def to_minari(
    demonstrations: Demonstrations,
    dataset_id: str,
    env_id: str | None = None,
    observation_space: spaces.Space[Any] | None = None,
    action_space: spaces.Space[Any] | None = None,
    missing_reward: float | None = None,
    algorithm_name: str | None = None,
    author: str | None = None,
    author_email: str | None = None,
    code_permalink: str | None = None,
    description: str | None = None,
) -> Any:
    """Write a Minari dataset, losslessly: pictures are stored as they are, not as JPEG.

    :param demonstrations: with actions
    :param dataset_id: a new one, for example ``"maze/expert-v0"``
    :param env_id: whose spaces and specification are written; the demonstrations must fit them
    :param observation_space: written in its place; None without ``env_id`` for a space without
        bounds that has the demonstrations' shapes and data types
    :param action_space: likewise
    :param missing_reward: written at each step where the rewards are not known, which Minari needs
    :param algorithm_name: of the expert
    :param author: name of whoever made the data
    :param author_email: where to write to
    :param code_permalink: the code that made the data
    :param description: for people
    :return: the ``MinariDataset``
    :raises ImportError: Minari is not installed
    :raises ValueError: there are no actions or rewards, they do not fit, or the id is taken
    """
    minari = needed("minari")
    needed("h5py")
    if not demonstrations.has_actions:
        raise ValueError("the demonstrations have no actions, and Minari's datasets need them")
    if demonstrations.returns is None and missing_reward is None:
        raise ValueError(
            "the demonstrations have no rewards, and Minari's datasets need them; give "
            "`missing_reward`, for example 0.0"
        )
    if env_id is not None:
        env = gym.make(env_id)
        observation_space = observation_space or env.observation_space
        action_space = action_space or env.action_space
        env.close()
    observation_space = observation_space or _space_of(demonstrations, "observations")
    action_space = action_space or _space_of(demonstrations, "actions")
    demonstrations.validate(observation_space, action_space)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(is set to None|env_spec is None).*")
        dataset = minari.create_dataset_from_buffers(
            dataset_id,
            [_buffer(each, missing_reward) for each in demonstrations],
            env=env_id,
            observation_space=observation_space,
            action_space=action_space,
            algorithm_name=algorithm_name,
            author=author,
            author_email=author_email,
            code_permalink=code_permalink,
            description=description,
            jpeg_encoding=False,
        )
    repeats = [each.action_repeat for each in demonstrations]
    if any(repeats):
        notes = [{} if each is None else {REPEAT: each} for each in repeats]
        dataset.storage.update_episode_metadata(notes)
    return dataset


def _buffer(trajectory: Trajectory, missing_reward: float | None) -> Any:
    """Make Minari's buffer of an episode; what has no end of its own was cut off."""
    n = len(trajectory)
    ends = np.arange(n) == n - 1
    rewards = trajectory.rewards
    return needed("minari.data_collector").EpisodeBuffer(
        observations=trajectory.observations,
        actions=trajectory.actions,
        rewards=np.full(n, missing_reward) if rewards is None else rewards,
        terminations=ends & trajectory.terminal,
        truncations=ends & (not trajectory.terminal),
    )


def _space_of(demonstrations: Demonstrations, name: str) -> spaces.Space[Any]:
    """Make a space without bounds of the arrays' shapes and data types; of whole numbers without an
    axis, one that is as large as the greatest of them.
    """
    made = map_parts(
        lambda *episodes: _array_space(episodes), *(getattr(each, name) for each in demonstrations)
    )
    space: spaces.Space[Any] = spaces.Dict(dict(made)) if isinstance(made, Mapping) else made
    return space


def _array_space(episodes: tuple[Array, ...]) -> spaces.Space[Any]:
    """Make the space of one array of every episode."""
    dtype, shape = episodes[0].dtype, episodes[0].shape[1:]
    if dtype.kind in "iu" and not shape:
        low = min(0, *(int(each.min()) for each in episodes))
        n = max(int(each.max()) for each in episodes) + 1 - low
        return spaces.Discrete(n, start=low)
    if dtype.kind == "b":
        return spaces.MultiBinary(shape or 1)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return spaces.Box(limits.min, limits.max, shape, dtype.type)
    return spaces.Box(-np.inf, np.inf, shape, dtype.type)
