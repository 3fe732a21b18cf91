"""Bounded spaces on one scale, and learners in spaces with an entry of one possible value."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import SAC

from sb3_vdb import AIRL, GAIL, VMAIL, Demonstrations
from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.box_scaling import fixed_entries, has_finite_range, scaled_to_bounds
from tests.conftest import small_ppo
from tests.spaces import make_venv, random_demonstrations
from tests.vmail.small import SETTINGS, SIZES

HALF_FIXED = spaces.Box(np.float32([0, -1]), np.float32([0, 3]))


@pytest.mark.parametrize("convert", [np.asarray, th.as_tensor])
def test_bounds_become_minus_one_and_one_and_a_fixed_entry_zero(convert):
    low, high = convert(np.float32([-1.0, 5.0])), convert(np.float32([3.0, 5.0]))
    values = convert(np.float32([[-1.0, 5.0], [1.0, 5.0], [3.0, 5.0]]))
    scaled = scaled_to_bounds(values, low, high)
    assert scaled.tolist() == [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    assert scaled.dtype == values.dtype


def test_the_largest_floats_are_no_bounds():
    largest = np.finfo(np.float32).max
    assert has_finite_range(spaces.Box(-1.0, 1.0, (2,)))
    assert not has_finite_range(spaces.Box(-largest, largest, (2,)))
    assert not has_finite_range(spaces.Box(-1e300, 1e300, (2,), np.float64))
    assert not has_finite_range(spaces.Box(-np.inf, 1.0, (2,)))
    assert not has_finite_range(spaces.Discrete(2))
    assert fixed_entries(HALF_FIXED) == [0]
    assert fixed_entries(spaces.Discrete(1)) == []


def test_learners_take_actions_of_which_an_entry_is_fixed():
    venv = make_venv(actions=HALF_FIXED)
    demos = random_demonstrations(venv)
    cloned = BehaviouralCloning(venv, demos, policy_kwargs={"units": 8}).learn(3)
    vmail = VMAIL("MlpPolicy", venv, demos, policy_kwargs=SIZES, **SETTINGS).learn(20)
    settings = {"demo_batch_size": 16, "n_disc_updates_per_round": 1, "trace_updates": False}
    gail = GAIL(demos, venv, small_ppo(venv), **settings)
    gail.learn(100)
    for model in (cloned, vmail, gail):
        actions, _ = model.predict(venv.reset())
        assert np.isfinite(actions).all()
        assert (actions[:, 0] == 0.0).all()


def test_an_algorithm_that_divides_by_the_range_of_an_action_is_refused():
    venv = make_venv(actions=HALF_FIXED)
    demos, sac = random_demonstrations(venv), SAC("MlpPolicy", venv, device="cpu")
    for kind in (GAIL, AIRL):
        with pytest.raises(ValueError, match=r"entries \[0\] of the actions .* SAC divides"):
            kind(demos, venv, sac)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (spaces.Discrete(3), "needs continuous actions"),
        (spaces.Box(0, 5, (2,), np.int64), "needs continuous actions"),
        (spaces.Box(-np.inf, np.inf, (2,)), "have no bounds; give them some"),
        (spaces.Box(-3e38, 3e38, (2,)), "have no bounds"),
    ],
)
def test_actions_that_cannot_be_scaled_are_refused(actions, message):
    venv = make_venv(actions=actions)
    demos = Demonstrations.from_arrays([np.zeros((9, 3), np.float32)], [np.zeros((8, 2))])
    with pytest.raises(ValueError, match=message):
        BehaviouralCloning(venv, demos)
    if np.isfinite(getattr(actions, "high", 0)).all():  # SB3 refuses the others itself
        with pytest.raises(ValueError, match=message):
            VMAIL("MlpPolicy", venv, demos)


@pytest.mark.parametrize(
    "moved", [spaces.Discrete(3, start=1), spaces.MultiDiscrete([3, 2], start=[1, 0])]
)
@pytest.mark.parametrize("noun", ["observation", "action"])
def test_numbers_that_do_not_start_at_zero_are_refused_with_the_remedy(moved, noun):
    venv = make_venv(**{f"{noun}s": moved})
    demos = random_demonstrations(venv)
    demos.validate(venv.observation_space, venv.action_space)  # as recordings, they are fine
    for kind in (GAIL, AIRL):
        with pytest.raises(
            ValueError, match=f"{noun} space .* do not start at 0.*{noun.capitalize()}Wrapper"
        ):
            kind(demos, venv, small_ppo(venv), demo_batch_size=16)
