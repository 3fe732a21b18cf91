"""Episodes one after another in fixed memory.

Row t of an episode holds observation t and the action that led to it; row 0 has a zero action.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from typing import Any
from uuid import uuid4

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.networks import space_parts
from sb3_vdb.stored_episodes import StoredEpisode
from sb3_vdb.vmail.memory import Place, allocate

ACTIONS, REWARDS = "actions", "rewards"  # after the parts of the observation
PREFIX, BEFORE = "observations/", "before"
Fields = Mapping[str, tuple[tuple[int, ...], th.dtype]]  # shape and type of a row's entries


def row_fields(observation_space: gym.Space[Any], action_dim: int) -> Fields:
    """Return shape and type of what a row holds.

    :param observation_space: pictures with channels first
    :param action_dim: number of action dimensions
    """
    fields: dict[str, tuple[tuple[int, ...], th.dtype]] = {}
    for name, part in space_parts(observation_space).items():
        dtype = th.uint8 if part.dtype == np.uint8 else th.float32
        fields[PREFIX + name] = (tuple(part.shape), dtype)
    return {**fields, ACTIONS: ((action_dim,), th.float32), REWARDS: ((), th.float32)}


def episode_rows(episode: StoredEpisode) -> dict[str, npt.NDArray[Any]]:
    """Return the rows of an episode: each action with the observation that it led to."""
    first = np.zeros((1, *episode.actions.shape[1:]), dtype=np.float32)
    return {
        **{PREFIX + name: np.asarray(part) for name, part in episode.observations.items()},
        ACTIONS: np.concatenate([first, episode.actions]),
        REWARDS: np.concatenate([np.zeros(1, dtype=np.float32), episode.rewards]),
    }


class EpisodeStore:
    """Keeps episodes one after another in fixed memory; new ones overwrite the oldest.

    :param fields: shape and type of a row's entries
    :param capacity: number of rows
    :param sequence_length: rows of a sequence; shorter episodes are kept and never sampled
    :param place: where the memory is
    :param belief_dim: width of the belief that is kept with each row; 0 for none
    """

    def __init__(
        self,
        fields: Fields,
        capacity: int,
        sequence_length: int,
        place: Place,
        belief_dim: int = 0,
    ) -> None:
        self.capacity, self.sequence_length = capacity, sequence_length
        # features of the belief before each row's action, zeros where none was inferred yet
        self.before: th.Tensor | None = None
        if belief_dim:
            self.before = allocate((capacity, belief_dim), th.float32, place, BEFORE)
        self.rows = {
            name: allocate((capacity, *shape), dtype, place, name.replace("/", "_"))
            for name, (shape, dtype) in fields.items()
        }
        self.episodes: list[tuple[int, int]] = []  # start and number of rows, oldest first
        self.ids: list[str] = []  # of each; no other episode has it, of any store
        self.position = 0
        self._long_enough = np.zeros((0, 2), dtype=np.int64)

    @property
    def n_long_enough(self) -> int:
        """Count the episodes that are long enough for a sequence."""
        return len(self._long_enough)

    @property
    def n_rows(self) -> int:
        """Count the rows of all episodes."""
        return sum(length for _, length in self.episodes)

    def add(self, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        """Append an episode.

        :param rows: one array a field, of the same length
        :raises ValueError: it is longer than the store
        """
        length = len(rows[ACTIONS])
        if length > self.capacity:
            raise ValueError(
                f"an episode of {length} observations does not fit into `buffer_size` "
                f"{self.capacity}; enlarge it or limit the episodes' length"
            )
        if self.position + length > self.capacity:
            self.position = 0
        begin, end = self.position, self.position + length
        kept = [each[0] >= end or sum(each) <= begin for each in self.episodes]
        self.episodes = [*compress(self.episodes, kept), (begin, length)]
        self.ids = [*compress(self.ids, kept), uuid4().hex]
        for name, values in rows.items():
            self.rows[name][begin:end] = th.as_tensor(values)
        if self.before is not None:
            self.before[begin:end] = 0.0
        self.position = end
        self._index()

    def clear(self) -> None:
        """Forget all episodes."""
        self.episodes, self.ids, self.position = [], [], 0
        self._index()

    def _index(self) -> None:
        long_enough = [each for each in self.episodes if each[1] >= self.sequence_length]
        self._long_enough = np.array(long_enough, dtype=np.int64).reshape(-1, 2)

    def sample(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Sample ``n`` sequences, by the episode, then by the start; their rows, shape
        (sequence_length, n).
        """
        starts, lengths = self._long_enough[rng.integers(self.n_long_enough, size=n)].T
        first = starts + rng.integers(lengths - self.sequence_length + 1)
        return first + np.arange(self.sequence_length)[:, None]

    def rows_in_use(self) -> dict[str, th.Tensor]:
        """Return the rows up to the last one that belongs to an episode."""
        used = max((begin + length for begin, length in self.episodes), default=0)
        return {name: rows[:used] for name, rows in self.rows.items()}

    def get_table(self) -> dict[str, Any]:
        """Say what the rows are."""
        return {
            "episodes": self.episodes,
            "ids": self.ids,
            "position": self.position,
            "capacity": self.capacity,
        }

    def set_table(self, table: dict[str, Any]) -> None:
        """Restore what :meth:`get_table` returned."""
        self.episodes = [(int(begin), int(length)) for begin, length in table["episodes"]]
        self.ids = list(table["ids"])
        self.position = int(table["position"])
        self._index()

    def episode(self, index: int) -> dict[str, th.Tensor]:
        """Return the rows of one episode."""
        begin, length = self.episodes[index]
        return {name: rows[begin : begin + length] for name, rows in self.rows.items()}
