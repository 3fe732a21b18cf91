"""One demonstrated episode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sb3_vdb.transitions import Observations, parts_of


@dataclass(frozen=True)
class Trajectory:
    """An episode or a part of one, as it was observed: raw, in the data type it was recorded in.

    :param observations: shape (length + 1, ...); the last one belongs to no action. One such array
        per part, by name, where the observation space is a Dict.
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
        """Return the number of steps."""
        return max(0, len(next(iter(parts_of(self.observations).values()), ())) - 1)


def trajectory_problem(trajectory: Trajectory) -> str | None:
    """Say what is wrong with a trajectory in itself, with the remedy; None if nothing is."""
    length, parts = len(trajectory), parts_of(trajectory.observations)
    if length < 1:
        return (
            f"has {len(next(iter(parts.values()), ()))} observations and so no step; drop it, or "
            "give it length + 1 of them (the last one is the observation after the last action)"
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
