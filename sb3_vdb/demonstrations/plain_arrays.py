"""What users give as arrays, as plain arrays of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

REAL_KINDS = "biuf"  # NumPy's letters for booleans, integers and floats


def plain_array(name: str, values: Any) -> npt.NDArray[Any]:
    """Make a plain array of a list, a tensor or an array of another kind.

    :param name: of the argument, for the message
    :param values: what was passed
    :raises ValueError: there is no such array, or some of its entries are masked
    """
    if type(values) is np.ndarray and values.dtype.isnative:
        return values
    if isinstance(values, Mapping):
        raise ValueError(
            f"`{name}` has parts of parts ({', '.join(map(str, values))}); give all of them on one "
            "level"
        )
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"`{name}` has masked entries; fill them, or leave these steps out")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"`{name}` cannot be made an array ({error}); give one array of numbers with the steps "
            "on its first axis"
        ) from error
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def dtype_problem(name: str, values: npt.NDArray[Any]) -> str | None:
    """Say what keeps the entries of an array from being numbers that learners take, with the
    remedy; None if nothing does.

    :param name: of the array, for the message
    :param values: shape (length, ...)
    """
    dtype = values.dtype
    if dtype.kind in REAL_KINDS and dtype.itemsize <= 8:
        return None
    remedy = "convert them to one numeric array of at most 64 bits a number"
    if dtype.kind == "O" and any(isinstance(each, Mapping) for each in values.flat[:1]):
        remedy = "give one array a part, by name, and not one mapping a step"
    return f"has {name} of dtype {dtype}; {remedy}"


def truth_value(value: Any) -> bool | None:
    """Return a single truth value, also where it is the number 0 or 1; None for anything else."""
    array = np.asarray(value)
    if array.shape or array.dtype.kind not in REAL_KINDS or array not in (0, 1):
        return None
    return bool(array)


def truth_values(name: str, values: Any) -> npt.NDArray[np.bool_]:
    """Return one truth value a step.

    :param name: of the argument, for the message
    :param values: truth values, or the numbers 0 and 1
    :return: shape (n,)
    :raises ValueError: it is something else
    """
    array = plain_array(name, values)
    if array.ndim != 1 or array.dtype.kind not in REAL_KINDS or not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"`{name}` must have one truth value a step, got an array of shape {array.shape} and "
            f"dtype {array.dtype}"
        )
    return array.astype(bool)


def listed(name: str, values: Any) -> list[Any]:
    """Return what was given for several episodes as a list.

    :param name: of the argument, for the message
    :param values: a list, an array, or any other iterable
    :raises ValueError: it is no such thing, or an episode is missing
    """
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise ValueError(
            f"`{name}` must be a list with one entry per episode, got {type(values).__name__}"
        )
    if getattr(values, "ndim", 1) == 0:
        raise ValueError(f"`{name}` is a single number; give a list with one entry per episode")
    entries = list(values)
    for i, one in enumerate(entries):
        if one is None:
            raise ValueError(f"`{name}[{i}]` is None; give every episode its {name}, or none")
    return entries
