"""Timing jobs against each other, in turns, so that what slows the machine slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pandas as pd

REPEATS = 5

Job = Callable[[], float]  # runs once and returns its seconds


def compare(jobs: dict[str, Job], repeats: int = REPEATS) -> pd.DataFrame:
    """Run all jobs in turn, several times, and compare each with the last one pair by pair.

    :param jobs: by name; the last one is the yardstick
    :return: median seconds of each, and the median ratio of its seconds to the yardstick's in the
        same turn
    """
    for job in jobs.values():
        job()
    turns = [{name: job() for name, job in jobs.items()} for _ in range(repeats)]
    yardstick = list(jobs)[-1]
    return pd.DataFrame(
        {
            "what": name,
            "seconds": round(statistics.median(turn[name] for turn in turns), 4),
            "ratio": round(statistics.median(turn[name] / turn[yardstick] for turn in turns), 3),
            "ratio_min": round(min(turn[name] / turn[yardstick] for turn in turns), 3),
            "ratio_max": round(max(turn[name] / turn[yardstick] for turn in turns), 3),
            "against": yardstick,
        }
        for name in jobs
    )


def time_calls(owner: Any, name: str, label: str, spent: dict[str, float]) -> None:
    """From now on, add the seconds of every call of an object's method to a sum.

    :param owner: the object
    :param name: of the method
    :param label: of the sum
    :param spent: sums by label
    """
    method = getattr(owner, name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        result = method(*args, **kwargs)
        spent[label] = spent.get(label, 0.0) + time.perf_counter() - start
        return result

    setattr(owner, name, wrapper)


def timed(work: Callable[[], Any]) -> float:
    """Seconds a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
