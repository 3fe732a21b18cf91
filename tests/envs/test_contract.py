"""What every registered id promises."""

import copy
import inspect
import pickle
import subprocess
import sys
import warnings
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from sb3_vdb import make_vec_env
from sb3_vdb_envs import ENVIRONMENTS, SIMULATORS, EnvironmentRow, environment, register_envs
from sb3_vdb_envs.suite.tasks import BY_NAME
from sb3_vdb_envs.vector import row_of
from tests.conftest import GYMNASIUM_1

MODULES = {
    "box2d": "Box2D",
    "gymnasium-robotics": "gymnasium_robotics",
}  # of distributions that are called otherwise


def needs_simulator(row):
    """The row, skipped where its simulator is not installed."""
    packages = SIMULATORS[row.simulator].packages if row.simulator else ()
    installed = all(importable(MODULES.get(package, package)) for package in packages)
    mark = pytest.mark.skipif(not installed, reason=f"{packages} are not installed")
    return pytest.param(row, marks=[mark, pytest.mark.slow] if row.heavy else [mark], id=row.name)


def importable(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


# The other ids have the same classes with another clip, another task or another dm_control model,
# which another Gymnasium or SB3 cannot change: the second stack checks these alone.
REPRESENTATIVES = (
    "CMaze",
    "CMazePixels",
    "HumanoidRun",
    "HumanoidMocap",
    "BulletHumanoidRun",
    "BipedRunVideo",
    "BulletBipedRunVideo",
    "WalkerWalkState",
    "WalkerWalkPixels",
    "QuadrupedEscapeState",
    "QuadrupedEscapePixels",
    "DClawScrew3CWState",
    "DClawScrew4CCWPixels",
    "BaodingState",
    "BaodingPixels",
    "CarRacingState",
    "CarRacingPixels",
)
# one task of each heavy model of dm_control
HEAVIEST = (
    "DogFetchState",
    "HumanoidCMURunState",
    "ManipulatorInsertPegState",
    "StackerStack4State",
    "SwimmerSwimmer15State",
)


def has_physics_of_its_own(row: EnvironmentRow) -> bool:
    """Whether copies and seeds of the id are looked at: pixels and clips have the physics of
    another id, and what is their own is their class's, which representatives have, too.
    """
    if row.name in REPRESENTATIVES or row.name in HEAVIEST or row.family == "maze":
        return True
    return row.family == "suite" and row.state_twin is None and not row.heavy


ROWS = [row for row in ENVIRONMENTS if GYMNASIUM_1 or row.name in REPRESENTATIVES]
EVERY_ID = pytest.mark.parametrize("made", [*map(needs_simulator, ROWS)], indirect=True)
EVERY_PHYSICS = pytest.mark.parametrize(
    "made",
    [needs_simulator(row) for row in ROWS if has_physics_of_its_own(row)],
    indirect=True,
)
EVERY_PICTURE = pytest.mark.parametrize(
    "made",
    [
        needs_simulator(row)
        for row in ROWS
        if row.name in REPRESENTATIVES or row.family != "suite" or row.state_twin is not None
    ],
    indirect=True,
)
# opening OpenGL takes most of the time; every task of the suite renders with the same code, and
# `test_rendering_gives_a_picture` looks at the pictures of each
RENDER_CHECKED = ("WalkerWalkPixels", "WalkerWalkState")
N_STEPS = {
    "maze": 120,
    "humanoid": 40,
    "biped": 40,
    "suite": 10,
    "hands": 12,
    "racing": 30,
}  # over an episode of a maze; over some falls
N_COPIES = {"maze": 4, "mujoco": 8, "bullet": 2, "dm_control": 2, "hand": 3, "box2d": 2}
HEIGHT = 32  # pixels of rendered pictures


class Made(NamedTuple):
    """An environment, and what a rollout in it gave."""

    row: EnvironmentRow
    env: gym.Env
    actions: list
    infos: list  # of each step
    trace: list  # observations, rewards and ends


@pytest.fixture(scope="module")
def made(request):
    """One environment for every test of its id; pictures in the cheapest look."""
    row = request.param
    look = {"preset": "fast"} if "preset" in row.look else {}
    env = gym.make(row.id, render_mode="rgb_array", render_height=HEIGHT, **look)
    env.action_space.seed(1)
    actions = [env.action_space.sample() for _ in range(N_STEPS[row.family])]
    trace, infos = rollout(env, actions)
    yield Made(row, env, actions, infos, trace)
    env.close()


def rollout(env, actions, seed=7):
    trace, infos = [env.reset(seed=seed)[0]], []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        trace += [observation, reward, terminated, truncated]
        infos.append(info)
        if terminated or truncated:
            trace.append(env.reset()[0])
    return trace, infos


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_equal(a, b)  # goes into dictionaries


@EVERY_PHYSICS
@pytest.mark.parametrize("check", [gymnasium_check_env, sb3_check_env])
def test_both_checkers_are_silent(made, check):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if check is gymnasium_check_env and made.row.family == "suite":
            check(made.env.unwrapped, skip_render_check=made.row.name not in RENDER_CHECKED)
        else:
            check(made.env.unwrapped)


@EVERY_PHYSICS
def test_a_seed_decides_the_episode_and_pickling_and_copying_keep_the_behaviour(made):
    """A pickled environment is another one, made anew. Closing twice is legal."""
    pickled = pickle.loads(pickle.dumps(made.env))
    copied = copy.deepcopy(pickled)
    for env in (pickled, copied):
        assert_same(made.trace, rollout(env, made.actions)[0])
        env.close()
        env.close()


@EVERY_PHYSICS
def test_a_seed_decides_the_episode_whatever_was_before(made):
    assert_same(made.trace[:20], rollout(made.env, made.actions)[0][:20])


@EVERY_ID
def test_every_reward_term_is_in_info_and_the_terms_sum_to_the_reward(made):
    # an observation comes first, and another one after each end
    rewards = [each for each in made.trace if isinstance(each, float)]
    assert len(rewards) == len(made.infos)
    for reward, info in zip(rewards, made.infos, strict=True):
        terms = [value for name, value in info.items() if name.startswith("reward/")]
        assert len(terms) >= (1 if made.row.family == "suite" else 2)
        assert sum(terms) == pytest.approx(reward, abs=1e-12)


@EVERY_PICTURE
def test_rendering_gives_a_picture(made):
    env = made.env
    env.reset(seed=0)
    first = env.render()
    for _ in range(100):  # the linear springs of lqr hardly move at first
        *_, terminated, _, _ = env.step(np.full(env.action_space.shape, 1.0, np.float32))
        second = env.render()
        if (first != second).any() or terminated:
            break
    assert first.dtype == np.uint8
    assert first.shape[0] == HEIGHT
    assert first.std() > 10
    assert (first != second).any()


@EVERY_ID
def test_observations_stay_in_their_space(made):
    observations = [each for each in made.trace if isinstance(each, np.ndarray | dict)]
    assert len(observations) > len(made.actions)
    assert all(made.env.observation_space.contains(each) for each in observations)


@EVERY_PHYSICS
def test_observations_of_a_batch_stay_in_their_space(made):
    opens_opengl = made.row.family == "suite" and made.row.state_twin is not None
    n = 1 if opens_opengl else N_COPIES[made.row.simulator or made.row.family]
    venv = make_vec_env(made.row.id, n, seed=0)
    observations = venv.reset()
    rng = np.random.default_rng(0)
    shape = (n, *venv.action_space.shape)
    for _ in made.actions:
        assert all(venv.observation_space.contains(row_of(observations, i)) for i in range(n))
        observations, *_ = venv.step(rng.uniform(-1, 1, shape).astype(np.float32))
    venv.close()


def test_every_class_simulator_and_heavy_model_is_represented():
    names = {row.name: row for row in ENVIRONMENTS}
    chosen = [names[name] for name in REPRESENTATIVES]
    classes = {(row.entry_point, row.vector_entry_point, row.simulator) for row in ENVIRONMENTS}
    assert {(row.entry_point, row.vector_entry_point, row.simulator) for row in chosen} == classes
    models = {
        BY_NAME[row.kwargs["task"]].domain
        for row in ENVIRONMENTS
        if row.heavy and has_physics_of_its_own(row)
    }
    assert models == {BY_NAME[row.kwargs["task"]].domain for row in ENVIRONMENTS if row.heavy}


@pytest.mark.parametrize("row", ENVIRONMENTS, ids=lambda row: row.name)
def test_specs_can_be_printed_pickled_and_written_as_json(row):
    """Vector entry points are names."""
    spec = gym.spec(row.id)
    assert row.id in spec.pprint(disable_print=True)
    assert EnvSpec.from_json(spec.to_json()).vector_entry_point == spec.vector_entry_point
    assert pickle.loads(pickle.dumps(spec)).kwargs == row.kwargs


def test_every_vector_entry_point_leads_to_a_batch_with_the_arguments_of_its_id():
    for row in ENVIRONMENTS:
        name = gym.spec(row.id).vector_entry_point
        assert (name is None) == (row.vector_entry_point is None)
        if name is not None:
            creator = load_env_creator(name)
            assert creator.keywords == row.kwargs
            assert set(row.kwargs) <= set(inspect.signature(creator.func).parameters)
    with pytest.raises(AttributeError, match="no attribute 'BulletHumanoidRun'"):
        load_env_creator("sb3_vdb_envs.vector_entry_points:BulletHumanoidRun")


def test_the_table_knows_twins_looks_and_simulators():
    for row in ENVIRONMENTS:
        arguments = inspect.signature(load_env_creator(row.entry_point)).parameters
        assert {*row.look, *row.kwargs} <= set(arguments)
        assert row.name.endswith("Pixels") == (row.state_twin is not None)
        assert row.extra in {None, *(simulator.extra for simulator in SIMULATORS.values())}
        if row.state_twin is not None:
            twin = environment(row.state_twin)
            assert twin.family == row.family
            assert twin.simulator == row.simulator
            assert twin.kwargs.items() <= row.kwargs.items()
    assert environment("sb3_vdb:sb3_vdb/CMaze-v0").name == "CMaze"
    assert environment("CartPole-v1") is None
    mocap = environment("sb3_vdb/HumanoidMocap-v0")
    assert mocap.is_batched({"clip": "kick"})
    assert not mocap.is_batched({"simulator": "bullet"})


def test_registering_again_changes_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_envs()


@pytest.mark.parametrize(
    "code",
    [
        "import gymnasium as gym; gym.make('sb3_vdb:sb3_vdb/CMaze-v0')",
        "import gymnasium as gym; gym.make('sb3_vdb_envs:sb3_vdb/CMaze-v0')",
    ],
)
def test_ids_are_found_after_either_way_of_importing(code):
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=True)


def test_gymnasium_1_registers_with_register_envs_and_029_by_itself():
    if int(gym.__version__.split(".")[0]) >= 1:
        code = "import gymnasium as gym, sb3_vdb; gym.make('sb3_vdb/CMaze-v0'); "
        code += "gym.register_envs(sb3_vdb); gym.spec('sb3_vdb/SMaze-v0')"
    else:
        code = "import gymnasium as gym; gym.spec('sb3_vdb/SMaze-v0'); "
        code += "import sb3_vdb; gym.make('sb3_vdb/CMaze-v0')"
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=True)
