"""Sequences of the expert and of the policy, and batches of them.

Row t of an episode holds observation t and the action that led to it; row 0 has a zero action.
An observation is stored once. Sequences are drawn by the episode, then by the start, and never
cross from one episode to the next.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple
from uuid import uuid4

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.networks import space_parts
from sb3_vdb.stored_episodes import StoredEpisode
from sb3_vdb.vmail.memory import Place, allocate

ACTIONS, REWARDS = "actions", "rewards"  # beside the parts of the observation
PREFIX = "observations/"


class SequenceBatch(NamedTuple):
    """Sequences, time first.

    :param observations: raw, shape (time, batch, *space) a part
    :param actions: ``actions[t]`` led to observation t, shape (time, batch, action_dim), in [-1, 1]
    """

    observations: dict[str, th.Tensor]
    actions: th.Tensor

    def joined(self, other: SequenceBatch) -> SequenceBatch:
        """These sequences, and behind them the others."""
        observations = {
            name: th.cat([part, other.observations[name]], dim=1)
            for name, part in self.observations.items()
        }
        return SequenceBatch(observations, th.cat([self.actions, other.actions], dim=1))


class EpisodeStore:
    """Episodes one after another in fixed memory; the oldest ones give way.

    :param fields: shape and type of a row's entries
    :param capacity: number of rows
    :param sequence_length: rows of a sequence; shorter episodes are kept and never drawn
    :param place: where the memory is
    """

    def __init__(
        self,
        fields: Mapping[str, tuple[tuple[int, ...], th.dtype]],
        capacity: int,
        sequence_length: int,
        place: Place,
    ) -> None:
        self.capacity, self.sequence_length = capacity, sequence_length
        self.rows = {
            name: allocate((capacity, *shape), dtype, place, name.replace("/", "_"))
            for name, (shape, dtype) in fields.items()
        }
        self.episodes: list[tuple[int, int]] = []  # start and number of rows, oldest first
        self.ids: list[str] = []  # of each; no other episode has it, of any store
        self.position = 0
        self._drawable = np.zeros((0, 2), dtype=np.int64)

    @property
    def n_drawable(self) -> int:
        """Episodes that are long enough for a sequence."""
        return len(self._drawable)

    @property
    def n_rows(self) -> int:
        """Rows of all episodes."""
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
        self.position = end
        self._index()

    def _index(self) -> None:
        long_enough = [each for each in self.episodes if each[1] >= self.sequence_length]
        self._drawable = np.array(long_enough, dtype=np.int64).reshape(-1, 2)

    def draw(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Rows of ``n`` sequences, shape (sequence_length, n)."""
        starts, lengths = self._drawable[rng.integers(self.n_drawable, size=n)].T
        first = starts + rng.integers(lengths - self.sequence_length + 1)
        return first + np.arange(self.sequence_length)[:, None]

    def rows_in_use(self) -> dict[str, th.Tensor]:
        """Rows up to the last one that belongs to an episode."""
        used = max((begin + length for begin, length in self.episodes), default=0)
        return {name: rows[:used] for name, rows in self.rows.items()}

    def get_table(self) -> dict[str, Any]:
        """What the rows are."""
        return {
            "episodes": self.episodes,
            "ids": self.ids,
            "position": self.position,
            "capacity": self.capacity,
        }

    def set_table(self, table: dict[str, Any]) -> None:
        """Restore what :meth:`get_table` returned."""
        self.episodes = [(int(begin), int(length)) for begin, length in table["episodes"]]
        # files of before episodes had ids have none
        self.ids = list(table.get("ids") or (uuid4().hex for _ in self.episodes))
        self.position = int(table["position"])
        self._index()

    def episode(self, index: int) -> dict[str, th.Tensor]:
        """Rows of one episode."""
        begin, length = self.episodes[index]
        return {name: rows[begin : begin + length] for name, rows in self.rows.items()}


def row_fields(
    observation_space: gym.Space[Any], action_dim: int
) -> dict[str, tuple[tuple[int, ...], th.dtype]]:
    """Shape and type of what a row holds."""
    fields: dict[str, tuple[tuple[int, ...], th.dtype]] = {}
    for name, part in space_parts(observation_space).items():
        dtype = th.uint8 if part.dtype == np.uint8 else th.float32
        fields[PREFIX + name] = (tuple(part.shape), dtype)
    return {**fields, ACTIONS: ((action_dim,), th.float32), REWARDS: ((), th.float32)}


