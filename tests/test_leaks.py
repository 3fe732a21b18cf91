"""The leak check finds what is planted, and is silent where nothing is."""

import io

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image
from stable_baselines3.common.vec_env import VecFrameStack

from sb3_vdb import Demonstrations, make_vec_env
from sb3_vdb.demonstrations.leak_signs import start_leaks
from sb3_vdb.demonstrations.leaks import RandomPolicy, find_leaks, warn_of_leaks
from sb3_vdb.transitions import map_parts
from sb3_vdb_envs.maze import WaypointController

pytestmark = pytest.mark.stacks


class Scattered(gym.Env):
    """Numbers and a picture with grain, from random starts."""

    observation_space = spaces.Dict(
        {
            "numbers": spaces.Box(-10.0, 10.0, (4,), np.float32),
            "picture": spaces.Box(0, 255, (32, 32, 3), np.uint8),
        }
    )
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def _see(self):
        picture = np.zeros((32, 32, 3), np.uint8)
        row, column = (int(each) for each in (3 * self._state[:2] + 12).clip(0, 24))
        picture[row : row + 8, column : column + 7] = (200, 90, 30)
        return {"numbers": self._state.astype(np.float32), "picture": picture}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._state, self._t = self.np_random.normal(size=4), 0
        return self._see(), {}

    def step(self, action):
        self._state = self._state + 0.1 * self.np_random.normal(size=4)
        self._state[:2] += 0.1 * np.asarray(action)
        self._t += 1
        return self._see(), 0.0, False, self._t >= 20, {}


@pytest.fixture
def scattered():
    return make_vec_env(Scattered, 8, seed=0)


@pytest.fixture
def demonstrations(scattered):
    policy = RandomPolicy(scattered.action_space, 8, seed=1)
    return Demonstrations.from_rollouts(policy, scattered, n_episodes=16)


def changed(demonstrations, **functions):
    """The same with some parts, or actions, changed."""

    def change(observations):
        return {
            name: functions[name](part) if name in functions else part
            for name, part in observations.items()
        }

    actions = functions.get("actions", lambda values: values)
    return Demonstrations.from_arrays(
        observations=[change(each.observations) for each in demonstrations],
        actions=[actions(each.actions) for each in demonstrations],
    )


def jpeg(pictures):
    coded = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, format="JPEG", quality=75)
        coded.append(np.asarray(Image.open(buffer)))
    return np.stack(coded)


