"""The adapter from Gymnasium's vector environments to SB3's."""

import pickle
import subprocess
import sys
from copy import deepcopy
from inspect import signature

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor, load_results
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from sb3_vdb import Demonstrations, GymnasiumVecEnv, make_vec_env
from sb3_vdb.vec_env import NEXT_STEP, SAME_STEP, autoreset_mode_of
from sb3_vdb_envs.batched import BatchStep, BatchVectorEnv
from sb3_vdb_envs.maze import MazeVectorEnv
from sb3_vdb_envs.single import BatchOfOneEnv
from tests.conftest import GYMNASIUM_1, MAZE, make_batch, small_ppo
from tests.vmail.small import Dot

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


def test_make_vec_env_has_the_arguments_of_sb3s():
    """In the same order, so that one can be exchanged for the other."""
    theirs = list(signature(make_sb3_vec_env).parameters)
    assert list(signature(make_vec_env).parameters)[: len(theirs)] == theirs


@pytest.mark.parametrize("monitor", [True, False])
def test_a_wrapper_is_put_around_every_environment(monitor):
    venv = make_vec_env(
        MAZE,
        2,
        seed=0,
        wrapper_class=gym.wrappers.RescaleAction,
        wrapper_kwargs={"min_action": -2.0, "max_action": 2.0},
        env_kwargs={"force_limit": 0.5},
        monitor=monitor,
    )
    assert venv.env_is_wrapped(gym.wrappers.RescaleAction) == [True, True]
    assert venv.action_space.high.max() == 2.0
    assert [each.spec.kwargs["force_limit"] for each in venv.envs] == [0.5, 0.5]


@pytest.mark.parametrize("env_id", [MAZE, "Pendulum-v1"])
def test_monitor_files_begin_with_the_index_and_seeds_do_not(env_id, tmp_path):
    venv = make_vec_env(env_id, 2, seed=3, start_index=4, monitor_dir=str(tmp_path / "logs"))
    assert (venv.reset() == make_vec_env(env_id, 2, seed=3).reset()).all()
    actions = np.zeros((2, *venv.action_space.shape), np.float32)
    for _ in range(200):
        venv.step(actions)
    venv.close()
    assert (tmp_path / "logs" / "4.monitor.csv").exists()
    assert len(load_results(str(tmp_path / "logs"))) >= 2


def test_what_a_batch_cannot_monitor_is_refused():
    make_vec_env(MAZE, 2, monitor_kwargs={"info_keywords": ()})
    with pytest.raises(ValueError, match="`info_keywords` alone, got reset_keywords"):
        make_vec_env(MAZE, 2, monitor_kwargs={"reset_keywords": ("a",)})
    with pytest.raises(ValueError, match="need `monitor=True`"):
        make_vec_env(MAZE, 2, monitor_dir="logs", monitor=False)


@pytest.mark.parametrize("monitor", [True, False])
def test_specs_make_environments(monitor):
    assert isinstance(make_vec_env(gym.spec(MAZE), 2, monitor=monitor).unwrapped, GymnasiumVecEnv)
    changed = deepcopy(gym.spec("CartPole-v1"))
    changed.max_episode_steps = 7
    assert make_vec_env(changed, 2, monitor=monitor).envs[0].spec.max_episode_steps == 7


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


class Seen(Countdown):
    """A countdown that is observed as a number and as a picture."""

    observation_space = gym.spaces.Dict(
        {
            "state": gym.spaces.Box(0, 100, (1,), np.float32),
            "frame": gym.spaces.Box(0, 255, (36, 36, 1), np.uint8),
        }
    )

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed)
        return both(observation), info

    def step(self, action):
        observation, *rest = super().step(action)
        return both(observation), *rest


def both(state):
    """The number, and pictures as bright; of one copy or of many, shape (..., 1)."""
    shape = (*state.shape[:-1], 36, 36, 1)
    return {
        "state": state,
        "frame": np.broadcast_to(state[..., None, None], shape).astype(np.uint8),
    }


class SeenBatch:
    """Countdowns as an ``EnvBatch``."""

    observation_space, action_space = Seen.observation_space, Seen.action_space

    def __init__(self, lengths):
        self.lengths, self.left = np.array(lengths), np.array(lengths)

    def reset(self, indices, generators):
        self.left[indices] = self.lengths[indices]

    def observe(self):
        return both(self.left[:, None].astype(np.float32))

    def info(self):
        return {"left": self.left.copy()}

    def step(self, actions):
        self.left -= 1
        odd, ended = self.lengths % 2 == 1, self.left == 0
        rewards = np.ones(len(self.left))
        return BatchStep(self.observe(), rewards, {}, ended & ~odd, ended & odd)

    def get_state(self):
        return {"left": self.left.copy()}

    def set_state(self, state):
        self.left[:] = state["left"]


def dict_envs(kind, mode):
    lengths = [2, 3, 5]
    if kind == "batch":
        return BatchVectorEnv(SeenBatch(lengths), 3, None, mode, None)
    functions = [lambda length=length: Seen(length) for length in lengths]
    if not GYMNASIUM_1:
        return gym.vector.SyncVectorEnv(functions)
    return gym.vector.SyncVectorEnv(functions, autoreset_mode=gym.vector.AutoresetMode(mode))


def assert_same_parts(mine, theirs):
    assert set(mine) == set(theirs)
    for name, part in theirs.items():
        np.testing.assert_array_equal(mine[name], part)
        assert mine[name].dtype == part.dtype


