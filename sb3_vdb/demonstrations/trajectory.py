"""One demonstrated episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Observations = Any  # an array, or a mapping from the names of a Dict space to arrays


def parts_of(observations: Observations) -> Mapping[str, Array]:
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


@dataclass(frozen=True)
class Trajectory:
    """An episode or a part of one, as it was observed: raw, in the data type it was recorded in.

    :param observations: shape (length + 1, ...); the last one belongs to no action. One such array
        a part, by name, where the observation space is a Dict.
    :param actions: executed actions, shape (length, ...); None where nobody knows them (mocap,
        video)
    :param rewards: task rewards, shape (length,); None where there are none. Never used for
        learning.
    :param terminal: whether the episode ended by itself after the last action (a time limit is no
        such end)
    :param action_repeat: environment frames that an action lasted; None where nobody knows
    """

    observations: Observations
    actions: npt.NDArray[np.generic] | None = None
    rewards: npt.NDArray[np.floating] | None = None
    terminal: bool = False
    action_repeat: int | None = None

    def __len__(self) -> int:
        """Number of steps."""
        return max(0, len(next(iter(parts_of(self.observations).values()))) - 1)


def trajectory_problem(trajectory: Trajectory) -> str | None:
    """What is wrong with a trajectory in itself, with the remedy; None if nothing is."""
    length, parts = len(trajectory), parts_of(trajectory.observations)
    if length < 1:
        return (
            f"has {len(next(iter(parts.values())))} observations and so no step; drop it, or give "
            "it length + 1 observations (the last one is the observation after the last action)"
        )
    for name in ("actions", "rewards"):
        values = getattr(trajectory, name)
        if values is not None and len(values) != length:
            return (
                f"has {length + 1} observations and {len(values)} {name}; {length} {name} belong "
                "to them"
            )
    for name, part in parts.items():
        if len(part) != length + 1:
            return (
                f"has {len(part)} observations {name!r} and {length + 1} of another name; give all "
                "of them the same number"
            )
    fields = {**parts, "actions": trajectory.actions, "rewards": trajectory.rewards}
    for name, values in fields.items():
        if values is None:
            continue
        if values.dtype == object:
            return f"has {name} of dtype object; convert them to one numeric array"
        if np.issubdtype(values.dtype, np.inexact) and not np.isfinite(values).all():
            step = int(np.argwhere(~np.isfinite(values))[0][0])
            return (
                f"has {name} that are not finite, the first at step {step}; remove the "
                "trajectory or repair the values"
            )
    return None
