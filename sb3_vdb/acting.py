"""A policy at work in environments: what it remembers from step to step."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Predictor(Protocol):
    """Any policy or controller that has SB3's ``predict``."""

    def predict(  # noqa: D102
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[Any], Any]: ...


class ActingPolicy:
    """Carries a policy's recurrent state and the starts of episodes from step to step.

    :param policy: whatever has SB3's ``predict``
    :param n_envs: number of environments it acts in, all at the start of an episode
    :param deterministic: whether it acts without noise
    """

    def __init__(self, policy: Predictor, n_envs: int = 1, deterministic: bool = True) -> None:
        self._policy, self._deterministic = policy, deterministic
        self._state: Any = None
        self._starts = np.ones(n_envs, dtype=bool)

    def act(self, observations: Any) -> npt.NDArray[Any]:
        """Choose actions for the present observations, of a batch or of a single environment."""
        actions, self._state = self._policy.predict(
            observations,
            state=self._state,
            episode_start=self._starts,
            deterministic=self._deterministic,
        )
        return actions

    def note_ends(self, dones: npt.NDArray[np.bool_]) -> None:
        """Tell the policy which episodes the step has ended, shape (n_envs,)."""
        self._starts = np.asarray(dones, dtype=bool)
