"""Numbers that change in the course of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]  # of SB3's remaining progress, from 1 to 0


@dataclass(frozen=True)  # a tuple would come back from SB3's files as a list
class LinearSchedule:
    """Goes linearly from one value to another and then stays, as a function of SB3's remaining
    progress. (SB3 has such a schedule, too, whose name differs between its versions.)

    :param first: value at the start
    :param last: value from ``until`` on
    :param until: share of the training after which the value stays
    """

    first: float
    last: float
    until: float = 1.0

    def __call__(self, progress_remaining: float) -> float:
        """Return the value when ``progress_remaining`` of the training is still to come."""
        passed = min(max((1.0 - progress_remaining) / self.until, 0.0), 1.0)
        return self.first + passed * (self.last - self.first)


def value_at(value: float | Schedule, progress_remaining: float) -> float:
    """Return the present value of a number, or of a schedule.

    :param value: number or schedule
    :param progress_remaining: SB3's remaining progress, from 1 to 0
    """
    return float(value(progress_remaining) if callable(value) else value)
