"""Checks of numbers that users pass: each names the argument, its value and what is possible."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

LARGEST_SEED = 2**32 - 1  # NumPy's, the smallest limit of the random generators that are seeded


def plain(value: Any) -> Any:
    """Return one of NumPy's values as Python's, for code that takes no others; and anything else as
    it is.

    :param value: what was passed
    """
    return value.item() if isinstance(value, np.generic) else value


def whole_number(name: str, value: Any, least: int) -> int:
    """Return a whole number, Python's or NumPy's, as a plain integer.

    :param name: of the argument, for the message
    :param value: what was passed
    :param least: the smallest one that is possible
    :raises ValueError: it is something else, a float or a boolean included, or too small
    """
    try:
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(f"`{name}` must be a whole number from {least} on, got {value!r}")
    return number


def positive_int(name: str, value: Any) -> int:
    """Return a whole number from 1 on; see :func:`whole_number`."""
    return whole_number(name, value, 1)


def step_count(name: str, value: Any) -> int:
    """Return a number of steps from 0 on, also where it is written as a float: ``1e6``; see
    :func:`whole_number`.
    """
    is_whole_float = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return whole_number(name, int(value) if is_whole_float else value, 0)


def seed_or_none(name: str, value: Any) -> int | None:
    """Return a seed as a plain integer, or None for a random start.

    :param name: of the argument, for the message
    :param value: what was passed
    :raises ValueError: it is neither None nor a whole number from 0 to :data:`LARGEST_SEED`
    """
    if value is None:
        return None
    seed = whole_number(name, value, 0)
    if seed > LARGEST_SEED:
        raise ValueError(f"`{name}` must be at most {LARGEST_SEED}, got {value!r}")
    return seed


def finite_number(name: str, value: Any) -> float:
    """Return a finite number, Python's or NumPy's, as a plain float.

    :param name: of the argument, for the message
    :param value: what was passed
    :raises ValueError: it is something else, a string or a boolean included, NaN or infinite
    """
    number = _number(value)
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be a finite number, got {value!r}")
    return number


def positive_number(name: str, value: Any) -> float:
    """Return a finite number above 0; see :func:`finite_number`."""
    number = _number(value)
    if not 0.0 < number < math.inf:
        raise ValueError(f"`{name}` must be a positive number, got {value!r}")
    return number


def number_from_zero(name: str, value: Any) -> float:
    """Return a finite number that is not negative; see :func:`finite_number`."""
    number = _number(value)
    if not 0.0 <= number < math.inf:
        raise ValueError(f"`{name}` must be a finite number from 0 on, got {value!r}")
    return number


def _number(value: Any) -> float:
    """Return a real number as a float, and NaN for everything else."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return float(value) if is_number and not np.iscomplexobj(value) else math.nan


def fraction(name: str, value: Any) -> float:
    """Return a number between 0 and 1; see :func:`finite_number`."""
    number = _number(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"`{name}` must be between 0 and 1, got {value!r}")
    return number


def one_of(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """Return one of several values.

    :param name: of the argument, for the message
    :param value: what was passed
    :param choices: what is possible
    :raises ValueError: it is something else
    """
    if not any(type(value) is type(each) and value == each for each in choices):
        raise ValueError(f"`{name}` must be one of {', '.join(map(str, choices))}, got {value!r}")
    return value
