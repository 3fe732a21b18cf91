"""The environments that a trainer's generator learns in, and what stands for them where there are
none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from sb3_vdb.restarts import restart
from sb3_vdb.reward_vec_env import RewardFunction, RewardVecEnv
from sb3_vdb.space_dicts import space_from_dict, space_to_dict
from sb3_vdb.transitions import Transitions, map_parts

LOW_STEPS = 5  # a moment of an unlucky step is no reason to end an episode


class TrainingRewardVecEnv(RewardVecEnv):
    """Pays a discriminator's reward and keeps every step for it, only while its trainer learns.

    Elsewhere a step would be paid nothing, or enter the discriminator's next round.

    :param venv: environments, observations not normalised
    :param reward: reward of a batch of transitions; None for none, where a rollout is paid later
    :param early_end: ends episodes early; None for never
    :param paid_later: the reward is computed to be logged, and paid when steps are drawn from a
        replay buffer
    :param task_reward_coef: how much of the task's reward is paid beside it
    """

    def __init__(
        self,
        venv: VecEnv,
        reward: RewardFunction | None,
        early_end: EarlyEnd | None = None,
        paid_later: bool = False,
        task_reward_coef: float = 0.0,
    ) -> None:
        super().__init__(venv, reward, collect=True)
        self.early_end, self.paid_later = early_end, paid_later
        self.task_reward_coef = task_reward_coef
        self._learning = False
        # episodes that ended by themselves, with info["is_success"] and without
        self.n_successes, self.n_other_ends = 0, 0

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Open a block in which steps may be taken."""
        self._learning = True
        try:
            yield
        finally:
            self._learning = False

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Pass the actions on.

        :raises ValueError: nobody trains
        """
        if not self._learning:
            raise ValueError(
                "these environments pay the learned reward and are stepped by trainer.learn alone: "
                "call it instead of gen_algo.learn, and give other environments to evaluate or "
                "record in"
            )
        super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Step, replace the rewards, and count the episodes that ended by themselves."""
        observations, rewards, dones, infos = super().step_wait()
        rewards = np.zeros_like(rewards) if self.paid_later else rewards
        if self.task_reward_coef:
            task = np.asarray(self.task_rewards, dtype=np.float32)
            rewards = rewards + np.float32(self.task_reward_coef) * task
        for i in np.flatnonzero(dones):
            if not infos[i].get("TimeLimit.truncated", False):
                succeeded = bool(infos[i].get("is_success", False))
                self.n_successes += succeeded
                self.n_other_ends += not succeeded
        if self.early_end is not None:
            observations, dones, infos = self._end_early(self.early_end, observations, dones, infos)
        return observations, rewards, dones, infos

    def _end_early(
        self,
        early_end: EarlyEnd,
        observations: VecEnvObs,
        dones: npt.NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> tuple[VecEnvObs, npt.NDArray[np.bool_], list[dict[str, Any]]]:
        """End the episodes that the discriminator has found unlike the expert's for long: they
        terminate, and new ones begin.
        """
        indices = early_end.choose(self._steps[-1], dones)
        if not len(indices):
            return observations, dones, infos
        last = map_parts(np.array, observations)
        observations, ended = restart(self.venv, indices, observations)
        dones, infos = dones.copy(), list(infos)
        dones[indices] = True
        self._steps[-1].terminated[indices] = True
        self._dones[-1] = dones
        for i in map(int, indices):
            final = map_parts(lambda part, i=i: part[i], last)
            infos[i] = {**infos[i], **ended[i], "TimeLimit.truncated": False}
            infos[i] |= {"terminal_observation": final, "ended_early": True}
        if self.reward is not None:  # paid step by step
            nothing = np.zeros(self.num_envs, dtype=np.float32)
            early = np.isin(np.arange(self.num_envs), indices)  # and no other end of this step
            for i, total in zip(indices, self.count_returns(nothing, early), strict=True):
                infos[int(i)]["learned_return"] = total
        self._last = observations
        return observations, dones, infos

    def get_state(self) -> dict[str, Any]:
        """Give what the next step depends on."""
        early_end = {} if self.early_end is None else {"low": self.early_end.low.copy()}
        return {**super().get_state(), **early_end}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` returned."""
        super().set_state(state)
        if self.early_end is not None and "low" in state:
            self.early_end.low = state["low"].copy()


class EarlyEnd:
    """Chooses episodes that end because D stays low: what comes after it is of no use to learn
    from.

    :param probability: D at the mean codes, of transitions
    :param below: an episode ends where D stays below this for :data:`LOW_STEPS` steps
    :param n_envs: number of environments
    """

    def __init__(self, probability: RewardFunction, below: float, n_envs: int) -> None:
        self.probability, self.below = probability, below
        self.n_ended = 0
        self.low: npt.NDArray[np.int64] = np.zeros(n_envs, dtype=np.int64)  # steps so far

    def choose(
        self, transitions: Transitions, dones: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.intp]:
        """Give the environments whose episodes end now.

        :param transitions: of this step, one an environment
        :param dones: which episodes have ended by themselves
        """
        is_low = self.probability(transitions) < self.below
        self.low = np.where(is_low & ~dones, self.low + 1, 0)
        chosen = np.flatnonzero(self.low >= LOW_STEPS)
        self.low[chosen] = 0
        self.n_ended += len(chosen)
        return chosen


class AbsentVecEnv(VecEnv):
    """Stands for the environments of a trainer that was loaded without any: it has their spaces and
    cannot be stepped.

    :param n_envs: their number
    :param observation_space: of each
    :param action_space: of each
    """

    def __init__(
        self, n_envs: int, observation_space: gym.Space[Any], action_space: gym.Space[Any]
    ) -> None:
        super().__init__(n_envs, observation_space, action_space)

    def _refuse(self) -> NoReturn:
        raise ValueError(
            "this trainer was loaded without environments, to predict, to evaluate and for its "
            "reward; to go on training call load(path, venv)"
        )

    def reset(self) -> Any:
        """Refuse to start episodes."""
        self._refuse()

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Refuse to step."""
        self._refuse()

    def step_wait(self) -> Any:
        """Refuse to step."""
        self._refuse()

    def close(self) -> None:
        """Close nothing."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return None for each: nothing is known but the spaces."""
        return [None for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse to set."""
        self._refuse()

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Refuse to call."""
        self._refuse()

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return False for each."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """Return no pictures."""
        return [None] * self.num_envs


def is_absent(venv: VecEnv) -> bool:
    """Say whether nothing stands behind a stack of wrappers."""
    return isinstance(venv.unwrapped, AbsentVecEnv)


def spaces_of(venv: VecEnv) -> dict[str, Any]:
    """Describe the spaces of environments, for a file."""
    spaces = {"observation": venv.observation_space, "action": venv.action_space}
    return {name: space_to_dict(space) for name, space in spaces.items()}


def absent(n_envs: int, spaces: dict[str, Any], states: Sequence[Any]) -> VecEnv:
    """Make what stands for the environments of a saved run, normalised as they were.

    :param n_envs: how many the run had
    :param spaces: what :func:`spaces_of` gave
    :param states: of the layers of the run's environments, outermost first
    :raises ValueError: what the policy observes depends on other layers
    """
    venv: VecEnv = AbsentVecEnv(
        n_envs, *(space_from_dict(spaces[name]) for name in ("observation", "action"))
    )
    for state in reversed(states):
        if state and "settings" in state:  # of a VecNormalize
            settings = {
                name: value for name, value in state["settings"].items() if value is not None
            }
            venv = VecNormalize(venv, **settings)
        elif state and "stacked" in state and isinstance(venv, VecNormalize):
            raise ValueError(
                "the run had frames stacked above a VecNormalize and cannot be loaded without "
                "environments; give `venv`, wrapped as it was"
            )
    return venv
