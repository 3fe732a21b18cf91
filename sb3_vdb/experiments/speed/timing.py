"""Timing contenders against each other in turns, so that what slows the machine slows all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

REPEATS = 5

Contender = Callable[[], float]  # runs once and returns its seconds


def compare(contenders: Mapping[str, Contender], repeats: int = REPEATS) -> pd.DataFrame:
    """Run all contenders in turn, several times, and compare each with the last one pair by pair.

    :param contenders: by name; the last one is the yardstick
    :return: median seconds of each, and the median ratio of its seconds to the yardstick's in the
        same turn
    """
    for contender in contenders.values():
        contender()
    turns = [{name: contender() for name, contender in contenders.items()} for _ in range(repeats)]
    yardstick = list(contenders)[-1]
    return pd.DataFrame(
        {
            "what": name,
            "seconds": round(statistics.median(turn[name] for turn in turns), 4),
            "ratio": round(statistics.median(turn[name] / turn[yardstick] for turn in turns), 3),
            "ratio_min": round(min(turn[name] / turn[yardstick] for turn in turns), 3),
            "ratio_max": round(max(turn[name] / turn[yardstick] for turn in turns), 3),
            "against": yardstick,
        }
        for name in contenders
    )


def compare_steps(
    contenders: Mapping[str, tuple[Contender, int]], repeats: int = REPEATS
) -> pd.DataFrame:
    """Compare contenders in steps a second.

    :param contenders: by name, each with the steps that it does; the last one is the yardstick
    :param repeats: turns
    """
    table = compare({name: each for name, (each, _) in contenders.items()}, repeats)
    rates = [round(contenders[row["what"]][1] / row["seconds"]) for _, row in table.iterrows()]
    table = table.assign(steps_per_s=rates)
    table["times_faster"] = (table["steps_per_s"] / table["steps_per_s"].iloc[-1]).round(1)
    return table[["what", "steps_per_s", "times_faster", "against"]]


def units_per_second(table: pd.DataFrame, n: int, unit: str) -> pd.DataFrame:
    """Return a comparison in units a second, where every contender does the same.

    :param table: of :func:`compare`
    :param n: units that a contender does
    :param unit: what they are called
    """
    table = table.assign(per_second=(n / table["seconds"]).round(1), unit=unit)
    table["times_faster"] = (1.0 / table["ratio"]).round(2)
    table["share_of_time"] = table["ratio"].round(3)
    return table[["what", "per_second", "unit", "times_faster", "share_of_time", "against"]]


def shares(spent: Mapping[str, float], total: float) -> list[str]:
    """Return seconds as shares of all of them."""
    return [f"{100 * seconds / total:.0f} %" for seconds in spent.values()]


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
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
