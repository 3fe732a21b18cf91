"""Acting in the environments with the training policy, and storing what happens
(Algorithm 1, lines 4 to 9).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.finite_steps import FiniteSteps
from sb3_vdb.networks import as_parts, row_of
from sb3_vdb.transitions import last_observations
from sb3_vdb.vmail.policies import Memory, VMAILPolicy
from sb3_vdb.vmail.replay_buffer import SequenceReplayBuffer


class Counts(NamedTuple):
    """What a collector has counted.

    :param n_frames: environment frames of ended episodes
    :param n_steps: steps of each environment since the last training phase
    :param n_episodes: ended episodes of all environments since the last training phase
    """

    n_frames: int = 0
    n_steps: int = 0
    n_episodes: int = 0


class Collector:
    """Acts in environments with the training policy and stores their steps.

    It carries the policy's memory from step to step, counts the environments' frames, and knows
    when a training phase is due. Each task has one, with a replay buffer of its own.

    :param policy: acts on latent states
    :param n_envs: number of environments
    """

    def __init__(self, policy: VMAILPolicy, n_envs: int) -> None:
        self.policy, self.n_envs = policy, n_envs
        self.memory = policy.initial_memory(n_envs)
        self.open_frames = np.zeros(n_envs, dtype=np.int64)  # of the episodes that go on
        self.counts = Counts()
        self._finite = FiniteSteps()

    @property
    def n_frames(self) -> int:
        """Count the environment frames of all episodes, also of those that go on."""
        return self.counts.n_frames + int(self.open_frames.sum())

    def act(
        self, observations: Any, episode_starts: npt.NDArray[Any], noise_std: float, at_random: bool
    ) -> npt.NDArray[Any]:
        """Choose actions in the environment's own range, and remember them.

        :param observations: as the environments gave them
        :param episode_starts: 1 where an episode begins, shape (n_envs,)
        :param noise_std: standard deviation of the exploration noise
        :param at_random: execute uniform actions instead of the policy's
        """
        tensors, _ = self.policy.obs_to_tensor(observations)
        starts = th.as_tensor(episode_starts, device=self.policy.device)
        memory = self.policy.act(as_parts(tensors), self.memory, starts, noise_std=noise_std)
        if at_random:
            memory = memory._replace(action=2.0 * th.rand_like(memory.action) - 1.0)
        actions = self.policy.env_actions(memory.action)
        self._finite.check_actions(actions)
        self.memory = memory
        return actions

    def store(
        self,
        replay_buffer: SequenceReplayBuffer,
        observations: Any,
        rewards: npt.NDArray[Any],
        dones: npt.NDArray[Any],
        infos: list[Any],
        action_repeat: int,
    ) -> int:
        """Put the step after the last actions into the replay buffer, and count.

        :param replay_buffer: gets the step
        :param observations: what followed, the first ones of the next episode where one has ended
        :param rewards: rewards of the task, shape (n_envs,)
        :param dones: whether episodes have ended, shape (n_envs,)
        :param infos: of the environments
        :param action_repeat: environment frames that an action lasts, where ``infos`` do not say
        :return: number of ended episodes
        :raises NonFiniteError: an observation is not finite; nothing of the step is stored
        """
        finals = last_observations(dones, infos)
        self._finite.check_step(observations, finals)
        executed = self.memory.action.cpu().numpy()
        for i, done in enumerate(dones):
            frames = infos[i].get("frames", self.open_frames[i] + action_repeat)
            self.open_frames[i] = frames
            after = as_parts(finals[i]) if done else row_of(observations, i)
            replay_buffer.step(i, executed[i], after, float(rewards[i]), bool(done))
            if done:
                self._close_episode(i)
                replay_buffer.begin(i, row_of(observations, i))
        self.counts = self.counts._replace(n_steps=self.counts.n_steps + 1)
        return int(np.sum(dones))

    def _close_episode(self, env: int) -> None:
        """Count an episode that has ended."""
        self.counts = self.counts._replace(
            n_frames=self.counts.n_frames + int(self.open_frames[env]),
            n_episodes=self.counts.n_episodes + 1,
        )
        self.open_frames[env] = 0

    def begin_episodes(self, replay_buffer: SequenceReplayBuffer, observations: Any) -> None:
        """Take note of a reset of all environments.

        :param replay_buffer: gets the first observations
        :param observations: what the environments gave
        :raises NonFiniteError: one is not finite
        """
        self._finite.check_reset(observations)
        for i in range(self.n_envs):
            replay_buffer.begin(i, row_of(observations, i))
        self.memory = self.policy.initial_memory(self.n_envs)
        self.counts = self.counts._replace(n_frames=self.n_frames)
        self.open_frames[:] = 0

    def reset_frames(self) -> None:
        """Count frames from 0."""
        self.counts = self.counts._replace(n_frames=0)
        self.open_frames[:] = 0

    def training_is_due(self, n: int, unit: str) -> bool:
        """Say whether enough was collected since the last training phase.

        :param n: how much is enough
        :param unit: ``"step"`` or ``"episode"``
        """
        return (self.counts.n_episodes if unit == "episode" else self.counts.n_steps) >= n

    def begin_training_phase(self) -> int:
        """Count from 0 towards the next training phase.

        :return: decisions since the last one, of all environments
        """
        n_decisions = self.counts.n_steps * self.n_envs
        self.counts = self.counts._replace(n_steps=0, n_episodes=0)
        return n_decisions

    # ------------------------------------------------------------------ files

    def get_state(self) -> dict[str, Any]:
        """Return what decides how collecting goes on."""
        return {
            "counts": self.counts._asdict(),
            "memory": [part.cpu().numpy() for part in self.memory],
            "open_frames": self.open_frames.copy(),
        }

    def set_counts(self, state: dict[str, Any]) -> None:
        """Restore the counts that :meth:`get_state` returned."""
        self.counts = Counts(**state["counts"])

    def set_episodes(self, state: dict[str, Any]) -> None:
        """Restore where :meth:`get_state` was in the episodes that go on."""
        tensors = (th.as_tensor(part, device=self.policy.device) for part in state["memory"])
        self.memory, self.open_frames = Memory(*tensors), state["open_frames"]
