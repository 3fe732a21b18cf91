"""An environment of any spaces, and random demonstrations of it."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_vdb import Demonstrations

OBSERVATIONS = spaces.Box(-1.0, 1.0, (3,))
ACTIONS = spaces.Box(-1.0, 1.0, (2,))


class Sampled(gym.Env):
    """Observes random elements of a space, for 20 steps an episode."""

    def __init__(self, observations=OBSERVATIONS, actions=ACTIONS):
        self.observation_space, self.action_space = observations, actions
        observations.seed(0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.now += 1
        return self.observation_space.sample(), 1.0, False, self.now >= 20, {}


class RandomPolicy:
    def __init__(self, space):
        self.space = space

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.stack([self.space.sample() for _ in episode_start]), None


def make_venv(n_envs=2, **kwargs) -> VecEnv:
    return DummyVecEnv([lambda: Sampled(**kwargs)] * n_envs)


def random_demonstrations(venv: VecEnv, n=4) -> Demonstrations:
    return Demonstrations.from_rollouts(RandomPolicy(venv.action_space), venv, n)
