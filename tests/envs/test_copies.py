"""A deep copy goes on where the original is, and neither touches the other."""

import copy

import gymnasium as gym
import numpy as np
import pytest

from sb3_vdb import make_vec_env
from tests.conftest import make_batch

MAZES = ("SMaze", "CMazePixels")
MUJOCO = ("HumanoidCartwheel", "PointMassHardState")
PICTURES = "CartpoleSwingupPixels"  # opening OpenGL takes most of the time
N_STEPS = 3


def needs(name):
    if name not in MAZES:
        pytest.importorskip("mujoco" if "Humanoid" in name else "dm_control")


def played(env, n_steps=N_STEPS):
    """Everything that an environment gives in some steps and after a restart, by its own random
    generators.
    """
    steps = [env.step(env.action_space.sample())[:4] for _ in range(n_steps)]
    return [part for step in steps for part in step] + [env.reset()[0]]


def assert_copies_go_on(env):
    env.reset(seed=5)
    env.action_space.seed(3)
    played(env)
    copied = copy.deepcopy(env)
    for ours, theirs in zip(played(env), played(copied), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    copied.close()
    np.testing.assert_array_equal(env.reset(seed=5)[0], env.reset(seed=5)[0])
    env.close()


@pytest.mark.parametrize("name", [*MAZES, *MUJOCO, PICTURES])
def test_a_copied_environment_goes_on(name):
    needs(name)
    assert_copies_go_on(gym.make(f"sb3_vdb/{name}-v0"))


@pytest.mark.parametrize("name", [*MAZES, *MUJOCO])
def test_a_copied_batch_goes_on(name):
    needs(name)
    assert_copies_go_on(make_batch(f"sb3_vdb/{name}-v0", 2))


def test_a_copy_keeps_the_time_limit_and_draws_its_own_picture():
    env = gym.make("sb3_vdb/CMaze-v0", render_mode="rgb_array", max_episode_steps=4)
    env.reset(seed=0)
    env.step(np.ones(2))
    picture = env.render()
    copied = copy.deepcopy(env)
    np.testing.assert_array_equal(copied.render(), picture)
    ends = [copied.step(np.ones(2))[3] for _ in range(3)]
    assert ends == [False, False, True]
    np.testing.assert_array_equal(env.render(), picture)


def test_environments_of_sb3_can_be_copied():
    """SB3's own wrappers, such as its monitor, cannot."""
    venv = make_vec_env("sb3_vdb/CMaze-v0", 2, seed=1, monitor=False)
    venv.reset()
    venv.step(np.ones((2, 2), np.float32))
    copied = copy.deepcopy(venv)
    for _ in range(100):  # over the end of the episode
        ours, theirs = (each.step(np.ones((2, 2), np.float32)) for each in (venv, copied))
        np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[2], theirs[2])


def test_a_copy_before_the_first_reset_is_a_new_environment():
    env = gym.make("sb3_vdb/CMaze-v0")
    copied = copy.deepcopy(env)
    np.testing.assert_array_equal(copied.reset(seed=2)[0], env.reset(seed=2)[0])


def test_what_bullet_remembers_cannot_be_copied():
    pytest.importorskip("pybullet")
    env = gym.make("sb3_vdb/BulletHumanoidRun-v0")
    copied = copy.deepcopy(env)
    copied.reset(seed=0)
    with pytest.raises(NotImplementedError, match="Bullet's contacts cannot be copied"):
        copy.deepcopy(copied)
    env.close()
    copied.close()


@pytest.mark.parametrize("actions", [np.zeros(3), np.zeros(()), np.zeros((1, 2))])
def test_actions_of_another_shape_are_refused(actions):
    env = gym.make("sb3_vdb/CMaze-v0", disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions have shape .*, the action space has \(2,\)"):
        env.step(actions)
    batch = make_batch("sb3_vdb/CMaze-v0", 3)
    batch.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions have shape .*, the action space has \(3, 2\)"):
        batch.step(actions)
