"""What a trainer gives: a policy that acts, and a reward that it is paid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.acting import task_env
from sb3_vdb.adversarial.rounds import Rounds
from sb3_vdb.adversarial.settings import checked_reward_type
from sb3_vdb.adversarial.wiring import insert_pass_through
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.evaluation.returns import EvaluationResult, evaluate_returns
from sb3_vdb.recovered_reward import RecoveredReward
from sb3_vdb.run_state import check_normalises_alike, share_statistics
from sb3_vdb.transitions import Transitions


class LearnedPolicyAndReward:
    """A generator and a discriminator put to use: to act, to evaluate, to pay others."""

    gen_algo: BaseAlgorithm
    discriminator: Discriminator
    rounds: Rounds
    reward_type: str
    venv: VecEnv

    @property
    def is_on_policy(self) -> bool:
        """Whether the generator learns from whole rollouts."""
        return isinstance(self.gen_algo, OnPolicyAlgorithm)

    @property
    def policy(self) -> Any:
        """The generator's policy."""
        return self.gen_algo.policy

    @property
    def n_rounds(self) -> int:
        """Rounds so far."""
        return self.rounds.n_rounds

    @property
    def num_timesteps(self) -> int:
        """Environment steps so far."""
        return self.gen_algo.num_timesteps

    @property
    def logger(self) -> Any:
        """The generator's logger, which the discriminator writes to as well."""
        return self.gen_algo.logger

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[Any] | None = None,
        deterministic: bool = False,
        action_masks: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...] | None]:
        """Choose actions by the generator's policy; arguments as for SB3's ``predict``, and for
        MaskablePPO's.
        """
        masks = {} if action_masks is None else {"action_masks": action_masks}
        return self.gen_algo.predict(observation, state, episode_start, deterministic, **masks)

    def reward(self, transitions: Transitions) -> npt.NDArray[np.float32]:
        """Compute the reward that the generator is paid at present, scaled, at the mean codes;
        shape (batch,).
        """
        return self.rounds.reward(transitions)

    def recovered_reward(self, reward_type: str | None = None) -> RecoveredReward:
        """Freeze the learned reward, to train new policies with.

        :param reward_type: by default the one the generator is paid
        :raises ValueError: unknown type, or one that depends on the policy
        """
        allowed = self.discriminator.reward_types
        kind = checked_reward_type(reward_type or self.reward_type, allowed)
        return RecoveredReward(self.discriminator, kind)

    @property
    def frozen_reward_type(self) -> str:
        """The reward that the generator is paid, or, where that depends on the policy, another one
        of the discriminator's that can be frozen.
        """
        fixed = [
            each
            for each in self.discriminator.reward_types
            if "log_probs" not in self.discriminator.reward_needs(each)
        ]
        return self.reward_type if self.reward_type in fixed else fixed[0]

    def evaluate(
        self, venv: GymEnv, n_eval_episodes: int = 20, deterministic: bool = True
    ) -> EvaluationResult:
        """Compute task returns and learned returns of the policy in other environments than those
        it trains in.

        :param venv: environments to evaluate in, or one of Gymnasium's; wrapped like the training
            ones, without the learned reward, with a VecNormalize's statistics of the training
        :param n_eval_episodes: number of episodes
        :param deterministic: whether the policy acts without noise
        :raises ValueError: the policy needs normalised observations and ``venv`` has raw ones, or
            ``venv`` pays a learned reward
        """
        venv = task_env(venv)
        check_normalises_alike(self.venv, venv, rewards=False)
        share_statistics(self.venv, venv)
        return evaluate_returns(self.gen_algo, venv, n_eval_episodes, deterministic, self.reward)

    def prepare_eval_env(self, venv: GymEnv) -> VecEnv:
        """Make environments for SB3's ``EvalCallback``, which pay the task's reward and are wrapped
        like those the generator trains in.

        :param venv: evaluation environments, normalised if the training environments are
        :raises ValueError: they are normalised and the training's are not, or the reverse
        """
        venv = task_env(venv)
        check_normalises_alike(self.venv, venv, rewards=False)
        return insert_pass_through(venv)
