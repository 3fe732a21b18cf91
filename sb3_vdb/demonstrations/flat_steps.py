"""Episodes out of steps that stand in one row, with marks where episodes end (D4RL's form)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations.plain_arrays import plain_array, truth_values
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.transitions import Array, Observations, map_parts, parts_of


class FlatSteps(NamedTuple):
    """Steps in one row, episode after episode.

    :param observations: before each step, shape (n, ...), or one such array a part
    :param actions: shape (n, ...), or None
    :param rewards: shape (n,), or None
    :param terminals: whether the episode ended by itself after the step, shape (n,)
    :param timeouts: whether it was cut off after the step, shape (n,)
    :param next_observations: after each step, like ``observations``, or None
    """

    observations: Observations
    actions: Array | None
    rewards: Array | None
    terminals: npt.NDArray[np.bool_]
    timeouts: npt.NDArray[np.bool_]
    next_observations: Observations | None

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.terminals)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Give the first and the last step of each episode, also of one that has no end."""
        ends = np.flatnonzero(self.terminals | self.timeouts).tolist()
        if self.n_steps - 1 not in ends[-1:]:
            ends.append(self.n_steps - 1)
        for before, last in zip([-1, *ends], ends, strict=False):
            yield before + 1, last


def read_steps(
    observations: Any,
    actions: Any,
    rewards: Any,
    terminals: Any,
    timeouts: Any,
    next_observations: Any,
) -> FlatSteps:
    """Check that the arrays belong together; see :meth:`Demonstrations.from_steps`.

    :raises ValueError: an array is missing or has another number of steps
    """
    if terminals is None and timeouts is None:
        raise ValueError(
            "`terminals` and `timeouts` are None; give one of them or both, with True at the last "
            "step of each episode"
        )
    flags = {
        name: None if values is None else truth_values(name, values)
        for name, values in (("terminals", terminals), ("timeouts", timeouts))
    }
    arrays: dict[str, Any] = {"observations": observations, "actions": actions}
    arrays |= {"rewards": rewards, "next_observations": next_observations}
    for name, values in arrays.items():
        if values is not None or name == "observations":
            arrays[name] = map_parts(lambda part, name=name: plain_array(name, part), values)
    given = [(name, each) for name, each in (arrays | flags).items() if each is not None]
    n = max(len(each) for each in flags.values() if each is not None)
    for name, values in given:
        for part in parts_of(values).values():
            if not part.shape or len(part) != n:
                raise ValueError(
                    f"`{name}` has shape {part.shape}, but there are {n} steps; give one row a "
                    "step. One array per episode is for Demonstrations.from_arrays"
                )
    if n == 0:
        raise ValueError("`observations` has no steps; demonstrations need at least one")
    never = np.zeros(n, dtype=bool)
    ends = {name: never if each is None else each for name, each in flags.items()}
    return FlatSteps(**arrays, **ends)


def split_steps(steps: FlatSteps, action_repeat: int | None) -> list[Trajectory]:
    """Make one trajectory of each episode.

    Without ``next_observations`` nobody knows what followed the last step of an episode; it is left
    out, with a warning.

    :raises ValueError: within an episode, a step does not begin where the one before ended; or no
        episode is long enough
    """
    if steps.next_observations is not None:
        return [_whole(steps, first, last, action_repeat) for first, last in steps.ranges()]
    ranges = list(steps.ranges())
    kept = [_cut(steps, *each, action_repeat) for each in ranges if each[1] > each[0]]
    if not kept:
        raise ValueError(
            "every episode has a single step; give `next_observations`, without which the last "
            "step of an episode cannot be used"
        )
    warnings.warn(
        f"the last step of each of the {len(ranges)} episodes is left out, since nobody knows what "
        f"followed it, so that {int(steps.terminals.sum())} terminations are not seen; give "
        "`next_observations` to keep them",
        stacklevel=3,
    )
    return kept


def _cut(steps: FlatSteps, first: int, last: int, action_repeat: int | None) -> Trajectory:
    """Make an episode without its last step."""
    return Trajectory(
        map_parts(lambda part: part[first : last + 1], steps.observations),
        None if steps.actions is None else steps.actions[first:last],
        None if steps.rewards is None else steps.rewards[first:last],
        False,
        action_repeat,
    )


def _whole(steps: FlatSteps, first: int, last: int, action_repeat: int | None) -> Trajectory:
    """Make an episode whose last observation is known."""
    _check_joins(steps, first, last)
    observations = map_parts(
        lambda now, following: np.concatenate([now[first : last + 1], following[last : last + 1]]),
        steps.observations,
        steps.next_observations,
    )
    return Trajectory(
        observations,
        None if steps.actions is None else steps.actions[first : last + 1],
        None if steps.rewards is None else steps.rewards[first : last + 1],
        bool(steps.terminals[last]),
        action_repeat,
    )


def _check_joins(steps: FlatSteps, first: int, last: int) -> None:
    """Refuse an episode in which an end has been forgotten.

    :raises ValueError: naming the step
    """
    following = parts_of(steps.next_observations)
    for name, part in parts_of(steps.observations).items():
        before, after = following[name][first:last], part[first + 1 : last + 1]
        same = np.isclose(before, after, equal_nan=True).all(axis=tuple(range(1, part.ndim)))
        if not same.all():
            step = first + int(np.argmin(same))
            raise ValueError(
                f"`next_observations[{step}]` is not `observations[{step + 1}]`, though no episode "
                f"ends at step {step}; mark the end of the episode in `terminals` or `timeouts`"
            )
