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

ENGINES = {
    "Maze": None,
    "Pixels": "dm_control",
    "State": "dm_control",
    "BulletHumanoid": "pybullet",
    "Humanoid": "mujoco",
}  # by part of the name

HEAVY = ("Dog", "Quadruped", "Manipulator", "Stacker", "HumanoidCMU", "Swimmer")  # to compile


def engine_of(name: str) -> str | None:
    return next(engine for part, engine in ENGINES.items() if part in name)


def needs_engine(row):
    """The id, skipped where its simulator is not installed."""
    engine = engine_of(row.name)
    installed = engine is None or importable(engine)
    mark = pytest.mark.skipif(not installed, reason=f"{engine} is not installed")
    marks = [mark, pytest.mark.slow] if row.name.startswith(HEAVY) else [mark]
    return pytest.param(row.id, marks=marks, id=row.name)


def importable(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


IDS = [needs_engine(row) for row in ENVIRONMENTS]


def n_steps(env_id: str) -> int:
    """More than one episode of a maze; for the humanoids some falls and restarts."""
    return 120 if "Maze" in env_id else 10 if engine_of(env_id) == "dm_control" else 40


def rollout(env, actions, seed=7):
    trace = [env.reset(seed=seed)[0]]
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        trace += [observation, reward, terminated, truncated]
        if terminated or truncated:
            trace.append(env.reset()[0])
    return trace


def random_actions(env, n=None):
    env.action_space.seed(1)
    return [env.action_space.sample() for _ in range(n or n_steps(env.spec.id))]


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
    env.close()


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
        _, reward, terminated, _, info = env.step(action)
        terms = [value for name, value in info.items() if name.startswith("reward/")]
        assert len(terms) >= (1 if "dm_control" in str(engine_of(env.spec.name)) else 2)
        assert sum(terms) == pytest.approx(reward, abs=1e-12)
        if terminated:
            env.reset()


@pytest.mark.parametrize("env_id", IDS)
def test_rendering_gives_a_picture_and_closing_twice_is_legal(env_id):
    height = 64
    env = gym.make(env_id, render_mode="rgb_array", render_height=height)
    env.reset(seed=0)
    first = env.render()
    for _ in range(100):  # the linear springs of lqr hardly move at first
        *_, terminated, _, _ = env.step(np.full(env.action_space.shape, 1.0, np.float32))
        second = env.render()
        if (first != second).any() or terminated:
            break
    assert first.dtype == np.uint8
    assert first.shape[0] == height
    assert first.std() > 10
    assert (first != second).any()
    env.close()
    env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_observations_stay_in_their_space(env_id):
    n = 16 if engine_of(env_id) in (None, "mujoco") else 2
    venv = make_vec_env(env_id, n, seed=0)
    observations = venv.reset()
    rng = np.random.default_rng(0)
    shape = (n, *venv.action_space.shape)
    for _ in range(n_steps(env_id)):
        assert all(venv.observation_space.contains(each) for each in observations)
        observations, *_ = venv.step(rng.uniform(-1, 1, shape).astype(np.float32))
    venv.close()


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
