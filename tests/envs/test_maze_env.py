"""Single environment and batch."""

import pickle
from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from sb3_vdb import make_vec_env
from sb3_vdb_envs.maze import LAYOUTS, MazeEnv, MazeVectorEnv
from sb3_vdb_envs.maze.batch import START_SPEED
from sb3_vdb_envs.maze.physics import DAMPING, FRAME_SKIP, MASS, TIMESTEP
from sb3_vdb_envs.vector import FINAL_OBSERVATION_KEY
from tests.conftest import GYMNASIUM_1, make_batch

N = 5


def random_actions(n_steps, n=N, seed=0):
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (n_steps, n, 2)).astype(np.float32)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("start_noise", [0.0, 0.04])
def test_a_batch_of_n_equals_n_singles_bit_for_bit(name, start_noise):
    batch = MazeVectorEnv(N, layout=name, start_noise=start_noise, max_episode_steps=None)
    singles = [MazeEnv(name, start_noise) for _ in range(N)]
    observations, _ = batch.reset(seed=11)
    expected = [env.reset(seed=11 + i)[0] for i, env in enumerate(singles)]
    np.testing.assert_array_equal(observations, expected)
    for actions in random_actions(150):
        observations, rewards, *_ = batch.step(actions)
        results = [env.step(action) for env, action in zip(singles, actions, strict=True)]
        np.testing.assert_array_equal(observations, [result[0] for result in results])
        np.testing.assert_array_equal(rewards, [result[1] for result in results])


def test_episodes_after_a_restart_go_on_equally():
    batch = make_batch("sb3_vdb/CMaze-v0", 2)
    env = gym.make("sb3_vdb/CMaze-v0")
    batch.reset(seed=5)
    env.reset(seed=6)
    for step, actions in enumerate(random_actions(250, 2)):
        observations, *_ = batch.step(actions)
        observation, _, _, truncated, _ = env.step(actions[1])
        assert truncated == (step % 100 == 99)
        if truncated:
            observation, _ = env.reset()
        np.testing.assert_array_equal(observations[1], observation)


def test_gym_make_vec_knows_the_layout_of_every_id():
    for name, layout in (
        ("CMazeFlipped", "c_maze_flipped"),
        ("SMaze", "s_maze"),
        ("SMazeFlipped", "s_maze_flipped"),
    ):
        assert make_batch(f"sb3_vdb/{name}-v0", 2).unwrapped.layout.name == layout


def test_same_step_mode_keeps_the_last_observation():
    env = MazeVectorEnv(2, max_episode_steps=3)
    env.reset(seed=0)
    for _ in range(2):
        env.step(np.ones((2, 2)))
    observations, _, terminations, truncations, infos = env.step(np.ones((2, 2)))
    assert truncations.all()
    assert not terminations.any()
    assert (infos[FINAL_OBSERVATION_KEY][0] != observations[0]).any()
    np.testing.assert_allclose(observations, [[0.3, 0.0]] * 2, atol=1e-6)
    assert not env.step(np.ones((2, 2)))[3].any()


def test_next_step_mode_restarts_with_the_following_step():
    env = MazeVectorEnv(2, max_episode_steps=3, autoreset_mode="NextStep")
    env.reset(seed=0)
    for _ in range(3):
        observations, _, _, truncations, _ = env.step(np.ones((2, 2)))
    assert truncations.all()
    assert observations[0, 0] > 0.3
    observations, rewards, _, truncations, _ = env.step(np.ones((2, 2)))
    assert not truncations.any()
    np.testing.assert_allclose(observations, [[0.3, 0.0]] * 2, atol=1e-6)
    np.testing.assert_array_equal(rewards, 0.0)


def test_disabled_mode_wants_a_reset_of_the_ended_mazes():
    env = MazeVectorEnv(2, max_episode_steps=3, autoreset_mode="Disabled")
    env.reset(seed=0)
    env.step(np.ones((2, 2)))
    env.reset(options={"reset_mask": np.array([True, False])})
    for _ in range(2):
        _, _, _, truncations, _ = env.step(np.ones((2, 2)))
    np.testing.assert_array_equal(truncations, [False, True])
    with pytest.raises(ValueError, match="reset_mask"):
        env.step(np.ones((2, 2)))
    observations, _ = env.reset(options={"reset_mask": truncations})
    assert observations[0, 0] > 0.3
    np.testing.assert_allclose(observations[1], [0.3, 0.0], atol=1e-6)
    env.step(np.ones((2, 2)))


def test_state_can_be_taken_and_given_back():
    env = MazeVectorEnv(N, layout="s_maze", start_noise=0.1)
    env.reset(seed=0)
    actions = random_actions(130)
    for each in actions[:70]:
        env.step(each)
    state = env.get_state()
    expected = [env.step(each)[:2] for each in actions[70:]]
    other = MazeVectorEnv(N, layout="s_maze", start_noise=0.1)
    other.reset(seed=99)
    other.set_state(state)
    for each, (observations, rewards) in zip(actions[70:], expected, strict=True):
        found = other.step(each)
        np.testing.assert_array_equal(found[0], observations)
        np.testing.assert_array_equal(found[1], rewards)


