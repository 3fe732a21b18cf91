"""Steps of an environment as arrays: what demonstrations, reward wrappers and discriminators hand
to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Observations = Any  # an array, or a mapping from the names of a Dict space to arrays


def parts_of(observations: Observations) -> Mapping[str, Array]:
    """Give the arrays of observations by name, one named ``"observations"`` where there are no
    parts.
    """
    return observations if isinstance(observations, Mapping) else {"observations": observations}


def map_parts(function: Callable[..., Any], *observations: Observations) -> Observations:
    """Apply a function to each part of the observations, or to the arrays themselves.

    :param function: of as many arrays as there are ``observations``
    :param observations: all arrays, or all mappings with the same names
    """
    if not isinstance(observations[0], Mapping):
        return function(*observations)
    return {name: function(*(each[name] for each in observations)) for name in observations[0]}


class Transitions(NamedTuple):
    """Steps of an environment as arrays, raw (neither normalised nor scaled); a time limit is not a
    termination.

    :param observations: shape (batch, ...), or one such array a part by name
    :param actions: executed actions, shape (batch, ...); None where nobody knows them
    :param next_observations: shaped like ``observations``; the last observation of an episode,
        never the first of the next
    :param terminated: whether the episode ended by itself, shape (batch,)
    """

    observations: Observations
    actions: Array | None
    next_observations: Observations
    terminated: npt.NDArray[np.bool_]

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.terminated)

    def take(self, indices: npt.NDArray[np.intp]) -> Transitions:
        """Give the chosen rows."""
        actions = None if self.actions is None else self.actions[indices]
        return Transitions(
            map_parts(lambda part: part[indices], self.observations),
            actions,
            map_parts(lambda part: part[indices], self.next_observations),
            self.terminated[indices],
        )

    @staticmethod
    def join(transitions: Sequence[Transitions]) -> Transitions:
        """Put the rows of several transitions behind each other."""
        actions = [each.actions for each in transitions if each.actions is not None]

        def joined(*parts: Array) -> Array:
            return np.concatenate(parts)

        return Transitions(
            map_parts(joined, *(each.observations for each in transitions)),
            np.concatenate(actions) if len(actions) == len(transitions) else None,
            map_parts(joined, *(each.next_observations for each in transitions)),
            np.concatenate([each.terminated for each in transitions]),
        )


def last_observations(
    dones: npt.NDArray[np.bool_], infos: Sequence[Mapping[str, Any]]
) -> dict[int, Observations]:
    """Collect the last observations of the episodes that a step has ended, by environment.

    :param dones: which episodes have ended, shape (n_envs,)
    :param infos: of each environment
    :raises ValueError: the environments do not give them
    """
    ended = [int(i) for i in np.flatnonzero(dones)]
    for i in ended:
        if "terminal_observation" not in infos[i]:
            raise ValueError(
                'the environments give no info["terminal_observation"] at the end of an episode, '
                "which SB3's VecEnvs put there before they restart it; add it in the `step_wait` "
                "of yours"
            )
    return {i: infos[i]["terminal_observation"] for i in ended}
