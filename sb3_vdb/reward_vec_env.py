"""The plug: an SB3 ``VecEnv`` that pays a learned reward in place of the task's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_vdb.finite_steps import FiniteSteps
from sb3_vdb.transitions import (
    Observations,
    Transitions,
    last_observations,
    map_parts,
    parts_of,
)

RewardFunction = Callable[[Transitions], npt.NDArray[np.float32]]


class Collected(NamedTuple):
    """Steps that were collected, time first.

    :param transitions: shape (n_steps * num_envs, ...)
    :param dones: which ended an episode, shape (n_steps, num_envs)
    :param task_rewards: what the task pays, to be looked at and not learned from, shape (n_steps,
        num_envs)
    """

    transitions: Transitions
    dones: npt.NDArray[np.bool_]
    task_rewards: npt.NDArray[np.float32]


class TaskRewardVecEnv(VecEnvWrapper):
    """Leaves everything as it is: stands in an evaluation environment where a
    :class:`RewardVecEnv` stands in the training environment, because SB3's ``EvalCallback``
    compares the two stacks.
    """

    def reset(self) -> VecEnvObs:
        """Start episodes everywhere."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Step the environments."""
        return self.venv.step_wait()


class RewardVecEnv(TaskRewardVecEnv):
    """Pays ``reward(s, a, s')`` for every step; the task's reward stays visible to a monitor below
    this wrapper.

    The last step of an episode has its own last observation as s', not the first one of the next
    episode. At the end of an episode ``info["learned_return"]`` is the sum of the learned rewards.

    :param venv: environments, observations not normalised
    :param reward: reward of a batch of transitions, shape (batch,); None pays 0 (rewards come
        later, by relabelling)
    :param collect: keep every step until :meth:`pop_collected`
    :raises NonFiniteError: (on a reset or step) an observation, action or reward is not finite; the
        step is kept nowhere
    """

    def __init__(self, venv: VecEnv, reward: RewardFunction | None, collect: bool = False) -> None:
        super().__init__(venv)
        self.reward = reward
        self.collect = collect
        self.task_rewards: npt.NDArray[np.float32] = np.zeros(self.num_envs, dtype=np.float32)
        self.learned_returns: npt.NDArray[np.float64] = np.zeros(self.num_envs)
        self.finished_returns: list[float] = []
        self._finite = FiniteSteps()
        self._steps: list[Transitions] = []
        self._dones: list[npt.NDArray[np.bool_]] = []
        self._task_rewards: list[npt.NDArray[np.float32]] = []
        self._last: Any = None
        self._actions: Any = None

    def reset(self) -> VecEnvObs:
        """Start episodes everywhere; steps collected so far are kept."""
        observations = self.venv.reset()
        self._finite.check_reset(observations)
        self._last = observations
        self.learned_returns[:] = 0.0
        return self._last

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Pass the actions on."""
        self._finite.check_actions(actions)
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Step, and replace the rewards."""
        observations, self.task_rewards, dones, infos = self.venv.step_wait()
        finals = last_observations(dones, infos)
        self._finite.check_step(observations, finals)
        following, terminated = observations, dones
        if finals:
            following = map_parts(lambda part: part.copy(), observations)
            terminated = dones.copy()
            for i, final in finals.items():
                _put(following, i, final)
                terminated[i] = not infos[i].get("TimeLimit.truncated", False)
        transitions = Transitions(self._last, self._actions, following, terminated)
        self._last = observations
        if self.collect:
            self._steps.append(transitions)
            self._dones.append(dones)
            self._task_rewards.append(np.array(self.task_rewards, dtype=np.float32))
        return observations, self._pay(transitions, dones, infos), dones, infos

    def _pay(
        self, transitions: Transitions, dones: npt.NDArray[np.bool_], infos: list[dict[str, Any]]
    ) -> npt.NDArray[np.float32]:
        if self.reward is None:
            return np.zeros(self.num_envs, dtype=np.float32)
        rewards = self.reward(transitions)
        self._finite.check_rewards(rewards)
        finished = self.count_returns(rewards, dones)
        for i, total in zip(np.flatnonzero(dones), finished, strict=True):
            infos[i]["learned_return"] = total
        return rewards

    def count_returns(
        self, rewards: npt.NDArray[np.float32], dones: npt.NDArray[np.bool_]
    ) -> list[float]:
        """Add one step's rewards to the learned returns.

        :param rewards: what was paid, shape (num_envs,)
        :param dones: which episodes ended, shape (num_envs,)
        :return: learned returns of the episodes that ended
        """
        self.learned_returns += rewards
        if not dones.any():
            return []
        finished: list[float] = self.learned_returns[dones].tolist()
        self.learned_returns[dones] = 0.0
        if self.collect:  # else nobody fetches them, and they would pile up
            self.finished_returns += finished
        return finished

    def pop_finished_returns(self) -> list[float]:
        """Give the learned returns of the episodes that ended since the last call; forget them."""
        finished, self.finished_returns = self.finished_returns, []
        return finished

    @property
    def n_collected(self) -> int:
        """Number of transitions collected since the last :meth:`pop_collected`."""
        return len(self._steps) * self.num_envs

    def pop_collected(self) -> Collected:
        """Give the collected transitions, time first, which of them ended an episode, and what the
        task pays for them; forget them.

        :return: transitions of shape (n_steps * num_envs, ...), dones and task rewards of shape
            (n_steps, num_envs)
        """
        collected = Collected(
            Transitions.join(self._steps), np.stack(self._dones), np.stack(self._task_rewards)
        )
        self.drop_collected()
        return collected

    def drop_collected(self) -> None:
        """Forget the collected steps, of a rollout that was not finished."""
        self._steps, self._dones, self._task_rewards = [], [], []

    def get_state(self) -> dict[str, Any]:
        """Give what the next step depends on: last observations, returns so far, and the collected
        steps.
        """
        steps = [
            {**step._asdict(), "dones": done, "task_rewards": rewards}
            for step, done, rewards in zip(
                self._steps, self._dones, self._task_rewards, strict=True
            )
        ]
        return {"last": self._last, "learned_returns": self.learned_returns.copy(), "steps": steps}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` returned."""
        self._last, self.learned_returns = state["last"], state["learned_returns"].copy()
        self._dones = [step["dones"] for step in state["steps"]]
        self._task_rewards = [step["task_rewards"] for step in state["steps"]]
        self._steps = [
            Transitions(*(step[name] for name in Transitions._fields)) for step in state["steps"]
        ]


def _put(observations: Observations, i: int, one: Observations) -> None:
    """Put an observation into row i of a batch."""
    values = parts_of(one)
    for name, part in parts_of(observations).items():
        part[i] = values[name]
