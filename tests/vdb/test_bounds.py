"""Theorem A.1: no encoding's mean is less likely under another than the bound says."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from sb3_vdb.vdb import embedding_log_likelihood_bound

LIMITS = [1e-6, 0.01, 0.1, 0.5, 1.0, 5.0]
DIMS = [1, 2, 8, 32]


def excess(variance, limit, dim):
    """What a mean may spend of the limit, as a squared length."""
    return 2 * limit - dim * (variance - 1 - math.log(variance))


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("limit", LIMITS)
def test_the_bound_holds_for_every_pair_of_encodings(limit, dim):
    rng = np.random.default_rng(0)
    bound = embedding_log_likelihood_bound(limit, dim)
    lowest = brentq(excess, 1e-12, 1.0, args=(limit, dim))
    highest = brentq(excess, 1.0, 1e3, args=(limit, dim))
    for variance in np.concatenate([[lowest, highest], rng.uniform(lowest, highest, 200)]):
        radius = math.sqrt(max(excess(variance, limit, dim), 0.0))
        directions = rng.standard_normal((2, dim))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        x, y = directions * radius * rng.random((2, 1)) ** (1 / dim)
        for one, other in ((x, y), (radius * directions[0], -radius * directions[0])):
            squared = np.square(one - other).sum()
            log_density = -squared / (2 * variance) - dim / 2 * math.log(2 * math.pi * variance)
            assert log_density >= bound


@pytest.mark.parametrize("dim", DIMS)
def test_the_bound_falls_with_the_limit_and_stays_positive_as_it_vanishes(dim):
    bounds = [embedding_log_likelihood_bound(limit, dim) for limit in [0.0, *LIMITS]]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] == pytest.approx(-dim / 2 * math.log(4 * math.pi))
    assert bounds[1] == pytest.approx(bounds[0], abs=1e-3)


@pytest.mark.parametrize(("limit", "dim"), [(0.5, 1), (0.1, 8)])
def test_the_bound_is_that_of_equation_14(limit, dim):
    """C(I_c) = (2 pi (4 I_c / K + 2))^(-K/2) exp(-4 I_c exp(2 I_c / K + 1))."""
    normaliser = (2 * math.pi * (4 * limit / dim + 2)) ** (-dim / 2)
    expected = normaliser * math.exp(-4 * limit * math.exp(2 * limit / dim + 1))
    bound = embedding_log_likelihood_bound(limit, dim)
    assert math.exp(bound) == pytest.approx(expected)


@pytest.mark.parametrize("arguments", [(-0.1, 2), (float("nan"), 2), (0.5, 0)])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=r"must (not be negative|be positive), got"):
        embedding_log_likelihood_bound(*arguments)
