"""Mazes observed in pixels."""

import gymnasium as gym
import numpy as np
import pytest

from sb3_vdb.demonstrations import recording, reenactment
from sb3_vdb_envs.maze import LAYOUTS, MazeEnv, MazeVectorEnv, WaypointController
from sb3_vdb_envs.maze.camera import MazeCamera
from sb3_vdb_envs.maze.picture import AGENT_COLOUR
from tests.conftest import make_batch


def particle_at(picture, layout):
    """Position in m of what is red in a picture: mean of its pixels, weighted by redness."""
    size = len(picture)
    redness = np.maximum(picture[..., 0].astype(float) - picture[..., 1], 0.0)
    x_min, x_max, y_min, y_max = layout.box
    half = max(x_max - x_min, y_max - y_min) / 2 + 0.04
    pixel = 2 * half / size
    row, column = (np.average(each, weights=redness) for each in np.indices((size, size)))
    centre = (x_min + x_max) / 2, (y_min + y_max) / 2
    return (
        centre[0] - half + pixel * (column + 0.5),
        centre[1] + half - pixel * (row + 0.5),
    )


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("image_size", [16, 32, 64])
def test_the_particle_is_drawn_where_it_is(name, image_size):
    layout = LAYOUTS[name]
    positions = np.random.default_rng(0).uniform(layout.free_low, layout.free_high, (50, 2))
    clear = [
        each
        for each in positions
        if all(abs(each[1] - wall.y) > 0.15 for wall in layout.walls)
        and (each - layout.free_low > 0.1).all()
        and (layout.free_high - each > 0.1).all()
    ]
    for position, picture in zip(
        clear, MazeCamera(layout, image_size).render(np.array(clear)), strict=True
    ):
        # less than a third of a pixel away, also where the particle is smaller than a pixel
        pixel = (max(np.ptp(layout.box[:2]), np.ptp(layout.box[2:])) + 0.08) / image_size
        np.testing.assert_allclose(particle_at(picture, layout), position, atol=pixel / 3)


def test_walls_are_dark_the_goal_is_not_shown_and_the_particle_is_red():
    layout = LAYOUTS["c_maze"]
    (picture,) = MazeCamera(layout, 64).render(np.array([layout.start]))
    assert picture.dtype == np.uint8
    column, row = (round((0.3 + 0.14) / 0.78 * 64 - 0.5), round((0.64 - 0.0) / 0.78 * 64 - 0.5))
    np.testing.assert_array_equal(picture[row, column], AGENT_COLOUR)
    goal_row = round((0.64 - 0.5) / 0.78 * 64 - 0.5)
    np.testing.assert_array_equal(picture[goal_row, column], 255)
    wall_row, wall_column = round((0.64 - 0.3) / 0.78 * 64 - 0.5), round(0.54 / 0.78 * 64)
    assert picture[wall_row, wall_column].max() < 100


def test_dynamics_and_rewards_are_those_of_the_maze():
    for name in LAYOUTS:
        seen, plain = MazeEnv(name, 0.03, image_size=32), MazeEnv(name, 0.03)
        view = MazeCamera(LAYOUTS[name], 32)
        picture, _ = seen.reset(seed=3)
        position, _ = plain.reset(seed=3)
        for action in np.random.default_rng(1).uniform(-1.0, 1.0, (60, 2)):
            np.testing.assert_array_equal(picture, view.render(position[None])[0])
            picture, *rest, info = seen.step(action)
            position, *expected, expected_info = plain.step(action)
            assert rest == expected
            assert info == expected_info


def test_a_batch_of_n_equals_n_singles_bit_for_bit():
    batch = MazeVectorEnv(3, "s_maze", 0.1, image_size=32)
    singles = [MazeEnv("s_maze", 0.1, image_size=32) for _ in range(3)]
    observations, _ = batch.reset(seed=4)
    np.testing.assert_array_equal(
        observations, [each.reset(seed=4 + i)[0] for i, each in enumerate(singles)]
    )
    for actions in np.random.default_rng(0).uniform(-1.0, 1.0, (20, 3, 2)).astype(np.float32):
        observations, rewards, *_ = batch.step(actions)
        results = [each.step(action) for each, action in zip(singles, actions, strict=True)]
        np.testing.assert_array_equal(observations, [each[0] for each in results])
        np.testing.assert_array_equal(rewards, [each[1] for each in results])


def test_state_and_trails_can_be_taken_and_given_back():
    env = MazeVectorEnv(2, "c_maze", image_size=16, render_mode="rgb_array", render_height=48)
    env.reset(seed=0)
    env.step(np.ones((2, 2)))
    state = env.get_state()
    expected = env.step(np.ones((2, 2)))[0]
    other = MazeVectorEnv(2, "c_maze", image_size=16, render_mode="rgb_array", render_height=48)
    other.reset(seed=5)
    other.set_state(state)
    assert len(other.render()) == 2
    np.testing.assert_array_equal(other.step(np.ones((2, 2)))[0], expected)


def test_gym_make_vec_knows_layout_and_size():
    for name, layout in (
        ("CMaze", "c_maze"),
        ("CMazeFlipped", "c_maze_flipped"),
        ("SMaze", "s_maze"),
        ("SMazeFlipped", "s_maze_flipped"),
    ):
        batch = make_batch(f"sb3_vdb/{name}Pixels-v0", 2).unwrapped
        assert batch.layout.name == layout
        assert batch.single_observation_space.shape == (64, 64, 3)


def test_pictures_that_are_too_small_are_refused():
    for make in (MazeEnv, MazeVectorEnv):
        for size in (8, 64.0):
            with pytest.raises(ValueError, match=f"a whole number of at least 16, got {size}"):
                make(image_size=size)


def test_a_controller_that_sees_positions_records_demonstrations_in_pixels(tmp_path):
    acting = gym.make("sb3_vdb/CMaze-v0", start_noise=0.04)
    kept = recording.record(
        WaypointController("c_maze"),
        "sb3_vdb/CMazePixels-v0",
        3,
        seed=5,
        env_kwargs={"image_size": 32, "start_noise": 0.04},
        acting_env=acting,
    )
    assert kept.returns.min() > -5.5
    demos = reenactment.reenact(recording.load(recording.save(kept, tmp_path / "maze")))
    assert demos[0].observations.shape == (101, 32, 32, 3)
    env = MazeEnv("c_maze", 0.04, image_size=32)
    np.testing.assert_array_equal(demos[1].observations[0], env.reset(seed=6)[0])
