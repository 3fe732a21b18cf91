"""What several runs say together: interquartile mean and its bootstrap interval."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap, trim_mean  # type: ignore[import-untyped]

LEVEL = 0.95  # of the interval
RESAMPLES, RESAMPLING_SEED = 2_000, 0
CUT = 0.25  # share of the values left out at each end, rounded down to whole values


def interquartile_mean(values: npt.ArrayLike, axis: int = -1) -> npt.NDArray[np.float64]:
    """Return the mean of the middle half of values; of three values or fewer, of all.

    :param values: one per seed or episode, shape (..., n)
    :param axis: of the values
    :return: shape (...)
    :raises ValueError: there are no values
    """
    numbers = np.asarray(values, dtype=float)
    if numbers.size == 0:
        raise ValueError("`values` is empty; an interquartile mean needs at least one value")
    return np.asarray(trim_mean(numbers, CUT, axis=axis))


def bootstrap_interval(values: npt.ArrayLike) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the interquartile mean (percentiles, always the same
    resamples).

    :param values: one per seed or episode, shape (n,)
    :return: its ends; None for less than two values
    """
    sample = np.asarray(values, dtype=float)
    return _interval(tuple(sample.tolist())) if len(sample) > 1 else None


@lru_cache(maxsize=1024)  # pages show the same seeds several times
def _interval(sample: tuple[float, ...]) -> tuple[float, float]:
    interval = bootstrap(
        (np.asarray(sample),),
        interquartile_mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(RESAMPLING_SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)
