"""The interquartile mean of seeds and its bootstrap interval."""

import numpy as np
import pytest

from sb3_vdb.evaluation.intervals import bootstrap_interval, interquartile_mean


def test_the_interquartile_mean_is_that_of_the_middle_half():
    assert interquartile_mean([1.0, 2.0, 3.0, 100.0]) == 2.5
    assert interquartile_mean([-90.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 700.0]) == 3.5
    assert interquartile_mean([1.0, 2.0, 6.0]) == 3.0  # three are too few to leave any out
    assert interquartile_mean([7.0]) == 7.0
    np.testing.assert_array_equal(interquartile_mean([[1.0, 3.0], [2.0, 4.0]]), [2.0, 3.0])
    with pytest.raises(ValueError, match="`values` is empty"):
        interquartile_mean([])


def test_the_interval_is_that_of_resampled_seeds():
    # of two values, a quarter of the resamples is all low, a quarter all high
    assert bootstrap_interval([0.0, 1.0]) == (0.0, 1.0)
    assert bootstrap_interval([3.0, 3.0, 3.0]) == (3.0, 3.0)
    assert bootstrap_interval([3.0]) is None
    sample = np.random.default_rng(1).normal(5.0, 2.0, 400)
    low, high = bootstrap_interval(sample)
    middle = float(interquartile_mean(sample))
    # asymptotic standard error of a normal sample's interquartile mean: 1.09 sigma / sqrt(n)
    error = 1.96 * 1.09 * 2.0 / np.sqrt(len(sample))
    assert (low, high) == pytest.approx((middle - error, middle + error), abs=0.05)
    assert bootstrap_interval(sample) == (low, high)  # the same resamples each time
