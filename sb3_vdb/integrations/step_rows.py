"""Episodes out of tables with one row a step, and data types of what other libraries have cast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations.flat_steps import LastStep
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.transitions import Array, Observations, map_parts, parts_of

DTypes = Mapping[str, npt.DTypeLike]


class Rows(NamedTuple):
    """Rows of a table, episode after episode. An episode may end with a row that has an observation
    alone, the one after the last action.

    :param episodes: to which episode a row belongs, shape (n,); numbers or names
    :param observations: shape (n, ...), or one such array a part
    :param acted: which rows have an action (or a reward, where there are no actions), shape (n,);
        the others have the last observation of an episode
    :param actions: shape (n, ...), anything where ``acted`` is False; None if there are none
    :param rewards: shape (n,), likewise
    :param terminals: whether the episode ended by itself after the step, shape (n,), or None
    :param action_repeats: frames that an action lasted, shape (n,), 0 for unknown; or None
    """

    episodes: Array
    observations: Observations
    acted: npt.NDArray[np.bool_]
    actions: Array | None
    rewards: Array | None
    terminals: npt.NDArray[np.bool_] | None
    action_repeats: Array | None

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Give the first row of each episode and the one behind its last.

        :raises ValueError: the rows of an episode are not adjacent
        """
        starts = [0, *(np.flatnonzero(self.episodes[1:] != self.episodes[:-1]) + 1).tolist()]
        seen: set[Any] = set()
        for start, stop in zip(starts, [*starts[1:], len(self.episodes)], strict=True):
            name = self.episodes[start]
            if name in seen:
                raise ValueError(
                    f"the rows of episode {name} are not adjacent (again at row {start}); sort "
                    "the table by episode"
                )
            seen.add(name)
            yield start, stop


def episodes_of(rows: Rows, last_step: LastStep) -> list[Trajectory]:
    """Make one trajectory of each episode.

    :param rows: of all episodes
    :param last_step: ``"drop"`` leaves out the last step of an episode that has no observation
        after it; ``"error"`` refuses such an episode
    :raises ValueError: naming the row, what is wrong and the remedy
    """
    if last_step not in get_args(LastStep):
        raise ValueError(f'`last_step` must be "error" or "drop", got {last_step!r}')
    if len(rows.episodes) == 0:
        raise ValueError("there are no rows; demonstrations need at least one episode")
    made = [_episode(rows, start, stop, last_step) for start, stop in list(rows.ranges())]
    kept = [each for each in made if each is not None]
    if not kept:
        raise ValueError("every episode has a single row; an episode needs at least two")
    return kept


def _episode(rows: Rows, start: int, stop: int, last_step: LastStep) -> Trajectory | None:
    """Make one trajectory; None of a single step whose outcome nobody knows.

    :raises ValueError: naming the row
    """
    acted = rows.acted[start:stop]
    if not acted[:-1].all():
        row = start + int(np.argmin(acted))
        raise ValueError(
            f"row {row} has no action (or no reward), and is not the last row of its episode; only "
            "the row of the last observation has none"
        )
    is_cut = bool(acted[-1])
    if is_cut and last_step == "error":
        raise ValueError(
            f"episode {rows.episodes[start]} ends with an action (row {stop - 1}), and nobody "
            "knows what it led to; add a row with the observation after it and no action, or give "
            '`last_step="drop"` to leave the last step of each episode out'
        )
    if stop - start < 2:
        return None
    steps = slice(start, stop - 1)
    marks = np.zeros(stop - start, bool) if rows.terminals is None else rows.terminals[start:stop]
    if marks[: -1 if is_cut else -2].any():
        raise ValueError(
            f"row {start + int(np.argmax(marks))} is marked as terminal, and its episode goes on "
            "after it; give each episode a number of its own"
        )
    repeat = 0 if rows.action_repeats is None else int(rows.action_repeats[start])
    return Trajectory(
        map_parts(lambda part: part[start:stop], rows.observations),
        None if rows.actions is None else rows.actions[steps],
        None if rows.rewards is None else rows.rewards[steps],
        bool(marks[-2]) and not is_cut,
        repeat or None,
    )


def filled(values: Array, valid: npt.NDArray[np.bool_]) -> Array:
    """Spread values over the rows that have them; zeros elsewhere.

    :param values: shape (n_valid, ...)
    :param valid: shape (n,)
    :return: shape (n, ...)
    """
    if valid.all():
        return values
    spread = np.zeros((len(valid), *values.shape[1:]), dtype=values.dtype)
    spread[valid] = values
    return spread


def cast(trajectory: Trajectory, dtypes: DTypes | None) -> Trajectory:
    """Change data types of a trajectory.

    :param trajectory: stays as it is
    :param dtypes: by ``"observations"`` (all parts), ``"observations/<part>"``, ``"actions"`` and
        ``"rewards"``; None for no change
    :raises ValueError: there is no such array
    """
    if not dtypes:
        return trajectory
    observations, left = trajectory.observations, dict(dtypes)
    common = left.pop("observations", None)
    parts = {
        name: part.astype(left.pop(f"observations/{name}", common) or part.dtype, copy=False)
        for name, part in parts_of(observations).items()
    }
    changed: dict[str, Any] = {
        "observations": parts if isinstance(observations, Mapping) else parts["observations"]
    }
    for name in ("actions", "rewards"):
        if (values := getattr(trajectory, name)) is not None and name in left:
            changed[name] = values.astype(left.pop(name), copy=False)
    if left:
        raise ValueError(
            f"`dtypes` names {', '.join(left)}, which the data do not have; the names are "
            "observations, observations/<part>, actions and rewards"
        )
    return replace(trajectory, **changed)
