"""dm_control's tasks: agreement with shimmy, frames, looks, threads, states, bad input."""

import os
import pickle
import resource
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from sb3_vdb import GymnasiumVecEnv, make_vec_env
from sb3_vdb.vec_env import action_repeat_of
from sb3_vdb_envs import dependencies
from sb3_vdb_envs.suite.env import SuitePixelEnv, SuiteStateEnv
from sb3_vdb_envs.suite.rendering import HIDDEN_GROUP, hide_floor
from sb3_vdb_envs.suite.tasks import TASKS, band_reward
from sb3_vdb_envs.suite.vector_env import pixel_vector_env, state_vector_env
from sb3_vdb_envs.vector import FINAL_OBSERVATION_KEY

suite = pytest.importorskip("dm_control.suite")
SOME = ["WalkerWalk", "CheetahRun", "CartpoleSwingup", "ReacherEasy", "FingerTurnEasy", "HopperHop"]


def actions_for(env, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, *env.action_space.shape)).astype(np.float32)


# --- the table


def test_every_task_of_the_suite_has_two_ids():
    assert {(task.domain, task.task) for task in TASKS if task.speeds is None} == set(
        suite.ALL_TASKS
    )
    for task in TASKS:
        for kind in ("Pixels", "State"):
            assert gym.spec(f"sb3_vdb/{task.name}{kind}-v0").kwargs == {"task": task.name}


def flat(observation):
    return np.concatenate([np.ravel(value) for value in observation.values()])