@pytest.mark.parametrize("kind", ["batch", "sync"])
@pytest.mark.parametrize("mode", MODES if GYMNASIUM_1 else ["SameStep"])
def test_observations_of_several_parts_are_dictionaries_as_sb3_has_them(kind, mode):
    venv = GymnasiumVecEnv(dict_envs(kind, mode))
    reference = DummyVecEnv([lambda length=length: Seen(length) for length in [2, 3, 5]])
    assert_same_parts(venv.reset(), reference.reset())
    for _ in range(30):
        observations, rewards, dones, infos = venv.step(np.zeros(3, int))
        expected = reference.step(np.zeros(3, int))
        assert_same_parts(observations, expected[0])
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(dones, expected[2])
        for i in np.flatnonzero(dones):
            assert_same_parts(
                infos[i]["terminal_observation"], expected[3][i]["terminal_observation"]
            )
            assert infos[i]["TimeLimit.truncated"] == expected[3][i]["TimeLimit.truncated"]


def test_the_batch_of_one_is_a_single_environment_in_parts_too():
    env, expected = BatchOfOneEnv(SeenBatch([4]), None), Seen(4)
    assert_same_parts(env.reset(seed=0)[0], expected.reset()[0])
    for _ in range(4):
        observation, *rest, info = env.step(0)
        theirs, *their_rest, their_info = expected.step(0)
        assert_same_parts(observation, theirs)
        assert rest == their_rest
        assert info == their_info


def test_sb3_learns_and_demonstrates_in_a_batch_of_several_parts():
    venv = VecMonitor(GymnasiumVecEnv(BatchVectorEnv(SeenBatch([4, 6]), 2, None, "SameStep", None)))
    settings = {"n_steps": 8, "batch_size": 8, "n_epochs": 1, "device": "cpu"}
    model = PPO("MultiInputPolicy", venv, **settings)
    model.learn(32)
    demos = Demonstrations.from_rollouts(model, venv, 2)
    demos.validate(venv.observation_space, venv.action_space)
    assert [len(each) for each in demos] == [4, 6]
    np.testing.assert_array_equal(demos[0].observations["state"][:, 0], [4, 3, 2, 1, 0])


def test_a_batch_that_restarts_others_parts_is_noticed():
    class Restarts(SeenBatch):
        def reset(self, indices, generators):
            self.left[:] = self.lengths

    venv = GymnasiumVecEnv(BatchVectorEnv(Restarts([2, 3]), 2, None, "Disabled", None))
    venv.reset()
    venv.step(np.zeros(2, int))
    with pytest.raises(RuntimeError, match="restarted the others too"):
        venv.step(np.zeros(2, int))


@pytest.mark.parametrize("nested", [False, True])
def test_tuples_and_dictionaries_of_dictionaries_are_refused_with_the_remedy(nested):
    env = MazeVectorEnv(2)
    space = gym.spaces.Dict({"a": env.single_observation_space})
    env.single_observation_space = gym.spaces.Dict({"b": space}) if nested else gym.spaces.Tuple(())
    with pytest.raises(ValueError, match="FlattenObservation"):
        GymnasiumVecEnv(env)


# ---------------------------------------------------------------------- names of environments


@pytest.mark.parametrize("monitor", [True, False])
@pytest.mark.parametrize("env_id", ["sb3_vdb/CMaze", "sb3_vdb:sb3_vdb/CMaze-v0", MAZE])
def test_a_batch_has_every_name_that_gymnasium_knows(env_id, monitor):
    venv = make_vec_env(env_id, 2, monitor=monitor)
    assert isinstance(venv.unwrapped, GymnasiumVecEnv)
    assert venv.unwrapped.spec.id == MAZE


@pytest.mark.parametrize("monitor", [True, False])
def test_other_environments_have_every_name_too(monitor):
    def made(length):
        return gym.make("CartPole-v1", max_episode_steps=length)

    for env_id in ("CartPole", "CartPole-v1", "gymnasium:CartPole-v1"):
        assert make_vec_env(env_id, 1, monitor=monitor).envs[0].spec.id == "CartPole-v1"
    venv = make_vec_env(made, 2, seed=1, env_kwargs={"length": 3}, monitor=monitor)
    assert venv.envs[0].spec.max_episode_steps == 3
    first = venv.reset()
    assert (first == make_vec_env("CartPole-v1", 2, seed=1, monitor=monitor).reset()).all()
    assert make_vec_env(Dot, 2, monitor=monitor).observation_space == Dot().observation_space


def test_an_unknown_name_is_refused_with_the_nearest_ones():
    with pytest.raises(ValueError, match=r"'sb3_vdb/CMaze-v7' is not registered; did you mean sb3"):
        make_vec_env("sb3_vdb/CMaze-v7")
    with pytest.raises(ValueError, match="'sb3_vdb/CMaz' is not registered; did you mean"):
        make_vec_env("sb3_vdb/CMaz")
    with pytest.raises(ValueError, match=r"module of 'nowhere:Id-v0' cannot be imported .*PYTHONP"):
        make_vec_env("nowhere:Id-v0")


@pytest.mark.skipif(not GYMNASIUM_1, reason="Gymnasium 0.29 imports the package by itself")
def test_a_process_that_has_not_imported_the_package_can_make_the_environments():
    """As one that is spawned from a notebook: it gets the functions, pickled."""
    functions = []

    class Processes(DummyVecEnv):
        def __init__(self, env_fns):
            functions.append(env_fns[0])
            super().__init__(env_fns)

    for monitor in (True, False):
        venv = make_vec_env(MAZE, 1, monitor=monitor, vec_env_cls=Processes)
        assert isinstance(venv, Processes)
        assert venv.envs[0].spec.id == MAZE
    code = (
        "import pickle, sys; make = pickle.loads(sys.stdin.buffer.read()); "
        "assert 'sb3_vdb_envs' not in sys.modules; print(make().spec.id)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(functions[1]), capture_output=True
    )
    assert result.stdout.decode().split() == [MAZE], result.stderr.decode()[-500:]
