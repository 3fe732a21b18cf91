"""Whether recorded arrays belong to a space, with an error a user can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb.transitions import Observations, parts_of

BOUND_TOLERANCE = 1e-4  # share of the range by which float32 rounding may leave a Box


def space_problem(
    values: npt.NDArray[np.generic], space: spaces.Space[Any], noun: str
) -> str | None:
    """Say what keeps an array from being a sequence of elements of a space, with the remedy; None
    if nothing does.

    :param values: shape (length, ...)
    :param space: the environment's space
    :param noun: ``"observation"`` or ``"action"``, for the message
    """
    expected = space.shape
    assert expected is not None
    if values.shape[1:] != expected:
        message = (
            f"each {noun} has shape {values.shape[1:]}, the environment's {noun} space {space} "
            f"has {expected}"
        )
        if len(expected) == 3 and sorted(values.shape[1:]) == sorted(expected):
            return f"{message}; the image axes are in another order, transpose the demonstrations"
        return (
            f"{message}; record the demonstrations in this environment or wrap it as it was when "
            "they were recorded"
        )
    if isinstance(space, spaces.Box):
        return _box_problem(values, space, noun)
    if not np.issubdtype(values.dtype, np.integer) and values.dtype != bool:
        return f"{noun}s have dtype {values.dtype}, {space} has integers; convert them"
    # Discrete spaces: every row has to be an element
    for step, value in enumerate(values):
        if not space.contains(value if expected else int(value)):  # type: ignore[arg-type]
            return (
                f"{noun} {value} at step {step} is not in {space}; the demonstrations are of "
                "another environment"
            )
    return None


def observation_problem(
    observations: Observations, space: spaces.Space[Any], keys: Sequence[str] | None = None
) -> str | None:
    """Do the same as :func:`space_problem` for observations that may have several parts.

    :param observations: shape (length, ...), or one such array per part
    :param space: the environment's space
    :param keys: parts of a Dict space that are compared, others may be missing; None for all
    """
    if not isinstance(space, spaces.Dict):
        return _problem_without_parts(observations, space, keys)
    parts = parts_of(observations)
    if keys is None and set(parts) != set(space.spaces):
        return (
            f"the observations have parts {', '.join(parts)}, the environment's "
            f"{', '.join(space.spaces)}; record the demonstrations in this environment"
        )
    compared = list(space.spaces) if keys is None else list(keys)
    owners = (("the environment's space has", space.spaces), ("the demonstrations have", parts))
    for owner_has, names in owners:
        missing = [name for name in compared if name not in names]
        if missing:
            return (
                f"{owner_has} no part {', '.join(missing)}, which this learner sees, only "
                f"{', '.join(names)}"
            )
    problems = ((name, space_problem(parts[name], space[name], "observation")) for name in compared)
    return next((f"part {name!r}: {problem}" for name, problem in problems if problem), None)


def _problem_without_parts(
    observations: Observations, space: spaces.Space[Any], keys: Sequence[str] | None
) -> str | None:
    """Do the same as :func:`observation_problem` for a space that is no Dict."""
    if keys is not None:
        return f"the environment's space {space} has no parts; leave out {', '.join(keys)}"
    if isinstance(observations, Mapping):
        return (
            f"the observations have parts {', '.join(observations)}, the environment's space "
            f"{space} has none; pick one"
        )
    return space_problem(observations, space, "observation")


def _box_problem(values: npt.NDArray[np.generic], space: spaces.Box, noun: str) -> str | None:
    numbers = values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        slack = np.nan_to_num(
            BOUND_TOLERANCE * (space.high.astype(np.float64) - space.low), posinf=0.0
        )
    outside = (numbers < space.low - slack) | (numbers > space.high + slack)
    if not outside.any():
        return None
    step = int(np.argwhere(outside)[0][0])
    return f"{noun} {numbers[step].tolist()} at step {step} lies outside {space}; " + (
        "rescale the demonstrations to the environment's units"
        if noun == "observation"
        else _ACTION_REMEDY
    )


_ACTION_REMEDY = (
    "store the actions the environment executed: clip them to its bounds, or scale them to its "
    "range"
)
