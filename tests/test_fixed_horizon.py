"""Episodes of one length."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env

from sb3_vdb import Demonstrations, make_vec_env
from sb3_vdb.demonstrations.fixed_horizon import FixedHorizon
from sb3_vdb.demonstrations.leaks import RandomPolicy
from tests.test_absorbing import Door

pytestmark = pytest.mark.stacks


def test_what_ends_begins_anew_within_the_episode():
    env = FixedHorizon(Door(), 7, restart_reward=-1.0)
    assert env.reset(seed=0)[0].tolist() == [1.0]
    steps = [env.step(1) for _ in range(7)]
    assert [step[0].tolist() for step in steps] == [[2], [3], [1], [2], [3], [1], [2]]
    assert [step[1] for step in steps] == [1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0]
    assert not any(step[2] for step in steps)
    assert [step[3] for step in steps] == [False] * 6 + [True]
    assert [step[4].get("restarted", False) for step in steps] == [
        False, False, True, False, False, True, False
    ]  # fmt: skip
    env.reset()
    assert env.step(0)[0].tolist() == [1.0]  # an end before the last reset is forgotten


def test_episodes_of_any_environment_have_its_length():
    venv = make_vec_env(
        "CartPole-v1", 2, seed=0, wrapper_class=FixedHorizon, wrapper_kwargs={"horizon": 60}
    )
    demos = Demonstrations.from_rollouts(RandomPolicy(venv.action_space, 2, 0), venv, n_episodes=4)
    assert [len(each) for each in demos] == [60] * 4
    assert not any(each.terminal for each in demos)
    assert np.isfinite(demos.returns).all()
    check_env(FixedHorizon(gym.make("CartPole-v1"), 60), skip_render_check=True)


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="`horizon`"):
        FixedHorizon(Door(), 0)
    with pytest.raises(ValueError, match="`restart_reward`"):
        FixedHorizon(Door(), 3, float("nan"))
