"""Differences to a motion at the same phase: the expert is zero, at every phase and for ever."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from sb3_vdb.class_paths import from_plain, to_plain
from sb3_vdb.discriminators import GAILDiscriminator
from sb3_vdb.networks import RunningNormalizer
from sb3_vdb.views import Difference, Join, ObservationView, Vector, View

CPU = th.device("cpu")
SPACE = spaces.Box(-10, 10, (4,), np.float32)
ACTIONS = spaces.Box(-1, 1, (1,), np.float32)
PHASES = np.arange(8) / 8


def circle(phase):
    """A motion: the clock in [-1, 1], then a point that goes round, and a constant."""
    angle = 2 * np.pi * np.asarray(phase)
    rows = [2 * np.asarray(phase) - 1, np.cos(angle), np.sin(angle), np.full_like(angle, 3.0)]
    return np.stack(rows, axis=1).astype(np.float32)


def seen(view, rows):
    return view.encode(rows, SPACE, CPU).vectors


def test_the_motion_itself_is_zero_and_the_clock_is_not_seen():
    view = Difference(circle(PHASES))
    assert seen(view, circle(PHASES)).shape == (8, 3)
    assert (seen(view, circle(PHASES)) == 0).all()
    moved = circle(PHASES) + np.float32([0, 0.5, -0.25, 1])
    th.testing.assert_close(seen(view, moved), th.tensor([[0.5, -0.25, 1.0]]).expand(8, 3))


def test_out_of_phase_the_motion_is_far_from_itself():
    view = Difference(circle(PHASES))
    late = circle((PHASES + 0.5) % 1.0)
    late[:, 0] = circle(PHASES)[:, 0]
    th.testing.assert_close(seen(view, late)[:, :2].norm(dim=1), th.full((8,), 2.0))


def test_a_looping_motion_begins_again_and_another_one_stays_at_its_end():
    row = circle([0.0])
    row[:, 0] = 1.0  # the last phase of a loop is the first one
    assert (seen(Difference(circle(PHASES)), row) == 0).all()
    once = Difference(circle(np.arange(9) / 8), loops=False)
    end = circle([1.0])
    assert (seen(once, end) == 0).all()
    end[:, 0] = 1.5
    assert (seen(once, end) == 0).all()
    start = circle([0.0])
    start[:, 0] = -1.7
    assert (seen(once, start) == 0).all()


def test_a_quaternion_and_its_negative_are_one_rotation():
    quaternion = np.float32([0.5, 0.5, -0.5, 0.5])
    motion = np.concatenate([[[-1.0, *quaternion]], [[0.0, *quaternion]]]).astype(np.float32)
    view = Difference(motion, quaternions=(1,))
    space = spaces.Box(-10, 10, (5,), np.float32)
    rows = np.float32([[-1, *-quaternion], [-1, *quaternion]])
    assert (view.encode(rows, space, CPU).vectors == 0).all()


def test_one_cycle_with_any_clock_becomes_a_table_between_its_samples():
    """Time in s in the last column; samples lie unevenly, and the clock wraps at the end."""
    times = np.array([0.0, 0.1, 0.4, 0.7, 1.0]) * 2.0
    rows = np.stack([times**1, 3.0 - times, times], axis=1)
    space = spaces.Box(-10, 10, (3,), np.float32)
    view = Difference.to_cycle(rows, clock=2, loops=False, n_phases=201)
    between = np.float32([[0.5, 2.5, 0.5], [1.3, 1.7, 1.3]])
    th.testing.assert_close(
        view.encode(between, space, CPU).vectors, th.zeros(2, 2), atol=1e-5, rtol=0
    )
    wrapped = circle(np.arange(9) / 8)
    wrapped[-1, 0] = -1.0
    assert Difference.to_cycle(wrapped, clock=0, loops=True, n_phases=8).span == (-1.0, 1.0)


def test_everything_is_divided_by_its_root_mean_square_and_zero_stays_zero():
    view = Join((Difference(circle(PHASES)), Vector(columns=(3,), centred=True)))
    normalizer = view.make_normalizer("running", SPACE)
    assert isinstance(normalizer, RunningNormalizer)
    rows = circle(PHASES)
    normalizer.update(view.encode(rows, SPACE, CPU).vectors)
    shifted = rows + np.float32([0, 2, 0, 4])
    normalizer.update(view.encode(shifted, SPACE, CPU).vectors)
    assert (normalizer.mean == 0).all()
    # half the rows 0 and half 2, 0 and 4; 3 and 7 in the last column
    expected = th.tensor([2.0 / 2**0.5, 0.01, 4.0 / 2**0.5, ((9 + 49) / 2) ** 0.5])
    th.testing.assert_close(normalizer.std, expected)
    assert (normalizer(view.encode(rows, SPACE, CPU).vectors)[:, :3] == 0).all()


def test_a_file_can_describe_the_view():
    discriminator = GAILDiscriminator(
        SPACE, ACTIONS, view=View(Difference(circle(PHASES)), sees=("next_observations",))
    )
    again = from_plain(to_plain(discriminator.view), (View, ObservationView), "a test")
    np.testing.assert_array_equal(again.observation.motion, circle(PHASES))
    assert again.observation.span == (-1.0, 1.0)
    assert GAILDiscriminator.rebuild(discriminator.describe(), SPACE, ACTIONS, "a test")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Difference(np.zeros(4)), r"table of finite numbers.*got shape \(4,\)"),
        (lambda: Difference(np.full((4, 2), np.nan)), "finite numbers"),
        (lambda: Difference(circle(PHASES), clock=4), "`clock` is 4, and observations have 4"),
        (lambda: Difference(circle(PHASES), span=(1.0, 1.0)), "`span` must be two rising"),
        (lambda: Difference(circle(PHASES), quaternions=(1,)), "three more behind each"),
        (
            lambda: Difference.to_cycle(circle(PHASES)[::-1], 0, loops=False),
            "the clock, column 0, must rise",
        ),
        (
            lambda: Difference.to_cycle(np.zeros((5, 3)), 1, loops=True),
            "the clock, column 1, must rise",
        ),
        (lambda: Difference.to_cycle(np.zeros((1, 3)), 1, loops=True), "at least two samples"),
        (
            lambda: Difference.to_cycle(circle(PHASES[:5]), 0, loops=True, span=(-1.0, 1.0)),
            "clock goes from -1 to 0, and the cycle from -1 to 1; give a whole cycle",
        ),
        (
            lambda: seen(Difference(circle(PHASES)[:, :3]), circle(PHASES)),
            "the motion has 3 columns, the observations have 4",
        ),
        (lambda: seen(Difference(circle(PHASES), key="state"), circle(PHASES)), "have none"),
    ],
)
def test_motions_that_make_no_sense_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
