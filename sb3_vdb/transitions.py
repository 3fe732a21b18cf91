"""Steps of an environment as arrays: what demonstrations, reward wrappers and discriminators hand
to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


class Transitions(NamedTuple):
    """Steps of an environment as arrays, raw (neither normalised nor scaled); time limits are no
    terminations.

    :param observations: shape (batch, ...)
    :param actions: executed actions, shape (batch, ...); None where nobody knows them
    :param next_observations: shape (batch, ...); the last observation of an episode, never the
        first of the next
    :param terminated: whether the episode ended by itself, shape (batch,)
    """

    observations: Array
    actions: Array | None
    next_observations: Array
    terminated: npt.NDArray[np.bool_]

    def take(self, indices: npt.NDArray[np.intp]) -> Transitions:
        """The chosen rows."""
        actions = None if self.actions is None else self.actions[indices]
        return Transitions(
            self.observations[indices],
            actions,
            self.next_observations[indices],
            self.terminated[indices],
        )

    @staticmethod
    def join(parts: Sequence[Transitions]) -> Transitions:
        """All rows of all parts, in order."""
        actions = [part.actions for part in parts if part.actions is not None]
        return Transitions(
            np.concatenate([part.observations for part in parts]),
            np.concatenate(actions) if len(actions) == len(parts) else None,
            np.concatenate([part.next_observations for part in parts]),
            np.concatenate([part.terminated for part in parts]),
        )