@pytest.mark.parametrize("name", SOME)
def test_states_rewards_and_lengths_are_shimmys(name):
    """From the same seed; over a whole episode where steps are quick."""
    n_steps = 1000 if name in ("CartpoleSwingup", "ReacherEasy") else 200
    shimmy = pytest.importorskip("shimmy.dm_control_compatibility")
    task = next(task for task in TASKS if task.name == name)
    theirs = shimmy.DmControlCompatibilityV0(suite.load(task.domain, task.task))
    mine = gym.make(f"sb3_vdb/{name}State-v0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, _ = theirs.reset(seed=3)
    observation, _ = mine.reset(seed=3)
    np.testing.assert_allclose(observation, flat(expected), rtol=1e-6)
    for step, action in enumerate(actions_for(mine, n_steps), start=1):
        expected, reward, terminated, truncated, _ = theirs.step(action.astype(np.float64))
        observation, mine_reward, *ends, info = mine.step(action)
        assert observation.dtype == np.float32
        np.testing.assert_allclose(observation, flat(expected), rtol=1e-6)
        assert mine_reward == pytest.approx(reward, abs=1e-12)
        assert ends == [terminated, truncated]
        assert info["frames"] == step
    assert truncated == (n_steps == 1000)


@pytest.mark.parametrize(
    ("speed", "share"),
    [(3.0, 1.0), (2.0, 1.0), (1.5, 0.75), (1.0, 0.5), (5.0, 0.5), (0.0, 0.0), (6.5, 0.0)],
)
def test_the_speed_band_pays_in_full_inside_and_less_outside(speed, share):
    """Upright walker: stand = 1, reward (5 move + 1) / 6, move linear to 0.5 at 1 m/s beyond."""
    rewards = pytest.importorskip("dm_control.utils.rewards")
    assert band_reward(rewards, 1.3, 1.0, speed, (2.0, 4.0)) == pytest.approx((5 * share + 1) / 6)


def test_above_eight_is_the_suites_run():
    """Its lower bound and margin are those of `walker run`."""
    env, run = SuiteStateEnv("WalkerSpeedAbove8"), SuiteStateEnv("WalkerRun")
    for each in (env, run):
        each.reset(seed=0)
    for action in actions_for(env, 20):
        assert env.step(action)[1] == pytest.approx(run.step(action)[1], abs=1e-12)


# --- frames, actions, pictures


def test_an_action_lasts_its_frames_and_collects_their_rewards():
    slow, fast = SuiteStateEnv("CheetahRun", action_repeat=4), SuiteStateEnv("CheetahRun")
    slow.reset(seed=0)
    fast.reset(seed=0)
    for action in actions_for(slow, 250):
        observation, reward, _, truncated, info = slow.step(action)
        single = [fast.step(action) for _ in range(4)]
        np.testing.assert_array_equal(observation, single[-1][0])
        assert reward == pytest.approx(sum(each[1] for each in single))
    assert info["frames"] == 1000
    assert truncated


def test_a_pixel_episode_has_500_steps_of_two_frames():
    small = {"image_size": 16}
    venv = make_vec_env("sb3_vdb/PendulumSwingupPixels-v0", 2, seed=0, env_kwargs=small)
    venv.reset()
    for step in range(1, 501):
        _, _, dones, infos = venv.step(np.zeros((2, 1), np.float32))
        assert dones.all() == (step == 500)
    assert infos[0]["TimeLimit.truncated"]
    assert infos[0]["frames"] == 1000
    venv.close()


def test_actions_are_stretched_to_the_tasks_bounds():
    env = SuiteStateEnv("QuadrupedWalk")  # bounds -1 and 1.1 for some actuators
    env.reset(seed=0)
    env.step(np.ones(12, np.float32))
    np.testing.assert_allclose(env.physics.control(), env._suite.action_spec().maximum)
    env.step(np.full(12, -7.0, np.float32))
    np.testing.assert_allclose(env.physics.control(), env._suite.action_spec().minimum)


def test_physics_do_not_depend_on_the_look():
    envs = [SuitePixelEnv("WalkerWalk", preset=preset) for preset in ("fast", "shadow", "default")]
    pictures = [env.reset(seed=1)[0] for env in envs]
    for action in actions_for(envs[0], 5):
        pictures = [env.step(action)[0] for env in envs]
    states = [env.physics.get_state() for env in envs]
    np.testing.assert_array_equal(states[0], states[1])
    np.testing.assert_array_equal(states[0], states[2])
    differences = [np.abs(each.astype(int) - pictures[2]).mean() for each in pictures]
    assert differences[0] > differences[1] > differences[2] == 0
    assert differences[0] < 15
    for env in envs:
        env.close()


@pytest.mark.parametrize("name", ["CartpoleSwingup", "CheetahRun"])
def test_without_its_floor_a_picture_shows_all_else(name):
    """Where no floor was, nothing changes, and physics never do."""
    envs = [SuitePixelEnv(name, render_mode="rgb_array", floor=floor) for floor in (True, False)]
    pictures = [env.reset(seed=1)[0] for env in envs]
    differs = (pictures[0] != pictures[1]).any(axis=-1)
    assert 0.1 < differs.mean() < 0.9
    assert not differs[: differs.shape[0] // 3].any()  # above
    assert (envs[0].render() != envs[1].render()).any()  # people see what learners see
    for action in actions_for(envs[0], 3):
        rewards = [env.step(action)[1] for env in envs]
        assert rewards[0] == rewards[1]
    states = [env.physics.get_state() for env in envs]
    np.testing.assert_array_equal(states[0], states[1])
    for env in envs:
        env.close()


def test_stacked_pictures_have_the_newest_last_and_start_alike():
    env, single = SuitePixelEnv("CheetahRun", frame_stack=3), SuitePixelEnv("CheetahRun")
    stacked, one = env.reset(seed=0)[0], single.reset(seed=0)[0]
    np.testing.assert_array_equal(stacked, np.concatenate([one] * 3, axis=-1))
    history = [one]
    for action in actions_for(env, 4):
        stacked, one = env.step(action)[0], single.step(action)[0]
        history.append(one)
    np.testing.assert_array_equal(stacked, np.concatenate(history[-3:], axis=-1))


def test_opengl_opens_with_the_first_picture_and_not_before():
    env = SuitePixelEnv("ReacherEasy")
    assert env._renderer._renderer._context is None
    env.reset(seed=0)
    assert env._renderer._renderer._context is not None
    env.close()
    assert env._renderer._renderer._context is None
    assert SuiteStateEnv("ReacherEasy", render_mode="rgb_array")._shown is None


def test_render_shows_more_pixels_than_the_observation_has():
    env = SuitePixelEnv("WalkerWalk", render_mode="rgb_array", render_height=120)
    observation, _ = env.reset(seed=0)
    assert observation.shape == (64, 64, 3)
    assert env.render().shape == (120, 120, 3)
    np.testing.assert_array_equal(env.step(np.zeros(6))[0].shape, (64, 64, 3))
    env.close()


def test_uneven_ground_is_drawn_anew_for_every_episode():
    env = SuitePixelEnv("QuadrupedEscape")
    pictures = [env.reset(seed=seed)[0] for seed in (0, 1, 0)]
    assert (pictures[0] != pictures[1]).any()
    np.testing.assert_array_equal(pictures[0], pictures[2])
    env.close()


EPISODE = """
import hashlib
import numpy as np
from sb3_vdb_envs.suite.env import SuitePixelEnv
env = SuitePixelEnv("CheetahRun")
actions = np.random.default_rng(0).uniform(-1, 1, (10, 6)).astype(np.float32)
pictures = [env.reset(seed=4)[0], *(env.step(action)[0] for action in actions)]
env.close()
first, digest = pictures[0], hashlib.sha256(np.stack(pictures).tobytes()).hexdigest()
"""


@pytest.mark.slow
def test_pixels_are_the_same_in_another_process_and_after_pickling():
    code = EPISODE + "print(digest)"
    run = [sys.executable, "-c", code]
    result = subprocess.run(run, capture_output=True, text=True, check=True)
    here = {}
    exec(EPISODE, here)
    assert result.stdout.split()[-1] == here["digest"]
    env = pickle.loads(pickle.dumps(SuitePixelEnv("CheetahRun")))
    np.testing.assert_array_equal(env.reset(seed=4)[0], here["first"])
    env.close()


@pytest.mark.slow
def test_making_and_closing_leaks_nothing():
    """30 of 200 kB each would show."""

    def use():
        env = SuitePixelEnv("CartpoleSwingup")
        env.reset(seed=0)
        env.close()

    for _ in range(15):
        use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(30):
        use()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 6_000  # kB


# --- batches


@pytest.fixture(scope="module")
def singles():
    """Three single walkers, and what each of them gives in twelve steps."""
    actions = np.random.default_rng(0).uniform(-1, 1, (12, 3, 6)).astype(np.float32)
    starts, steps = [], []
    for i in range(3):
        env = SuitePixelEnv("WalkerWalk")
        starts.append(env.reset(seed=5 + i)[0])
        steps.append([env.step(action[i]) for action in actions])
        env.close()
    return actions, starts, steps


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_is_so_many_single_environments(threads, singles):
    actions, starts, steps = singles
    batch = pixel_vector_env(3, "WalkerWalk", threads=threads)
    observations, _ = batch.reset(seed=5)
    np.testing.assert_array_equal(observations, starts)
    for t, action in enumerate(actions):
        observations, rewards, _, _, infos = batch.step(action)
        for i in range(3):
            mine, reward, _, _, info = steps[i][t]
            np.testing.assert_array_equal(mine, observations[i])
            assert reward == rewards[i]
            assert info["frames"] == infos["frames"][i]
    batch.close()
    batch.close()


def test_a_batch_restarts_within_the_step_that_ends_an_episode():
    batch, single = state_vector_env(2, "CartpoleSwingup"), SuiteStateEnv("CartpoleSwingup")
    batch.reset(seed=0)
    single.reset(seed=0)
    action = np.zeros((2, 1), np.float32)
    for _ in range(1000):
        observations, _, _, truncated, infos = batch.step(action)
        last, *_ = single.step(action[0])
    assert truncated.all()
    np.testing.assert_array_equal(infos[FINAL_OBSERVATION_KEY][0], last)
    np.testing.assert_array_equal(observations[0], single.reset()[0])
    batch.close()


@pytest.mark.parametrize(
    "name", ["WalkerWalk", "ReacherEasy", "BallInCupCatch", "FishSwim", "CheetahRun"]
)
def test_a_batch_goes_on_from_a_saved_state(name):
    """Over the end of an episode, so that the random generators count too."""
    env = state_vector_env(2, name, action_repeat=4, max_episode_steps=20)
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 2, *env.single_action_space.shape))
    other = state_vector_env(2, name, action_repeat=4, max_episode_steps=20)
    assert_goes_on(env, other, actions, 10)
    env.close()
    other.close()


