"""Steps of an environment as arrays: what demonstrations, reward wrappers and discriminators hand
to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Observations = Any  # an array, or a mapping from the names of a Dict space to arrays


def parts_of(observations: Observations) -> Mapping[str, npt.NDArray[Any]]:
    """Arrays of observations by name, one named ``"observations"`` where there are no parts."""
    return observations if isinstance(observations, Mapping) else {"observations": observations}


def map_parts(function: Callable[..., Any], *observations: Observations) -> Observations:
    """The function's value for each part of the observations, or for the arrays themselves.

    :param function: of as many arrays as there are ``observations``
    :param observations: all arrays, or all mappings with the same names
    """
    if not isinstance(observations[0], Mapping):
        return function(*observations)
    return {name: function(*(each[name] for each in observations)) for name in observations[0]}


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
