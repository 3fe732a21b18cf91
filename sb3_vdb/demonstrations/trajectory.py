"""One demonstrated episode."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations.plain_arrays import dtype_problem, plain_array, truth_value
from sb3_vdb.transitions import Observations, map_parts, parts_of


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
    :raises ValueError: something cannot be made an array; the rest is checked by
        :class:`Demonstrations`
    """

    observations: Observations
    actions: npt.NDArray[np.generic] | None = None
    rewards: npt.NDArray[np.floating] | None = None
    terminal: bool = False
    action_repeat: int | None = None

    def __post_init__(self) -> None:
        """Turn lists and other kinds of arrays into plain arrays."""
        for name in ("observations", "actions", "rewards"):
            values = getattr(self, name)
            if values is not None or name == "observations":
                plain = map_parts(partial(plain_array, name), values)
                object.__setattr__(self, name, plain)
        terminal = truth_value(self.terminal)
        if terminal is not None:
            object.__setattr__(self, "terminal", terminal)

    def __len__(self) -> int:
        """Return the number of steps."""
        return max(0, self.n_observations - 1)

    @property
    def n_observations(self) -> int:
        """Number of observations, of the first part where there are several."""
        first = next(iter(parts_of(self.observations).values()), np.zeros(0))
        return len(first) if first.shape else 0


def trajectory_problem(trajectory: Trajectory) -> str | None:
    """Say what is wrong with a trajectory in itself, with the remedy; None if nothing is."""
    parts = parts_of(trajectory.observations)
    fields = {**parts, "actions": trajectory.actions, "rewards": trajectory.rewards}
    known = {name: values for name, values in fields.items() if values is not None}
    for name, values in known.items():
        if not values.shape:
            return f"has {name} that are a single {values.dtype}; give one row a step"
        if problem := dtype_problem(name, values):
            return problem
    return (
        _length_problem(trajectory)
        or next((problem for each in known.items() if (problem := _number_problem(*each))), None)
        or _mark_problem(trajectory)
    )


def _length_problem(trajectory: Trajectory) -> str | None:
    """Say what is wrong with the numbers of observations, actions and rewards."""
    n, length = trajectory.n_observations, len(trajectory)
    if length < 1:
        return (
            f"has {n} observations and so no step; drop it, or "
            "give it length + 1 of them (the last one is the observation after the last action)"
        )
    for name in ("actions", "rewards"):
        values = getattr(trajectory, name)
        if values is not None and len(values) != length:
            remedy = f"{length} {name} belong to them"
            if len(values) == n:
                remedy += (
                    f": add the observation after the last action, or leave the last of the {name} "
                    "out"
                )
            return f"has {n} observations and {len(values)} {name}; {remedy}"
    rewards = trajectory.rewards
    if rewards is not None and rewards.ndim != 1:
        return f"has rewards of shape {rewards.shape}; give one number a step, shape ({length},)"
    for name, part in parts_of(trajectory.observations).items():
        if len(part) != n:
            return (
                f"has {len(part)} observations {name!r} and {n} of another name; give all of them "
                "the same number"
            )
    return None


def _number_problem(name: str, values: npt.NDArray[np.generic]) -> str | None:
    """Say where numbers are not finite in single precision, in which learners calculate."""
    if not np.issubdtype(values.dtype, np.floating):
        return None
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(np.float32, copy=False))
    if finite.all():
        return None
    step = int(np.argwhere(~finite)[0][0])
    return (
        f"has {name} that are not finite (in single precision), the first at step {step}; remove "
        "the trajectory or repair the values"
    )


def _mark_problem(trajectory: Trajectory) -> str | None:
    """Say what is wrong with ``terminal`` and ``action_repeat``."""
    terminal, repeat = trajectory.terminal, trajectory.action_repeat
    if truth_value(terminal) is None:
        return f"has `terminal` {terminal!r}; give True or False"
    if repeat is not None and (
        isinstance(repeat, bool) or not isinstance(repeat, (int, np.integer)) or repeat < 1
    ):
        return f"has `action_repeat` {repeat!r}; give a whole number of frames from 1 on, or None"
    return None
