"""Where a trainer's generator learns: the discriminator's reward in its environments, or in its
replay buffer.
"""

from __future__ import annotations

from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.learned import LearnedPolicyAndReward
from sb3_vdb.adversarial.replay import ReplaySteps, pay_when_drawn
from sb3_vdb.adversarial.settings import AdversarialSettings
from sb3_vdb.adversarial.training_venv import EarlyEnd, TrainingRewardVecEnv, is_absent
from sb3_vdb.adversarial.wiring import (
    check_compatible,
    check_still_inserted,
    insert_reward,
)
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.restarts import check_can_restart
from sb3_vdb.run_state import check_normalises_alike, share_statistics
from sb3_vdb.vec_env import below_normalize, lowest_normalize


class InEnvironments(LearnedPolicyAndReward):
    """A generator and a discriminator in environments."""

    settings: AdversarialSettings
    demonstrations: Demonstrations
    reward_venv: TrainingRewardVecEnv
    relabels: bool

    def _put_into(self, venv: VecEnv) -> None:
        """Put the discriminator's reward into environments, and these into the generator."""
        end_below, early_end = self.settings.end_below, None
        if end_below is not None and not is_absent(venv):
            check_can_restart(below_normalize(venv))
            early_end = EarlyEnd(self.rounds.probability, end_below, venv.num_envs)
        self.venv, self.reward_venv = insert_reward(
            venv,
            None if self.relabels and self.is_on_policy else self.reward,
            early_end=early_end,
            paid_later=self.relabels and not self.is_on_policy,
            task_reward_coef=self.settings.task_reward_coef,
        )
        self.rounds.normalize = lowest_normalize(self.venv)
        self.gen_algo.set_env(self.venv)
        self._pay_replay()

    def _pay_replay(self) -> None:
        """Put the discriminator's reward into the generator's replay buffer, and its steps before
        the discriminator, where that is asked for.
        """
        if self.is_on_policy:
            return
        spaces = self.discriminator.observation_space, self.discriminator.action_space
        steps = ReplaySteps(self.gen_algo, *spaces)
        if self.relabels:
            pay_when_drawn(self.gen_algo, steps, self.reward)
        self.rounds.replay = steps if self.settings.generator_samples == "replay" else None

    def check_inserted(self) -> None:
        """Refuse a generator whose environments were exchanged; a replay buffer that was loaded
        into it is paid like the one before.

        :raises ValueError: naming the remedy
        """
        check_still_inserted(self.gen_algo, self.reward_venv)
        self._pay_replay()

    def set_env(self, venv: VecEnv) -> None:
        """Go on in other environments, which begin new episodes; ``gen_algo.set_env`` would not pay
        the learned reward. A VecNormalize goes on with the statistics of the training.

        :param venv: environments like those before, as many and normalised alike
        :raises ValueError: they differ
        """
        check_compatible(venv, self.gen_algo)
        check_normalises_alike(self.venv, venv, rewards=True)
        self.demonstrations.check_action_repeat(venv)
        share_statistics(self.venv, venv)
        self._put_into(venv)
