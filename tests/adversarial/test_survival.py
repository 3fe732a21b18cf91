"""The warning of a reward whose sign works against the way in which episodes end."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_vdb import Demonstrations, Trajectory
from tests.adversarial.generators import make_trainer


class Short(gym.Env):
    """Ends by itself after 5 steps, in success or not; or by a time limit."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, terminates=True, success=None):
        self.terminates, self.success = terminates, success

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        self.count += 1
        ended = self.count == 5
        info = {} if self.success is None else {"is_success": self.success and ended}
        observation = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return observation, 0.0, ended and self.terminates, ended and not self.terminates, info


def demonstrations(n_terminal, n=4):
    rng = np.random.default_rng(0)
    return Demonstrations(
        Trajectory(
            rng.uniform(-1, 1, (11, 2)).astype(np.float32),
            rng.uniform(-1, 1, (10, 1)).astype(np.float32),
            terminal=i < n_terminal,
        )
        for i in range(n)
    )


def warned(n_terminal, algorithm="GAIL", n_learn=1, terminates=True, success=None, **settings):
    venv = DummyVecEnv([lambda: Short(terminates, success)] * 2)
    trainer = make_trainer(
        algorithm,
        "PPO",
        demonstrations(n_terminal),
        venv=venv,
        trace_updates=False,
        n_disc_updates_per_round=1,
        gen_kwargs={"n_steps": 10, "batch_size": 20, "n_epochs": 1},
        **settings,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(n_learn):
            trainer.learn(40)
    return [str(each.message) for each in caught if "reward_type" in str(each.message)]


@pytest.mark.parametrize("reward_type", ["gail", "probability"])
def test_a_positive_reward_punishes_finishing_as_the_expert_does(reward_type):
    (message,) = warned(3, reward_type=reward_type, n_learn=2)
    assert f'3 of 4 demonstrations end by themselves and `reward_type` "{reward_type}"' in message
    assert "punished for ending episodes" in message
    assert 'use reward_type="logit"' in message
    assert '"log_d"' in message


def test_a_negative_reward_rewards_ends_that_the_expert_does_not_show():
    (message,) = warned(0, reward_type="log_d", n_learn=2)
    assert "only 0 of 4 demonstrations do" in message
    assert "rewarded for ending episodes early" in message
    assert '"gail"' in message


def test_a_positive_reward_punishes_success_that_only_the_environment_tells():
    (message,) = warned(0, reward_type="gail", success=True)
    assert "punished for succeeding" in message


@pytest.mark.parametrize(
    "settings",
    [
        {"n_terminal": 0, "reward_type": "gail"},  # a fall: staying alive is what is wanted
        {"n_terminal": 0, "reward_type": "gail", "success": False},
        {"n_terminal": 4, "reward_type": "log_d"},  # the expert hurries, too
        {"n_terminal": 0, "reward_type": "log_d", "success": True},
        {"n_terminal": 0, "reward_type": "log_d", "terminates": False},  # time limits
        {"n_terminal": 4, "reward_type": "logit"},  # either sign
        {"n_terminal": 4, "algorithm": "AIRL"},
    ],
    ids=str,
)
def test_other_rewards_say_nothing(settings):
    assert warned(**settings) == []