class SequenceReplay:
    """Expert episodes, policy episodes, and episodes that are still going on.

    :param observation_space: pictures with channels first
    :param action_dim: number of action dimensions
    :param buffer_size: observations of the policy that are kept
    :param n_envs: environments that add steps
    :param sequence_length: observations of a sequence
    :param place: where the memory is
    :param device: of the batches
    :param seed: of what is drawn
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_dim: int,
        buffer_size: int,
        n_envs: int,
        sequence_length: int,
        place: Place,
        device: th.device,
        seed: int | None = None,
    ) -> None:
        self.fields = row_fields(observation_space, action_dim)
        self.sequence_length, self.place, self.device = sequence_length, place, device
        self.policy = EpisodeStore(self.fields, buffer_size, sequence_length, place)
        self.expert = EpisodeStore(self.fields, 0, sequence_length, place)
        self.rng = np.random.default_rng(seed)
        self.kept_as: list[str] = []  # names of the last two tables in a folder, newest last
        self._warned = False  # of episodes that are too short
        self.open_episodes: list[dict[str, list[npt.NDArray[Any]]]] = [{} for _ in range(n_envs)]

    # ------------------------------------------------------------------ filling

    def set_expert(self, episodes: Sequence[StoredEpisode]) -> None:
        """Put demonstrations in place of those that are there.

        :param episodes: each at least ``sequence_length`` observations long; not checked here
        """
        n_rows = sum(len(each.actions) + 1 for each in episodes)
        self.expert = EpisodeStore(self.fields, n_rows, self.sequence_length, self.place)
        for each in episodes:
            self.expert.add(_rows(each))

    def clear(self, n_expert_rows: int) -> None:
        """Forget everything.

        :param n_expert_rows: room for the expert
        """
        self.expert = EpisodeStore(self.fields, n_expert_rows, self.sequence_length, self.place)
        self.policy.episodes, self.policy.ids, self.policy.position = [], [], 0
        self.policy._index()
        self.open_episodes = [{} for _ in self.open_episodes]

    def add_episode(self, episode: StoredEpisode) -> None:
        """Append a whole episode of a policy."""
        self.policy.add(_rows(episode))

    def begin(self, env: int, observation: Mapping[str, npt.NDArray[Any]]) -> None:
        """Start an episode of an environment; what it had of another one is dropped.

        :param env: number of the environment
        :param observation: the first one, shape (*space) a part
        """
        self.open_episodes[env] = {name: [] for name in self.fields}
        zero = np.zeros(self.fields[ACTIONS][0], dtype=np.float32)
        self._append(env, zero, observation, 0.0)

    def step(
        self,
        env: int,
        action: npt.NDArray[np.float32],
        observation: Mapping[str, npt.NDArray[Any]],
        reward: float,
        ended: bool,
    ) -> None:
        """Append a step to an environment's episode, which can be drawn from once it has ended.

        :param env: number of the environment
        :param action: executed, in [-1, 1], shape (action_dim,)
        :param observation: after the action, the episode's last one where it has ended
        :param reward: of the task
        :param ended: whether the episode has ended
        """
        self._append(env, action, observation, reward)
        if ended:
            rows = {name: np.stack(values) for name, values in self.open_episodes[env].items()}
            self.policy.add(rows)
            self.open_episodes[env] = {}
            if len(rows[ACTIONS]) < self.sequence_length and not self._warned:
                self._warned = True
                warnings.warn(
                    f"an episode of {len(rows[ACTIONS])} observations is shorter than "
                    f"`sequence_length` {self.sequence_length}, and nothing is learnt from such "
                    "episodes; lower it if most end so soon",
                    stacklevel=2,
                )

    def _append(
        self,
        env: int,
        action: npt.NDArray[np.float32],
        observation: Mapping[str, npt.NDArray[Any]],
        reward: float,
    ) -> None:
        rows = self.open_episodes[env]
        for name, values in observation.items():
            rows[PREFIX + name].append(np.array(values))
        rows[ACTIONS].append(np.asarray(action, dtype=np.float32))
        rows[REWARDS].append(np.float32(reward))  # type: ignore[arg-type]
        if len(rows[ACTIONS]) > self.policy.capacity:
            raise ValueError(
                f"an episode is longer than `buffer_size` {self.policy.capacity}; enlarge it or "
                "limit the episodes with gymnasium.wrappers.TimeLimit"
            )

    def has_begun(self, env: int) -> bool:
        """Whether an environment is within an episode."""
        return bool(self.open_episodes[env])

    # ------------------------------------------------------------------ drawing

    def expert_share(self) -> float:
        """Share of the expert's episodes among all that can be drawn."""
        n_expert, n_policy = self.expert.n_drawable, self.policy.n_drawable
        return n_expert / max(1, n_expert + n_policy)

    def sample(self, batch_size: int, expert_fraction: float | None = None) -> SequenceBatch:
        """Sequences of the joint buffer of expert and policy.

        :param batch_size: number of sequences
        :param expert_fraction: probability that a sequence is the expert's; None for the same
            probability for every episode, as in the authors' code
        """
        share = self.expert_share() if expert_fraction is None else expert_fraction
        if not self.policy.n_drawable:
            share = 1.0
        n_expert = int(self.rng.binomial(batch_size, share)) if share < 1.0 else batch_size
        parts = [
            self._gather(store, store.draw(n, self.rng))
            for store, n in ((self.expert, n_expert), (self.policy, batch_size - n_expert))
            if n > 0
        ]
        return parts[0] if len(parts) == 1 else parts[0].joined(parts[1])

    def sample_expert(self, batch_size: int) -> SequenceBatch:
        """Sequences of the expert."""
        return self._gather(self.expert, self.expert.draw(batch_size, self.rng))

    def _gather(self, store: EpisodeStore, indices: npt.NDArray[np.int64]) -> SequenceBatch:
        index = th.as_tensor(indices, device=store.rows[ACTIONS].device)
        observations = {
            name.removeprefix(PREFIX): rows[index].to(self.device, non_blocking=True)
            for name, rows in store.rows.items()
            if name.startswith(PREFIX)
        }
        return SequenceBatch(observations, store.rows[ACTIONS][index].to(self.device))


def _rows(episode: StoredEpisode) -> dict[str, npt.NDArray[Any]]:
    """The rows of an episode: each action beside the observation that it led to."""
    first = np.zeros((1, *episode.actions.shape[1:]), dtype=np.float32)
    return {
        **{PREFIX + name: np.asarray(part) for name, part in episode.observations.items()},
        ACTIONS: np.concatenate([first, episode.actions]),
        REWARDS: np.concatenate([np.zeros(1, dtype=np.float32), episode.rewards]),
    }