def test_observations_lie_in_memory_maze_by_maze():
    """As they do after a file: a sum over mazes rounds by their layout."""
    env = make_batch("sb3_vdb/CMaze-v0", 3)
    first, _ = env.reset(seed=0)
    after, *_ = env.step(np.zeros((3, 2), np.float32))
    assert first.flags.c_contiguous
    assert after.flags.c_contiguous


def test_start_noise_fills_a_disc():
    env = MazeVectorEnv(4000, layout="s_maze", start_noise=0.2)
    observations, _ = env.reset(seed=0)
    radius = np.hypot(*(observations - env.layout.start).T)
    assert radius.max() < 0.2
    # uniform over the disc: half of the points lie within radius / sqrt(2)
    assert np.mean(radius < 0.2 / np.sqrt(2)) == pytest.approx(0.5, abs=0.03)


def test_actions_beyond_the_bounds_act_as_the_bound():
    first, second = MazeEnv(), MazeEnv()
    first.reset(seed=0)
    second.reset(seed=0)
    a, b = first.step(np.array([5.0, -9.0])), second.step(np.array([1.0, -1.0]))
    np.testing.assert_array_equal(a[0], b[0])
    assert a[1] == b[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "d_maze"}, "`layout` must be one of c_maze"),
        ({"start_noise": 0.06}, "`start_noise` must lie between 0 and 0.050"),
        ({"start_noise": -0.1}, "`start_noise`"),
        ({"render_mode": "human"}, "`render_mode`"),
        ({"force_limit": 0.0}, "`force_limit` must be a positive number of newtons, got 0.0"),
        ({"force_limit": float("nan")}, "`force_limit` must be a positive"),
        ({"layout": "s_maze", "force_limit": 50.0}, "too close for `force_limit` 50"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    for make in (MazeEnv, lambda **kwargs: MazeVectorEnv(2, **kwargs)):
        with pytest.raises(ValueError, match=message):
            make(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"num_envs": 0}, {"max_episode_steps": 0}, {"autoreset_mode": "Sometimes"}]
)
def test_bad_batch_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=r"num_envs|max_episode_steps|Sometimes"):
        MazeVectorEnv(**arguments)


def test_an_action_that_is_no_number_is_refused_with_its_maze():
    env = MazeVectorEnv(3)
    env.reset(seed=0)
    actions = np.zeros((3, 2))
    actions[1, 0] = np.nan
    with pytest.raises(ValueError, match="maze 1"):
        env.step(actions)


@pytest.mark.parametrize("kind", ["single", "batch", "pixels", "pixel batch"])
def test_speed_approaches_the_force_limit(kind):
    """Straight up in the open; terminal speed in m/s is the force in N, damping being 1."""
    make = {
        "single": MazeEnv,
        "batch": partial(MazeVectorEnv, 1),
        "pixels": partial(MazeEnv, image_size=64),
        "pixel batch": partial(MazeVectorEnv, 1, image_size=64),
    }[kind]
    env = make(layout="s_maze", force_limit=0.5)
    env.reset(seed=0)
    action = np.array([0.0, 1.0], dtype=np.float32)
    for _ in range(8):
        env.step(action if kind in ("single", "pixels") else action[None])
    left = (1.0 + TIMESTEP * DAMPING / MASS) ** (-8 * FRAME_SKIP)
    speed = env.mazes.physics.velocities[1, 0]
    assert speed == pytest.approx(0.5 * (1.0 - left), abs=START_SPEED * left)
    assert LAYOUTS["s_maze"].force_limit == 5.0  # the layout itself is as it was


def test_a_force_limit_goes_with_the_environment():
    env = pickle.loads(pickle.dumps(MazeEnv("s_maze", force_limit=1.0)))
    assert env.layout.force_limit == 1.0
    assert (
        make_vec_env("sb3_vdb/SMaze-v0", 2, env_kwargs={"force_limit": 1.0}).get_attr("layout")
        == [env.layout] * 2
    )


def test_a_batch_renders_one_picture_a_maze():
    env = MazeVectorEnv(2, render_mode="rgb_array", render_height=64)
    with pytest.raises(gym.error.ResetNeeded):
        env.render()
    env.reset(seed=0)
    env.step(np.ones((2, 2)))
    pictures = env.render()
    assert [each.shape[0] for each in pictures] == [64, 64]


@pytest.mark.skipif(
    not GYMNASIUM_1, reason="Gymnasium 0.29 has no vector statistics for its new vector API"
)
def test_gymnasiums_own_vector_wrapper_counts_returns():
    env = gym.wrappers.vector.RecordEpisodeStatistics(make_batch("sb3_vdb/CMaze-v0", 3))
    env.reset(seed=0)
    for _ in range(100):
        *_, infos = env.step(np.zeros((3, 2), np.float32))
    finals = infos["final_info"] if "episode" not in infos else infos
    assert finals["episode"]["r"] == pytest.approx([-50, -50, -50], abs=0.15)
