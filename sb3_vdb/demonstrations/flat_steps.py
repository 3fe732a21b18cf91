"""Episodes out of steps that stand in one row, with marks where episodes end (D4RL's form)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations.plain_arrays import plain_array, truth_values
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.transitions import Array, Observations, map_parts, parts_of

LastStep = Literal["error", "drop"]  # what becomes of a step that nobody knows the outcome of


class FlatSteps(NamedTuple):
    """Steps in one row, episode after episode.

    :param observations: before each step, shape (n, ...), or one such array a part
    :param actions: shape (n, ...), or None
    :param rewards: shape (n,), or None
    :param terminals: whether the episode ended by itself after the step, shape (n,)
    :param ends: whether it ended after the step, for whatever reason, shape (n,)
    :param next_observations: after each step, like ``observations``, or None
    """

    observations: Observations
    actions: Array | None
    rewards: Array | None
    terminals: npt.NDArray[np.bool_]
    ends: npt.NDArray[np.bool_]
    next_observations: Observations | None

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.terminals)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Give the first and the last step of each episode, also of one that has no end."""
        ends = np.flatnonzero(self.ends).tolist()
        if self.n_steps - 1 not in ends[-1:]:
            ends.append(self.n_steps - 1)
        for before, last in zip([-1, *ends], ends, strict=False):
            yield before + 1, last


def read_steps(arrays: dict[str, Any], marks: dict[str, Any], lengths: Any) -> FlatSteps:
    """Check that the arrays belong together; see :meth:`Demonstrations.from_flat`.

    :param arrays: ``observations``, ``actions``, ``rewards`` and ``next_observations``; None where
        nothing was given
    :param marks: ``ends``, ``terminals`` and ``timeouts``, likewise
    :param lengths: steps of each episode, or None
    :raises ValueError: an array is missing or has another number of steps
    """
    if lengths is None and all(each is None for each in marks.values()):
        raise ValueError(
            "nothing says where episodes end; give `ends`, `terminals` or `timeouts` (True at the "
            "last step of each episode), or `lengths` (steps of each episode)"
        )
    flags = {name: _flags(name, each) for name, each in marks.items() if each is not None}
    for name, values in arrays.items():
        if values is not None or name == "observations":
            arrays[name] = map_parts(lambda part, name=name: plain_array(name, part), values)
    first = next(iter(parts_of(arrays["observations"]).values()), np.zeros(0))
    n = len(first) if first.shape else 0
    if n == 0:
        raise ValueError("`observations` has no steps; demonstrations need at least one")
    given = [(name, each) for name, each in (arrays | flags).items() if each is not None]
    for name, values in given:
        for part in parts_of(values).values():
            if not part.shape or len(part) != n:
                raise ValueError(
                    f"`{name}` has shape {part.shape}, but there are {n} steps; give one row a "
                    "step. One array per episode is for Demonstrations.from_arrays"
                )
    ends = np.logical_or.reduce([np.zeros(n, dtype=bool), *flags.values()])
    if lengths is not None:
        ends = _ends_of(lengths, ends)
    return FlatSteps(**arrays, terminals=flags.get("terminals", np.zeros(n, bool)), ends=ends)


def _flags(name: str, values: Any) -> npt.NDArray[np.bool_]:
    """Return one truth value a step.

    :raises ValueError: it is something else
    """
    try:
        return truth_values(name, values)
    except ValueError as error:
        raise ValueError(f"{error}; how long episodes are goes into `lengths`") from error


def _ends_of(lengths: Any, marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mark the last step of each episode.

    :param lengths: steps of each episode
    :param marked: ends that are known already, shape (n,)
    :return: shape (n,)
    :raises ValueError: no whole numbers that add up to n, or an end is marked within an episode
    """
    steps, n = plain_array("lengths", lengths), len(marked)
    if steps.ndim != 1 or steps.dtype.kind not in "iu" or (steps < 1).any() or steps.sum() != n:
        total = f", in sum {steps.sum()}" if steps.dtype.kind in "iu" else ""
        raise ValueError(
            f"`lengths` must be positive whole numbers, one an episode, that add up to the {n} "
            f"steps, got {steps.tolist()}{total}"
        )
    ends = np.zeros(n, dtype=bool)
    ends[np.cumsum(steps, dtype=np.intp) - 1] = True
    if (marked & ~ends).any():
        step = int(np.argmax(marked & ~ends))
        raise ValueError(
            f"an end is marked at step {step}, which is within an episode of `lengths`; correct "
            "the one or the other"
        )
    return ends


def split_steps(
    steps: FlatSteps, last_step: LastStep, action_repeat: int | None
) -> list[Trajectory]:
    """Make one trajectory of each episode.

    :param steps: of all episodes
    :param last_step: ``"drop"`` leaves out the last step of each episode, without a warning
    :param action_repeat: environment frames that an action lasted
    :raises ValueError: within an episode, a step does not begin where the one before ended; nobody
        knows what followed the last steps; or no episode is long enough
    """
    if last_step not in get_args(LastStep):
        raise ValueError(f'`last_step` must be "error" or "drop", got {last_step!r}')
    if steps.next_observations is not None:
        if last_step == "drop":
            raise ValueError(
                '`last_step="drop"` is for data without `next_observations`; leave one of them out'
            )
        return [_whole(steps, first, last, action_repeat) for first, last in steps.ranges()]
    if last_step == "error":
        raise ValueError(
            "each episode has as many observations as steps, so that nobody knows what followed "
            "its last step; give `next_observations` (the observations after each step), or "
            '`last_step="drop"` to leave the last step of each episode out, with its action, '
            "reward and termination"
        )
    kept = [_cut(steps, *each, action_repeat) for each in steps.ranges() if each[1] > each[0]]
    if not kept:
        raise ValueError(
            "every episode has a single step; give `next_observations`, without which the last "
            "step of an episode cannot be used"
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
                f"ends at step {step}; mark the end of the episode in `ends`"
            )
