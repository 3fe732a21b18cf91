"""Cloning as a warm start of SB3's policies."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_vdb import Demonstrations
from sb3_vdb.baselines import warm_start
from sb3_vdb.errors import NonFiniteError

STATES = spaces.Box(-10.0, 10.0, (2,), np.float32)


class Task(gym.Env):
    """Spaces alone."""

    def __init__(self, observation_space=STATES, action_space=None):
        self.observation_space = observation_space
        self.action_space = action_space or spaces.Box(-2.0, 4.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, True, {}


def demonstrations(discrete=False):
    """The action is 1 plus half of the first entry; of two actions, the sign of it."""
    states = np.random.default_rng(0).uniform(-5, 5, (301, 2)).astype(np.float32)
    actions = (states[:-1, 0] > 0).astype(np.int64) if discrete else 1.0 + 0.5 * states[:-1, :1]
    return Demonstrations.from_arrays([states], [actions])


def model(kind, action_space=None, normalize=False, **arguments):
    venv = DummyVecEnv([lambda: Task(action_space=action_space)])
    if normalize:
        venv = VecNormalize(venv)
    return kind("MlpPolicy", venv, seed=0, device="cpu", **arguments)


@pytest.mark.parametrize(
    ("kind", "normalize"), [(PPO, False), (PPO, True), (SAC, False), (TD3, False), (SAC, True)]
)
def test_a_policy_begins_near_the_expert(kind, normalize):
    made = model(kind, normalize=normalize)
    loss = warm_start(made, demonstrations(), n_updates=600, batch_size=64, seed=0)
    assert loss < (1.5 if kind is PPO else 0.02)
    states = np.float32([[-4.0, 1.0], [0.0, 3.0], [3.0, -2.0]])
    if normalize:
        assert abs(made.get_vec_normalize_env().obs_rms.mean[0]) < 1.0
        assert made.get_vec_normalize_env().obs_rms.var[0] > 2.0
        states = made.get_vec_normalize_env().normalize_obs(states)
    actions, _ = made.predict(states, deterministic=True)
    np.testing.assert_allclose(actions[:, 0], [-1.0, 1.0, 2.5], atol=0.45)
    if kind is TD3:
        for a, b in zip(
            made.policy.actor.parameters(), made.policy.actor_target.parameters(), strict=True
        ):
            th.testing.assert_close(a, b)


def test_choices_are_cloned():
    made = model(PPO, spaces.Discrete(2))
    assert warm_start(made, demonstrations(discrete=True), 300, 64, seed=0) < 0.2


def test_the_same_seed_gives_the_same_policy():
    made = [model(PPO) for _ in range(2)]
    losses = [warm_start(each, demonstrations(), 5, seed=3) for each in made]
    assert losses[0] == losses[1]


def test_bad_input():
    with pytest.raises(ValueError, match="DQN has no policy that can clone"):
        warm_start(model(DQN, spaces.Discrete(2)), demonstrations(discrete=True))
    venv = DummyVecEnv([Task])
    recurrent = RecurrentPPO("MlpLstmPolicy", venv, seed=0, device="cpu")
    with pytest.raises(ValueError, match="a recurrent policy"):
        warm_start(recurrent, demonstrations())
    with pytest.raises(ValueError, match="`n_updates`"):
        warm_start(model(PPO), demonstrations(), 0)
    with pytest.raises(ValueError, match="action"):
        warm_start(model(PPO), Demonstrations.from_arrays([np.zeros((5, 2), np.float32)]))
    with pytest.raises(NonFiniteError, match="lower `learning_rate`"):
        warm_start(model(PPO), demonstrations(), 50, learning_rate=1e30)
