"""Whether recorded arrays belong to a space, with an error a user can act on."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from sb3_vdb.transitions import Observations, parts_of

BOUND_TOLERANCE = 1e-4  # share of the range by which float32 rounding may leave a Box


def space_problem(
    values: npt.NDArray[np.generic], space: spaces.Space[Any], noun: str
) -> str | None:
    """Say what keeps an array from being a sequence of elements of a space, with the remedy; None
    if nothing does. Observations may lie outside their Box, see :func:`warn_of_outside`.

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
        if is_image_space(space) and values.dtype != space.dtype:
            return (
                f"pictures have dtype {values.dtype}, the environment's {space.dtype} in "
                "[0, 255]; convert them"
            )
        return None if noun == "observation" else _box_problem(values, space)
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


def warn_of_outside(
    episodes: Iterable[Observations], space: spaces.Space[Any], keys: Sequence[str] | None = None
) -> None:
    """Warn, once, of observations outside the bounds of their Box: some environments go there by
    themselves, and observations in other units do.

    :param episodes: observations of each trajectory, of the space's shapes
    :param space: the environment's space
    :param keys: parts of a Dict space that are compared; None for all
    """
    for i, observations in enumerate(episodes):
        given = parts_of(observations)
        parts = space.spaces if isinstance(space, spaces.Dict) else dict.fromkeys(given, space)
        for name in parts if keys is None else keys:
            part = parts[name]
            step = first_outside(given[name], part) if isinstance(part, spaces.Box) else None
            if step is not None:
                warnings.warn(
                    f"trajectory {i}: observation {given[name][step].tolist()} at step {step} lies "
                    f"outside {part}, and perhaps others; they are used as they are. If the "
                    "environment itself does not go there, bring the demonstrations to its units",
                    stacklevel=4,
                )
                return


def first_outside(values: npt.NDArray[np.generic], space: spaces.Box) -> int | None:
    """Find the first step that is outside a Box by more than rounding; None if none is.

    :param values: shape (length, *space)
    :param space: the Box
    """
    numbers = values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        slack = np.nan_to_num(
            BOUND_TOLERANCE * (space.high.astype(np.float64) - space.low), posinf=0.0
        )
    outside = (numbers < space.low - slack) | (numbers > space.high + slack)
    return int(np.argwhere(outside)[0][0]) if outside.any() else None


def _box_problem(values: npt.NDArray[np.generic], space: spaces.Box) -> str | None:
    step = first_outside(values, space)
    if step is None:
        return None
    return (
        f"action {values[step].tolist()} at step {step} lies outside {space}; store the actions "
        "the environment executed: clip them to its bounds, or scale them to its range"
    )
