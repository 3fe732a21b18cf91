"""What every registered id promises."""

import copy
import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from sb3_vdb import make_vec_env
from sb3_vdb_envs import ENVIRONMENTS, register_envs

IDS = [row.id for row in ENVIRONMENTS]
STEPS = 120  # more than one episode


def rollout(env, actions, seed=7):
    trace = [env.reset(seed=seed)[0]]
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        trace += [observation, reward, terminated, truncated]
        if terminated or truncated:
            trace.append(env.reset()[0])
    return trace


def random_actions(env, n=STEPS):
    env.action_space.seed(1)
    return [env.action_space.sample() for _ in range(n)]


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("check", [gymnasium_check_env, sb3_check_env])
def test_both_checkers_are_silent(env_id, check):
    env = gym.make(env_id, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(env.unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_a_seed_decides_the_episode(env_id):
    env = gym.make(env_id)
    actions = random_actions(env)
    assert_same(rollout(env, actions), rollout(gym.make(env_id), actions))


@pytest.mark.parametrize("env_id", IDS)
def test_pickling_and_copying_keep_the_behaviour(env_id):
    env = gym.make(env_id)
    actions = random_actions(env)
    expected = rollout(env, actions)
    assert_same(expected, rollout(pickle.loads(pickle.dumps(env)), actions))
    assert_same(expected, rollout(copy.deepcopy(env), actions))


@pytest.mark.parametrize("env_id", IDS)
def test_every_reward_term_is_in_info_and_the_terms_sum_to_the_reward(env_id):
    env = gym.make(env_id)
    env.reset(seed=0)
    for action in random_actions(env, 30):
        _, reward, _, _, info = env.step(action)
        terms = [value for name, value in info.items() if name.startswith("reward/")]
        assert sum(terms) == pytest.approx(reward, abs=1e-12)


@pytest.mark.parametrize("env_id", IDS)
def test_rendering_gives_a_picture_and_closing_twice_is_legal(env_id):
    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    for _ in range(20):
        env.step(np.array([1.0, 1.0], np.float32))
    second = env.render()
    assert first.dtype == np.uint8
    assert first.shape[0] == 256
    assert first.std() > 10
    assert (first != second).any()
    env.close()
    env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_observations_stay_in_their_space(env_id):
    venv = make_vec_env(env_id, 16, seed=0)
    observations = venv.reset()
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        assert all(venv.observation_space.contains(each) for each in observations)
        observations, *_ = venv.step(rng.uniform(-1, 1, (16, 2)).astype(np.float32))


def test_registering_again_changes_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_envs()


@pytest.mark.parametrize(
    "code",
    [
        "import gymnasium as gym, sb3_vdb; gym.make('sb3_vdb/CMaze-v0')",
        "import sb3_vdb, gymnasium as gym; gym.make('sb3_vdb/CMaze-v0')",
        "import gymnasium as gym; gym.make('sb3_vdb:sb3_vdb/CMaze-v0')",
        "import gymnasium as gym; gym.make('sb3_vdb_envs:sb3_vdb/CMaze-v0')",
    ],
)
def test_ids_are_found_after_either_way_of_importing(code):
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=True)


def test_gymnasium_1_registers_with_register_envs_and_029_by_itself():
    if int(gym.__version__.split(".")[0]) >= 1:
        code = "import gymnasium as gym, sb3_vdb; gym.register_envs(sb3_vdb); "
        code += "gym.spec('sb3_vdb/SMaze-v0')"
    else:
        code = "import gymnasium as gym; gym.spec('sb3_vdb/SMaze-v0')"
    subprocess.run([sys.executable, "-c", code], check=True)
