"""What the sign of a reward makes of episodes that end by themselves.

A positive reward pays for every further step, so that ending an episode is punished; a negative
one costs at every step, so that ending it is rewarded. That is right where the expert does the
same, and works against imitation where it does not.
"""

from __future__ import annotations

import warnings

import numpy as np

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.rewards import SIGNS

REMEDY = {
    1: 'use reward_type="logit", which has either sign, or "log_d", by which every step costs',
    -1: 'use reward_type="logit", which has either sign, or "gail", by which every step pays',
}


class SurvivalBias:
    """Warns once where the reward's sign works against the way in which the expert's episodes end.

    A reward of either sign, as all of AIRL types are, says nothing about it.

    :param demonstrations: the expert's
    :param reward_type: what the generator is paid
    :param shifted: whether the scaling shifts rewards, which warns by itself
    """

    def __init__(self, demonstrations: Demonstrations, reward_type: str, shifted: bool) -> None:
        self.reward_type = reward_type
        self.sign = 0 if shifted else SIGNS.get(reward_type, 0)
        self.n_terminal = int(np.sum([each.terminal for each in demonstrations]))
        self.n_episodes = len(demonstrations)
        self._warned = False

    @property
    def expert_terminates(self) -> bool:
        """Whether most of the expert's episodes end by themselves."""
        return 2 * self.n_terminal > self.n_episodes

    def check_demonstrations(self) -> None:
        """Warn if most demonstrations end by themselves and the reward punishes that."""
        if self.sign > 0 and self.expert_terminates:
            self._warn(
                f"{self.n_terminal} of {self.n_episodes} demonstrations end by themselves and "
                f"{self._paid('positive')}: every further step pays, so that the policy is "
                "punished for ending episodes as the expert does"
            )

    def check_ends(self, n_successes: int, n_others: int) -> None:
        """Warn if the first episodes that end by themselves in training are rewarded or punished
        against what the demonstrations show.

        :param n_successes: how many terminated with ``info["is_success"]``
        :param n_others: how many terminated without
        """
        if self.expert_terminates:
            return
        if self.sign > 0 and n_successes:
            self._warn(
                f"episodes end by themselves in success and {self._paid('positive')}: every "
                "further step pays, so that the policy is punished for succeeding"
            )
        if self.sign < 0 and n_others:
            self._warn(
                f"episodes end by themselves in training, only {self.n_terminal} of "
                f"{self.n_episodes} demonstrations do, and {self._paid('negative')}: every step "
                "costs, so that the policy is rewarded for ending episodes early"
            )

    def _paid(self, sign: str) -> str:
        return f'`reward_type` "{self.reward_type}" is {sign}'

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"{message}; {REMEDY[self.sign]}", stacklevel=4)
