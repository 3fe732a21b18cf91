"""Sequences of the expert and of the policy, and batches of them.

An observation is stored once. Sequences are sampled by the episode, then by the start, and never
cross from one episode to the next.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.stored_episodes import StoredEpisode
from sb3_vdb.vmail.episode_store import (
    ACTIONS,
    PREFIX,
    REWARDS,
    EpisodeStore,
    episode_rows,
    row_fields,
)
from sb3_vdb.vmail.memory import Place

NO_DEMONSTRATIONS = (
    "there are no demonstrations to learn from; a loaded model needs "
    "load_replay_buffer(path) to go on, or set_demonstrations(demonstrations)"
)


class SequenceBatch(NamedTuple):
    """Sequences, time first.

    :param observations: raw, shape ``(time, batch, *space)`` a part
    :param actions: ``actions[t]`` led to observation t, shape (time, batch, action_dim), in [-1, 1]
    :param before: features of the belief before the first action, shape (batch, feat_dim), zeros
        where none is known; None where beliefs are not kept
    """

    observations: dict[str, th.Tensor]
    actions: th.Tensor
    before: th.Tensor | None = None

    def joined(self, other: SequenceBatch) -> SequenceBatch:
        """Return these sequences, and behind them the others."""
        observations = {
            name: th.cat([part, other.observations[name]], dim=1)
            for name, part in self.observations.items()
        }
        before = None
        if self.before is not None and other.before is not None:
            before = th.cat([self.before, other.before])
        return SequenceBatch(observations, th.cat([self.actions, other.actions], dim=1), before)


class SequenceReplayBuffer:
    """Holds expert episodes, policy episodes, and episodes that are still going on.

    :param observation_space: pictures with channels first
    :param action_dim: number of action dimensions
    :param buffer_size: observations of the policy that are kept
    :param n_envs: environments that add steps
    :param sequence_length: observations of a sequence
    :param place: where the memory is
    :param device: device of the batches
    :param seed: seed of what is sampled
    :param belief_dim: width of the belief that is kept with each observation; 0 for none
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
        belief_dim: int = 0,
    ) -> None:
        self.fields = row_fields(observation_space, action_dim)
        self.sequence_length, self.place, self.device = sequence_length, place, device
        self.belief_dim = belief_dim
        self.policy, self.expert = self._make_store(buffer_size), self._make_store(0)
        # the rows of the last batches, in the order in which they were sampled
        self._sampled: list[tuple[EpisodeStore, npt.NDArray[np.int64]]] = []
        self.rng = np.random.default_rng(seed)
        self.kept_as: list[str] = []  # names of the last two tables in a folder, newest last
        self._warned = False  # of episodes that are too short
        self.open_episodes: list[dict[str, list[npt.NDArray[Any]]]] = [{} for _ in range(n_envs)]

    def _make_store(self, capacity: int) -> EpisodeStore:
        return EpisodeStore(
            self.fields, capacity, self.sequence_length, self.place, self.belief_dim
        )

    # ------------------------------------------------------------------ filling

    def set_expert(self, episodes: Sequence[StoredEpisode]) -> None:
        """Put demonstrations in place of those that are there.

        :param episodes: each at least ``sequence_length`` observations long; not checked here
        """
        n_rows = sum(len(each.actions) + 1 for each in episodes)
        self.expert = self._make_store(n_rows)
        for each in episodes:
            self.expert.add(episode_rows(each))

    def clear(self, n_expert_rows: int) -> None:
        """Forget everything.

        :param n_expert_rows: room for the expert
        """
        self.expert = self._make_store(n_expert_rows)
        self.policy.clear()
        self.open_episodes = [{} for _ in self.open_episodes]

    def add_episodes(self, episodes: Sequence[StoredEpisode]) -> None:
        """Append whole episodes of a policy, all or none.

        :param episodes: what to append
        :raises ValueError: one is longer than the buffer
        """
        longest = max((len(each.actions) + 1 for each in episodes), default=0)
        if longest > self.policy.capacity:
            raise ValueError(
                f"an episode has {longest} observations, `buffer_size` is {self.policy.capacity}; "
                "leave it out, or make the model with a larger buffer"
            )
        for episode in episodes:
            self.policy.add(episode_rows(episode))

    def begin(self, env: int, observation: Mapping[str, npt.NDArray[Any]]) -> None:
        """Start an episode of an environment; what it had of another one is dropped.

        :param env: number of the environment
        :param observation: the first one, shape ``(*space)`` a part
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
        """Append a step to an environment's episode, which can be sampled once it has ended.

        :param env: number of the environment
        :param action: executed, in [-1, 1], shape (action_dim,)
        :param observation: after the action, the episode's last one where it has ended
        :param reward: reward of the task
        :param ended: whether the episode has ended
        """
        self._append(env, action, observation, reward)
        if ended:
            rows = {name: np.stack(values) for name, values in self.open_episodes[env].items()}
            self.policy.add(rows)
            self.open_episodes[env] = {}
            self._warn_if_short(len(rows[ACTIONS]))

    def _warn_if_short(self, n_observations: int) -> None:
        """Warn once that nothing is learned from an episode."""
        if n_observations < self.sequence_length and not self._warned:
            self._warned = True
            warnings.warn(
                f"an episode of {n_observations} observations is shorter than `sequence_length` "
                f"{self.sequence_length}, and nothing is learned from such episodes; lower it if "
                "most end so soon",
                stacklevel=3,
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
        """Say whether an environment is within an episode."""
        return bool(self.open_episodes[env])

    # ------------------------------------------------------------------ sampling

    def expert_share(self) -> float:
        """Return the share of the expert's episodes among all that can be sampled."""
        n_expert, n_policy = self.expert.n_long_enough, self.policy.n_long_enough
        return n_expert / max(1, n_expert + n_policy)

    def sample(self, batch_size: int, expert_fraction: float | None = None) -> SequenceBatch:
        """Sample sequences of the joint buffer of expert and policy.

        :param batch_size: number of sequences
        :param expert_fraction: probability that a sequence is the expert's; None for the same
            probability for every episode, as in the authors' code
        """
        share = self.expert_share() if expert_fraction is None else expert_fraction
        if not self.policy.n_long_enough:
            share = 1.0
        self._sampled = []
        n_expert = int(self.rng.binomial(batch_size, share)) if share < 1.0 else batch_size
        parts = [
            self._gather(store, store.sample(n, self.rng))
            for store, n in ((self.expert, n_expert), (self.policy, batch_size - n_expert))
            if n > 0
        ]
        return parts[0] if len(parts) == 1 else parts[0].joined(parts[1])

    def sample_expert(self, batch_size: int) -> SequenceBatch:
        """Sample sequences of the expert."""
        return self._gather(self.expert, self.expert.sample(batch_size, self.rng))

    def _gather(self, store: EpisodeStore, indices: npt.NDArray[np.int64]) -> SequenceBatch:
        index = th.as_tensor(indices, device=store.rows[ACTIONS].device)
        before = None
        if store.before is not None:
            self._sampled.append((store, indices))
            before = store.before[index[0]].to(self.device)
        observations = {
            name.removeprefix(PREFIX): rows[index].to(self.device, non_blocking=True)
            for name, rows in store.rows.items()
            if name.startswith(PREFIX)
        }
        return SequenceBatch(observations, store.rows[ACTIONS][index].to(self.device), before)

    def write_beliefs(self, feat: th.Tensor) -> None:
        """Keep what was inferred along the last batches, for sequences that begin in the middle of
        them.

        :param feat: features of the beliefs along the sequences of the last :meth:`sample` and of
            the :meth:`sample_expert` since, side by side, shape (sequence_length, batch, feat_dim)
        """
        begin = 0
        for store, indices in self._sampled:
            assert store.before is not None
            end = begin + indices.shape[1]
            index = th.as_tensor(indices[1:], device=store.before.device)
            store.before[index] = feat[:-1, begin:end].to(store.before.device)
            begin = end

    def check_ready(self) -> None:
        """Refuse to learn from a buffer without demonstrations of sufficient length.

        :raises ValueError: there are none
        """
        if not self.expert.episodes:
            raise ValueError(NO_DEMONSTRATIONS)
        if not self.expert.n_long_enough:
            raise ValueError(
                f"no demonstration is as long as `sequence_length` {self.sequence_length} "
                "observations; lower it"
            )