def assert_goes_on(env, other, actions, n_before):
    """A state taken after some steps gives the same steps in another environment."""
    env.reset(seed=0)
    for action in actions[:n_before]:
        env.step(action)
    state = env.get_state()
    expected = [env.step(action)[:4] for action in actions[n_before:]]
    other.set_state(state)
    for action, wanted in zip(actions[n_before:], expected, strict=True):
        for mine, theirs in zip(other.step(action)[:4], wanted, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def arrays_of(model):
    """Everything of a MuJoCo model that physics and pictures are made of."""
    values = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_task_goes_on_from_a_saved_state_and_has_a_floor_to_leave_out(task):
    """Into a fresh environment: what the task wrote into the model has to come along, of which
    pictures are rendered, too.
    """
    env, other = (state_vector_env(1, task.name, action_repeat=2) for _ in range(2))
    actions = np.random.default_rng(0).uniform(-1, 1, (8, 1, *env.single_action_space.shape))
    assert_goes_on(env, other, actions, 4)
    mine, theirs = (arrays_of(each.batch.envs[0].physics.model.ptr) for each in (env, other))
    assert len(mine) > 200
    for name, values in mine.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)
    physics = other.batch.envs[0].physics
    hide_floor(physics)
    floors = [i for i in range(physics.model.ngeom) if physics.model.geom_group[i] == HIDDEN_GROUP]
    assert any(physics.model.geom_type[i] == 0 for i in floors)  # a plane
    env.close()
    other.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ReacherEasy", "FingerTurnEasy", "PointMassHard", "QuadrupedRun"])
