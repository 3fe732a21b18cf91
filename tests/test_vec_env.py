"""The adapter from Gymnasium's vector environments to SB3's."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from sb3_vdb import GymnasiumVecEnv, make_vec_env
from sb3_vdb.vec_env import NEXT_STEP, SAME_STEP, autoreset_mode_of
from sb3_vdb_envs.maze import MazeVectorEnv
from tests.conftest import GYMNASIUM_1, MAZE, make_batch, small_ppo

MODES = ["SameStep", "NextStep", "Disabled"]


class Countdown(gym.Env):
    """Episode i lasts ``length`` steps; terminates, or is truncated if ``length`` is odd."""

    observation_space = gym.spaces.Box(0, 100, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    render_mode = None

    def __init__(self, length):
        self.length = length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.length
        return np.array([self.left], np.float32), {"fresh": True}

    def step(self, action):
        self.left -= 1
        ended = self.left == 0
        odd = self.length % 2 == 1
        observation = np.array([self.left], np.float32)
        return observation, 1.0, ended and not odd, ended and odd, {"left": self.left}


def sync_env(lengths, mode):
    functions = [lambda length=length: Countdown(length) for length in lengths]
    if not GYMNASIUM_1:
        return gym.vector.SyncVectorEnv(functions)
    return gym.vector.SyncVectorEnv(functions, autoreset_mode=gym.vector.AutoresetMode(mode))


@pytest.mark.parametrize("mode", MODES if GYMNASIUM_1 else ["SameStep"])
def test_every_mode_gives_sb3s_view_of_ended_episodes(mode):
    lengths = [2, 3, 5]
    venv = GymnasiumVecEnv(sync_env(lengths, mode))
    np.testing.assert_array_equal(venv.reset()[:, 0], lengths)
    reference = DummyVecEnv([lambda length=length: Countdown(length) for length in lengths])
    reference.reset()
    for _ in range(30):
        actions = np.zeros(3, int)
        observations, rewards, dones, infos = venv.step(actions)
        expected = reference.step(actions)
        np.testing.assert_array_equal(observations, expected[0])
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(dones, expected[2])
        for i in np.flatnonzero(dones):
            np.testing.assert_array_equal(infos[i]["terminal_observation"], [0.0])
            assert infos[i]["TimeLimit.truncated"] == (lengths[i] % 2 == 1)
            assert infos[i]["left"] == 0


@pytest.mark.parametrize("mode", MODES)
def test_the_batched_maze_has_all_modes(mode):
    venv = GymnasiumVecEnv(MazeVectorEnv(3, max_episode_steps=4, autoreset_mode=mode))
    venv.seed(0)
    start = venv.reset()
    for step in range(1, 13):
        observations, _, dones, infos = venv.step(np.ones((3, 2), np.float32))
        assert dones.all() == (step % 4 == 0)
        if dones.all():
            assert (infos[0]["terminal_observation"] != observations[0]).all()
            assert infos[0]["TimeLimit.truncated"]
            assert set(infos[0]) >= {"distance_to_goal", "is_success", "reward/distance"}
            np.testing.assert_allclose(observations, start, atol=1e-6)


def test_a_batch_equals_sb3s_own_vectorisation():
    batch, dummy = make_vec_env(MAZE, 3, seed=4), DummyVecEnv([lambda: gym.make(MAZE)] * 3)
    dummy.seed(4)
    np.testing.assert_array_equal(batch.reset(), dummy.reset())
    rng = np.random.default_rng(0)
    for _ in range(250):
        actions = rng.uniform(-1, 1, (3, 2)).astype(np.float32)
        observations, rewards, dones, infos = batch.step(actions)
        expected = dummy.step(actions)
        np.testing.assert_array_equal(observations, expected[0])
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(dones, expected[2])
        if dones.any():
            for name in ("terminal_observation", "TimeLimit.truncated", "is_success"):
                np.testing.assert_array_equal(infos[0][name], expected[3][0][name])


def test_infos_of_every_step_on_request():
    venv = GymnasiumVecEnv(MazeVectorEnv(2), every_step_infos=True)
    venv.reset()
    infos = venv.step(np.zeros((2, 2), np.float32))[3]
    assert isinstance(infos[1]["distance_to_goal"], float)
    assert venv.reset_infos[0]["is_success"] is False


class IgnoresTheMask(MazeVectorEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)


def test_an_environment_that_restarts_too_much_is_found_out():
    env = IgnoresTheMask(2, max_episode_steps=3, autoreset_mode="NextStep")
    venv = GymnasiumVecEnv(env)
    venv.reset()
    env._steps[0] = 1  # so that the mazes end at different times
    venv.step(np.ones((2, 2), np.float32))
    with pytest.raises(RuntimeError, match="SAME_STEP"):
        venv.step(np.ones((2, 2), np.float32))


def test_the_mode_of_an_environment_without_metadata_follows_its_gymnasium():
    assert autoreset_mode_of(object()) == (NEXT_STEP if GYMNASIUM_1 else SAME_STEP)


def test_make_vec_env_batches_what_it_can_and_monitors_it():
    assert isinstance(make_vec_env(MAZE, 2).venv, GymnasiumVecEnv)
    assert isinstance(make_vec_env("Pendulum-v1", 2), DummyVecEnv)
    with pytest.raises(ValueError, match="`n_envs`"):
        make_vec_env(MAZE, 0)


def test_environment_arguments_reach_the_batch():
    venv = make_vec_env(MAZE, 500, seed=0, env_kwargs={"start_noise": 0.05})
    assert venv.reset().std(axis=0).min() > 0.01


def test_sb3_learns_evaluates_and_renders_on_the_adapter():
    venv = make_vec_env(
        MAZE, 4, seed=0, env_kwargs={"render_mode": "rgb_array", "render_height": 48}
    )
    model = small_ppo(venv)
    model.learn(400)
    returns, lengths = evaluate_policy(model, venv, 4, return_episode_rewards=True)
    assert lengths == [100] * 4
    assert all(-70 < each < -3 for each in returns)
    assert len(venv.get_images()) == 4
    assert model.ep_info_buffer[0]["r"] < 0


def test_attributes_belong_to_the_batch():
    venv = make_vec_env(MAZE, 2)
    assert venv.get_attr("max_episode_steps") == [100, 100]
    venv.set_attr("max_episode_steps", 7)
    assert venv.get_attr("max_episode_steps", 0) == [7]
    with pytest.raises(ValueError, match="one batch"):
        venv.set_attr("max_episode_steps", 7, indices=[0])
    assert venv.env_is_wrapped(gym.Wrapper) == [False, False]
    assert isinstance(venv, VecMonitor)
    venv.close()


def test_other_packages_batches_are_not_taken_for_granted():
    """CartPole has a batch of its own, which cannot restart single environments."""
    venv = make_vec_env("CartPole-v1", 2, seed=0)
    assert isinstance(venv, DummyVecEnv)
    small_ppo(venv).learn(200)
    unmonitored = make_vec_env("Pendulum-v1", 2, seed=0, monitor=False)
    assert unmonitored.env_is_wrapped(Monitor) == [False, False]


def test_a_batch_that_cannot_restart_single_environments_says_so():
    venv = GymnasiumVecEnv(make_batch("CartPole-v1", 3))
    venv.seed(0)
    venv.reset()

    def play():
        for _ in range(500):
            venv.step(np.array([0, 1, 0]))

    with pytest.raises(RuntimeError, match="SyncVectorEnv"):
        play()


def test_dictionary_observations_are_refused_with_the_remedy():
    env = MazeVectorEnv(2)
    env.single_observation_space = gym.spaces.Dict({"a": env.single_observation_space})
    with pytest.raises(ValueError, match="FlattenObservation"):
        GymnasiumVecEnv(env)
