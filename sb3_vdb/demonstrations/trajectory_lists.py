"""What several trajectories must have in common to be one set of demonstrations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sb3_vdb.demonstrations.trajectory import Trajectory, trajectory_problem
from sb3_vdb.transitions import map_parts


def consistent(trajectories: Iterable[Any]) -> tuple[Trajectory, ...]:
    """Check that trajectories can be one set of demonstrations.

    :param trajectories: what was passed for them
    :return: the same, at least one
    :raises ValueError: there is none, one is inconsistent in itself, or they differ in what they
        have or in data types
    """
    if isinstance(trajectories, (str, Path)) or not isinstance(trajectories, Iterable):
        raise ValueError(
            f"`trajectories` must be a list of Trajectory objects, got {trajectories!r}; make "
            "demonstrations with Demonstrations.from_arrays(...) or .load(path)"
        )
    checked = tuple(trajectories)
    if not checked:
        raise ValueError("`trajectories` is empty; demonstrations need at least one trajectory")
    for i, trajectory in enumerate(checked):
        if not isinstance(trajectory, Trajectory):
            raise ValueError(
                f"trajectory {i} is a {type(trajectory).__name__}; demonstrations are made of "
                "Trajectory objects, with Demonstrations.from_arrays(...) or .load(path)"
            )
        if problem := trajectory_problem(trajectory):
            raise ValueError(f"trajectory {i} {problem}")
    _check_fields(checked)
    _check_dtypes(checked)
    return checked


def _check_fields(trajectories: tuple[Trajectory, ...]) -> None:
    """Refuse actions or rewards that some trajectories have and others lack.

    :raises ValueError: naming the trajectory
    """
    for name in ("actions", "rewards"):
        known = [getattr(trajectory, name) is not None for trajectory in trajectories]
        if any(known) and not all(known):
            i = known.index(False)
            raise ValueError(
                f"trajectory {i} has no {name} and others have; give all of them {name} or none"
            )


def _check_dtypes(trajectories: tuple[Trajectory, ...]) -> None:
    """Refuse trajectories of different data types or parts.

    :raises ValueError: naming the trajectory
    """
    for name in ("observations", "actions", "rewards"):
        kinds = [
            map_parts(lambda part: getattr(part, "dtype", None), getattr(each, name))
            for each in trajectories
        ]
        i = next((i for i, kind in enumerate(kinds) if kind != kinds[0]), 0)
        if i > 0:
            raise ValueError(
                f"trajectory {i} has {name} of dtype {kinds[i]}, trajectory 0 of {kinds[0]}; "
                "convert them to one"
            )