def test_a_stack_of_pictures_goes_on_from_a_saved_state(name):
    kwargs = {"image_size": 16, "frame_stack": 2, "action_repeat": 2}
    env, other = (pixel_vector_env(1, name, **kwargs) for _ in range(2))
    actions = np.random.default_rng(0).uniform(-1, 1, (8, 1, *env.single_action_space.shape))
    assert_goes_on(env, other, actions, 4)
    env.close()
    other.close()


def test_with_next_step_an_ended_episode_waits_for_its_restart():
    if FINAL_OBSERVATION_KEY == "final_observation":
        pytest.skip("Gymnasium 0.29 knows one mode")
    env = state_vector_env(2, "PendulumSwingup", action_repeat=500, autoreset_mode="NextStep")
    start, _ = env.reset(seed=0)
    action = np.zeros((2, 1), np.float32)
    for _ in range(2):
        _, _, _, truncated, _ = env.step(action)
    assert truncated.all()
    observations, rewards, terminated, truncated, infos = env.step(action)
    assert (rewards == 0).all()
    assert not (terminated | truncated).any()
    assert (infos["frames"] == 0).all()
    assert (observations != start).any()
    env.step(action)


# --- bad input


def test_a_step_before_the_start_or_after_the_end_is_refused():
    env = SuiteStateEnv("PendulumSwingup", action_repeat=1000)
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.step(np.zeros(1))
    env.reset(seed=0)
    assert env.step(np.zeros(1))[3]
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.step(np.zeros(1))


