"""Numbers that users pass: what is taken, and how what is not is named."""

import math

import numpy as np
import pytest

from sb3_vdb.arguments import (
    LARGEST_SEED,
    finite_number,
    number_from_zero,
    plain,
    positive_int,
    positive_number,
    seed_or_none,
    step_count,
    whole_number,
)

NO_NUMBERS = [None, "3", [1], math.nan, np.float32("nan"), True, 1j, np.zeros(2)]


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_whole_numbers_become_plain_integers(value):
    assert type(positive_int("n", value)) is int
    assert positive_int("n", value) == 3
    assert type(finite_number("x", 3)) is type(positive_number("x", np.float32(3))) is float


@pytest.mark.parametrize("value", [0, -1, 4.0, np.float32(4), np.bool_(True), *NO_NUMBERS])
def test_what_is_no_positive_whole_number_is_named(value):
    with pytest.raises(ValueError, match="`n` must be a whole number from 1 on, got "):
        positive_int("n", value)
    if type(value) is not int:
        with pytest.raises(ValueError, match="from -1 on"):
            whole_number("n", value, -1)


def test_least_values_are_taken():
    assert whole_number("n", -1, -1) == -1
    assert number_from_zero("x", 0) == 0.0
    assert finite_number("x", -2.5) == -2.5


@pytest.mark.parametrize("value", [math.inf, -math.inf, *NO_NUMBERS])
def test_what_is_no_finite_number_is_named(value):
    for check in (finite_number, positive_number, number_from_zero):
        with pytest.raises(ValueError, match=r"`x` must be a .*number.*, got "):
            check("x", value)


def test_what_is_out_of_range_is_named():
    with pytest.raises(ValueError, match="`x` must be a positive number, got 0"):
        positive_number("x", 0)
    with pytest.raises(ValueError, match=r"`x` must be a finite number from 0 on, got -0\.5"):
        number_from_zero("x", -0.5)


def test_numbers_of_steps_may_be_written_as_floats():
    assert step_count("n", 1e6) == step_count("n", np.float32(1e6)) == 1_000_000
    for bad in (-1, -1.0, 2.5, math.inf, math.nan, None):
        with pytest.raises(ValueError, match="`n` must be a whole number from 0 on"):
            step_count("n", bad)


def test_seeds_are_whole_numbers_that_every_random_generator_takes():
    assert seed_or_none("seed", None) is None
    assert seed_or_none("seed", LARGEST_SEED) == LARGEST_SEED
    assert type(seed_or_none("seed", np.int64(3))) is int
    for bad in (-1, 1.0, 1e300, math.inf, True, "3", []):
        with pytest.raises(ValueError, match="`seed` must be a whole number from 0 on"):
            seed_or_none("seed", bad)
    with pytest.raises(ValueError, match="`seed` must be at most 4294967295, got 4294967296"):
        seed_or_none("seed", 2**32)


def test_numpys_values_become_pythons_and_others_stay():
    assert type(plain(np.float32(0.5))) is float
    assert type(plain(np.int64(3))) is int
    kept = [np.float32(0.5)]
    assert plain(kept) is kept