def twice(values):
    return np.repeat(values[: (len(values) + 1) // 2], 2, axis=0)[: len(values)]


PLANTED = {
    "rounded": ({"numbers": lambda x: np.round(x, 2)}, "numbers", "rounded to 2 decimals"),
    "half": (
        {"numbers": lambda x: x.astype(np.float16).astype(np.float32)},
        "numbers",
        "rounded to float16",
    ),
    "shifted": (
        {"numbers": lambda x: x + np.array([0, 6, 0, 0], np.float32)},
        "numbers",
        "first observations never overlap in entries 1",
    ),
    "compressed": ({"picture": jpeg}, "picture", "number of grey levels"),
    "repeated": ({"numbers": twice}, "numbers", "repeat the observation"),
    "small actions": ({"actions": lambda a: 0.01 * a}, "actions", "beyond 1.0 % of the bounds"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_found_and_nothing_else(name, demonstrations, scattered):
    functions, where, what = PLANTED[name]
    found = find_leaks(changed(demonstrations, **functions), scattered)
    assert [each.where for each in found] == [where]
    assert what in str(found[0])
    with pytest.warns(UserWarning, match="tell the expert by " + where):
        warn_of_leaks(changed(demonstrations, **functions), scattered)


def test_clean_demonstrations_of_the_same_environment_are_silent(demonstrations, scattered):
    assert find_leaks(demonstrations, scattered) == []


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["sb3_vdb/CMaze-v0", "sb3_vdb/CMazePixels-v0"])
def test_an_expert_that_behaves_otherwise_is_no_leak(env_id):
    venv = make_vec_env("sb3_vdb/CMaze-v0", 8, seed=0)
    expert = WaypointController("c_maze")
    demonstrations = Demonstrations.from_rollouts(expert, venv, n_episodes=8)
    if "Pixels" in env_id:
        venv = make_vec_env(env_id, 8, seed=0)
        actions = iter(np.stack([each.actions for each in demonstrations], axis=1))

        class Replayed:
            def predict(self, observation, state=None, episode_start=None, deterministic=True):
                return next(actions), None

        demonstrations = Demonstrations.from_rollouts(Replayed(), venv, n_episodes=8)
    assert find_leaks(demonstrations, venv) == []


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "MountainCar-v0"])
def test_gymnasiums_tasks_are_silent(env_id):
    venv = make_vec_env(env_id, 8, seed=0)
    policy = RandomPolicy(venv.action_space, 8, seed=1)
    demonstrations = Demonstrations.from_rollouts(policy, venv, n_episodes=8)
    assert find_leaks(demonstrations, venv) == []


def test_frames_stacked_in_another_order_are_found():
    class Pictures(gym.ObservationWrapper):
        observation_space = Scattered.observation_space["picture"]

        def observation(self, observation):
            return observation["picture"]

    venv = VecFrameStack(make_vec_env(lambda: Pictures(Scattered()), 8, seed=0), 3)
    policy = RandomPolicy(venv.action_space, 8, seed=1)
    demonstrations = Demonstrations.from_rollouts(policy, venv, n_episodes=8)
    assert find_leaks(demonstrations, venv) == []

    def reversed_stack(stacks):
        frames = stacks.reshape(*stacks.shape[:3], 3, 3)
        return frames[:, :, :, ::-1].reshape(stacks.shape)

    turned = Demonstrations.from_arrays(
        observations=[
            map_parts(reversed_stack, np.asarray(each.observations)) for each in demonstrations
        ],
        actions=[each.actions for each in demonstrations],
    )
    found = find_leaks(turned, venv)
    assert [each.what.split(" at ")[0] for each in found] == ["stacked frames move on"]


def test_a_probe_finds_what_no_single_entry_shows():
    """The second entry is the first one, and a little more in the demonstrations."""
    rng = np.random.default_rng(0)
    expert, agent = rng.normal(size=(16, 1)), rng.normal(size=(32, 1))
    noise = 0.02 * rng.normal(size=(48, 1))
    found = start_leaks(
        "x",
        np.concatenate([expert, expert + 0.3 + noise[:16]], axis=1),
        np.concatenate([agent, agent + noise[16:]], axis=1),
    )
    assert [each.what for each in found] == [
        "a linear probe tells first observations apart (100 % right)"
    ]


def test_few_episodes_say_nothing_of_starts():
    rng = np.random.default_rng(0)
    assert start_leaks("x", rng.normal(size=(2, 3)) + 50, rng.normal(size=(32, 3))) == []


def test_a_probe_of_many_entries_and_few_episodes_is_no_false_alarm():
    rng = np.random.default_rng(0)
    for n in (6, 10, 40):
        assert start_leaks("x", rng.normal(size=(n, 200)), rng.normal(size=(40, 200))) == []


@pytest.mark.slow
def test_the_command_tells_what_it_found(tmp_path):
    from click.testing import CliRunner

    from sb3_vdb.cli import main

    venv = make_vec_env("Pendulum-v1", 8, seed=0)
    policy = RandomPolicy(venv.action_space, 8, seed=1)
    clean = Demonstrations.from_rollouts(policy, venv, n_episodes=8)
    rounded = Demonstrations.from_arrays(
        [np.round(each.observations, 1) for each in clean], [each.actions for each in clean]
    )
    for name, each, code, words in (
        ("clean", clean, 0, "nothing found"),
        ("rounded", rounded, 1, "rounded to 1 decimals"),
    ):
        path = each.save(tmp_path / name)
        result = CliRunner().invoke(main, ["demos", "check", str(path), "Pendulum-v1"])
        assert result.exit_code == code, result.output
        assert words in result.output