def test_an_environment_that_changes_its_thread_says_so():
    env = SuitePixelEnv("PendulumSwingup")
    worker = ThreadPoolExecutor(1)
    worker.submit(env.reset, seed=0).result()
    with pytest.raises(RuntimeError, match="in another thread"):
        env.step(np.zeros(1))
    env.close()
    env.reset(seed=0)  # opens OpenGL here
    env.close()


def test_states_need_no_opengl_and_pictures_say_what_is_missing():
    code = "import gymnasium as gym, sb3_vdb_envs; e = gym.make('sb3_vdb/PendulumSwingup{}-v0'); "
    code += "e.reset(seed=0); e.step(e.action_space.sample())"
    environment = {**os.environ, "MUJOCO_GL": "disabled"}
    for kind in ("State", "Pixels"):
        run = [sys.executable, "-c", code.format(kind)]
        result = subprocess.run(run, env=environment, capture_output=True, text=True)
        assert (result.returncode == 0) == (kind == "State"), result.stderr
    assert "MUJOCO_GL=disabled switches pictures off; install" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "WalkerWlak"}, "did you mean WalkerWalk"),
        ({"preset": "ultra"}, "`preset` must be one of fast, shadow, default"),
        ({"image_size": 8}, "`image_size` must lie between 16 and 2048"),
        ({"action_repeat": 0}, "`action_repeat` must be a whole number"),
        ({"frame_stack": 0}, "`frame_stack` must be a whole number of pictures"),
        ({"camera": "moon"}, r"`camera` must be one of 0 \(side\)"),
        ({"camera": 9}, "`camera` must be one of 0"),
        ({"render_mode": "human"}, "`render_mode` must be"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        SuitePixelEnv(**arguments)


def test_an_action_that_is_not_a_number_is_refused():
    env = SuiteStateEnv("PendulumSwingup")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="is not a number"):
        env.step(np.array([np.nan]))


def test_an_id_of_no_task_names_the_nearest():
    with pytest.raises(gym.error.NameNotFound, match="WalkerWalkPixels"):
        gym.make("sb3_vdb/WalkerWolkPixels-v0")


def test_mujoco_4_is_refused_with_what_to_do(monkeypatch):
    from sb3_vdb_envs.suite import tasks

    fake = SimpleNamespace(__version__="4.0.0")
    monkeypatch.setattr(tasks, "require", lambda *_: fake)
    with pytest.raises(DependencyNotInstalled, match=r'mujoco 4\.0\.0: pip install "mujoco>=3'):
        SuiteStateEnv("WalkerWalk")


@pytest.mark.parametrize("package", ["dm_control", "mujoco"])
def test_a_missing_package_is_named_with_the_remedy_of_dm_control(package, monkeypatch):
    """Case 39: without mujoco, too, its extra is `pixels`."""
    real = dependencies.importlib.import_module

    def missing(name, *args):
        if name.startswith(package):
            raise ImportError(f"No module named '{package}'")
        return real(name, *args)

    monkeypatch.delitem(sys.modules, "dm_control.suite")
    monkeypatch.setattr(dependencies.importlib, "import_module", missing)
    with pytest.raises(DependencyNotInstalled, match=r"sb3-vdb\[pixels\].*dm_control"):
        gym.make("sb3_vdb/WalkerWalkPixels-v0")


@pytest.mark.parametrize("single", [False, True])
def test_every_way_of_batching_says_how_long_an_action_lasts(single):
    env_id, kwargs = "sb3_vdb/PendulumSwingupState-v0", {"action_repeat": 4}
    venv = (
        DummyVecEnv([lambda: gym.make(env_id, **kwargs)])
        if single
        else make_vec_env(env_id, 2, env_kwargs=kwargs)
    )
    assert action_repeat_of(venv) == action_repeat_of(VecMonitor(venv)) == 4
    venv.close()
    own = GymnasiumVecEnv(gym.make_vec(env_id, 2, vectorization_mode="sync", **kwargs))
    assert action_repeat_of(own) == 4
    own.close()
