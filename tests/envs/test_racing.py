"""CarRacing: agreement with Gymnasium's game and pictures, frames, ends, states, bad input."""

import copy
import gc
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from PIL import Image

from sb3_vdb_envs.racing import CarDriver, RacingEnv, RacingVectorEnv
from sb3_vdb_envs.racing.features import MOTION, N_AHEAD, POINT, CentreLine
from sb3_vdb_envs.racing.indicators import Indicators
from sb3_vdb_envs.racing.race import FRAME_LIMIT, car_racing

pytest.importorskip("Box2D")
pygame = pytest.importorskip("pygame")
STRAIGHT_ON = np.array([0.0, 1.0, -1.0])  # all gas
ROLL = np.array([0.05, -0.6, -1.0])  # a little gas


def wandering(n, seed=0):
    """Actions that stay near the road for a while."""
    rng = np.random.default_rng(seed)
    actions = np.stack([rng.uniform(-0.2, 0.2, n), rng.uniform(-1, 0, n), np.full(n, -1.0)])
    return actions.T.astype(np.float32)


def game_of(env):
    return env.unwrapped.races.races[0].game


def window_of(game):
    """The game's own window of 1000 x 800, which it draws in each of its steps."""
    type(game)._render(game, "state_pixels")
    return game.surf


# --- the game


def test_tracks_rewards_and_ends_are_gymnasiums():
    """Gas and brake go from -1 to 1 here and from 0 to 1 there; rewards differ by rounding."""
    theirs = car_racing().CarRacing()
    theirs._render = lambda mode: None
    theirs.reset(seed=3)
    mine = RacingEnv(settling_frames=0)
    mine.reset(seed=3)
    for action in wandering(100).astype(float):
        control = np.array([action[0], (action[1] + 1) / 2, (action[2] + 1) / 2])
        frames = [theirs.step(control) for _ in range(2)]
        _, reward, terminated, truncated, info = mine.step(action)
        assert reward == pytest.approx(sum(frame[1] for frame in frames), abs=1e-9)
        assert (terminated or truncated) == (frames[-1][2] or frames[-1][3])
        assert info["tiles_share"] == theirs.tile_visited_count / len(theirs.track)
    assert tuple(game_of(mine).car.hull.position) == tuple(theirs.car.hull.position)
    assert game_of(mine).track == theirs.track


def test_a_step_without_a_new_tile_costs_a_tenth_a_frame():
    env = RacingEnv(action_repeat=3)
    env.reset(seed=0)
    none = np.array([0.0, -1.0, 1.0], np.float32)
    env.step(none)  # pays for the tiles that the car touched when it was put on the track
    _, reward, *_, info = env.step(none)
    assert reward == pytest.approx(-0.3, abs=1e-12)
    assert info["reward/time"] == pytest.approx(-0.3)
    assert info["reward/tiles"] == info["reward/off_field"] == 0.0


def test_minus_one_is_no_gas_and_one_is_all_of_it():
    """The game opens the throttle by a tenth a frame."""
    env = RacingEnv(action_repeat=2)
    env.reset(seed=0)
    for gas, expected in [(-1.0, 0.0), (0.0, 0.2), (1.0, 0.4), (-1.0, 0.0)]:
        env.step(np.array([0.0, gas, -1.0], np.float32))
        assert game_of(env).car.wheels[2].gas == pytest.approx(expected)


@pytest.mark.parametrize("settling_frames", [0, 50])
def test_settling_frames_pass_without_action_and_are_not_counted(settling_frames):
    env = RacingEnv(settling_frames=settling_frames)
    _, info = env.reset(seed=0)
    assert info["frames"] == 0
    # Gymnasium's reset is a frame, too
    assert game_of(env).t == pytest.approx((settling_frames + 1) / 50)
    assert env.step(ROLL)[-1]["frames"] == 2


def test_the_time_limit_counts_frames_and_truncates():
    env = RacingEnv(action_repeat=300)
    env.reset(seed=0)
    ends = [env.step(np.array([0.0, -1.0, 1.0])) for _ in range(4)]
    assert [info["frames"] for *_, info in ends] == [300, 600, 900, FRAME_LIMIT]
    assert [(each[2], each[3]) for each in ends] == [(False, False)] * 3 + [(False, True)]
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(ROLL)


def test_leaving_the_field_terminates_and_costs_a_hundred_in_that_frame():
    env = RacingEnv(action_repeat=1)
    env.reset(seed=6)
    terminated = False
    while not terminated:
        _, reward, terminated, truncated, info = env.step(STRAIGHT_ON)
        assert not truncated
    assert reward == info["reward/off_field"] == -100.0
    assert info["reward/time"] == info["reward/tiles"] == 0.0
    assert max(np.abs(game_of(env).car.hull.position)) > car_racing().PLAYFIELD
    assert not info["is_success"]


def test_the_driver_finishes_the_lap_which_terminates_on_either_gymnasium():
    env, driver = RacingEnv(), CarDriver()
    observation, _ = env.reset(seed=4)
    total, terminated, truncated = 0.0, False, False
    while not (terminated or truncated):
        action, _ = driver.predict(observation)
        observation, reward, terminated, truncated, info = env.step(action)
        total += reward
    assert terminated
    assert not truncated
    assert info["is_success"]
    assert info["tiles_share"] > 0.95
    assert total > 850


# --- pictures


@pytest.mark.parametrize("size", [64, 84])
def test_pictures_are_the_games_window_in_small(size):
    """Each pixel is the mean of what it covers, but for the return in the corner, which is left
    out. pygame's own reduction, which users of the game see, is darker by some 2 of 255.
    """
    env = RacingEnv(size, settling_frames=10, action_repeat=8)
    env.reset(seed=3)
    for action in wandering(12):
        picture = env.step(action)[0].astype(float)
        window = window_of(game_of(env))
        array = pygame.surfarray.array3d(window).swapaxes(0, 1)
        mean = np.array(Image.fromarray(array).resize((size, size), Image.Resampling.BOX))
        shown = np.ones((size, size), dtype=bool)
        shown[-size // 8 :, : size // 8] = False
        assert np.abs(picture - mean)[shown].mean() < 1.2
        theirs = pygame.transform.smoothscale(window, (size, size))
        theirs = pygame.surfarray.array3d(theirs).swapaxes(0, 1)
        assert np.abs(picture - theirs).mean() < 4.0


def test_the_return_is_not_in_the_picture():
    env = RacingEnv(64)
    observation, _ = env.reset(seed=0)
    game_of(env).reward = 777.0
    np.testing.assert_array_equal(env.races._pictures[0].draw(game_of(env)), observation)


def test_the_field_ends_in_black():
    env = RacingEnv(64, action_repeat=10)
    env.reset(seed=6)
    terminated = False
    while not terminated:
        observation, _, terminated, *_ = env.step(STRAIGHT_ON)
    black = (observation[:56] == 0).all(axis=-1)
    assert 0.2 < black.mean() < 0.8


def test_a_wheel_that_turns_at_a_hundred_a_second_fills_one_place_of_the_bar():
    """In 40 x 40 pixels a place is one pixel: the front left wheel's is blue and the seventh."""
    bar = Indicators(40)
    wheels = [
        SimpleNamespace(omega=omega, joint=SimpleNamespace(angle=0.0)) for omega in (100, 0, 0, 0)
    ]
    hull = SimpleNamespace(linearVelocity=SimpleNamespace(length=0.0), angularVelocity=0.0)
    picture = np.full((40, 40, 3), 9, np.uint8)
    bar.draw(picture, SimpleNamespace(hull=hull, wheels=wheels))
    assert (picture[:35] == 9).all()
    assert picture[38, 7].tolist() == [0, 0, 255]
    picture[38, 7] = 0
    assert (picture[35:] == 0).all()


def test_frame_stacks_hold_the_newest_picture_last_and_repeat_the_first():
    single, stacked = RacingEnv(32), RacingEnv(32, frame_stack=3)
    pictures = [single.reset(seed=0)[0]] * 3
    observation, _ = stacked.reset(seed=0)
    for action in wandering(4):
        np.testing.assert_array_equal(observation, np.concatenate(pictures[-3:], axis=-1))
        pictures.append(single.step(action)[0])
        observation = stacked.step(action)[0]


def test_people_see_the_games_own_picture():
    env = RacingEnv(render_mode="rgb_array", render_height=80)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.render()
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (80, 100, 3)
    assert picture[-2:, -2:].max() == 0  # the bar
    assert RacingEnv().render() is None


# --- states


def test_at_the_start_the_car_stands_in_the_middle_and_the_road_lies_ahead():
    env = RacingEnv()
    observation, _ = env.reset(seed=0)
    motion = dict(zip(MOTION, observation, strict=False))
    points = observation[len(MOTION) :].reshape(N_AHEAD, len(POINT))
    for name in ("forward_speed", "rightward_speed", "turning_rate", "gas", "steering_angle"):
        assert motion[name] == pytest.approx(0.0, abs=1e-3)
    assert abs(motion["offset"]) < 2.0
    assert abs(motion["heading"]) < 0.2
    assert points[0, 0] == pytest.approx(7.0, abs=2.0)
    assert np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1) == pytest.approx(7.0, abs=0.5)


def test_a_car_beside_a_straight_road_reads_its_offset_heading_and_points():
    """The road leads along y; the car is 2 m to its right and turned by 0.1 rad to the left."""
    track = [(0.0, 0.0, 0.0, 3.5 * i) for i in range(100)]
    wheel = SimpleNamespace(omega=5.0, gas=0.5, joint=SimpleNamespace(angle=0.3))
    hull = SimpleNamespace(
        position=(2.0, 35.0), angle=0.1, linearVelocity=(0.0, 10.0), angularVelocity=1.0
    )
    seen = CentreLine(track).observe(SimpleNamespace(hull=hull, wheels=[wheel] * 4))
    expected = [10 * np.cos(0.1), 10 * np.sin(0.1), 1.0, 0.3, 5.0, 5.0, 5.0, 5.0, 0.5, 2.0, 0.1]
    assert seen[: len(MOTION)] == pytest.approx(expected, rel=1e-5)
    ahead = 7 * np.cos(0.1) + 2 * np.sin(0.1), 7 * np.sin(0.1) - 2 * np.cos(0.1), -0.1
    assert seen[len(MOTION) : len(MOTION) + 3] == pytest.approx(ahead, rel=1e-5)


def test_of_two_roads_that_cross_the_car_is_on_the_one_that_it_follows():
    along_y = [(0.0, 0.0, 0.0, float(y)) for y in range(-10, 10)]
    along_x = [(0.0, -np.pi / 2, float(x), 0.0) for x in range(-10, 10)]
    line = CentreLine(along_y + along_x)
    assert line.nearest(np.array([1.0, 1.5]), 0.0) < len(along_y)
    assert line.nearest(np.array([1.5, 1.0]), -np.pi / 2) >= len(along_y)


# --- copies, states that can be saved


@pytest.mark.parametrize("look", [{}, {"image_size": 32, "frame_stack": 2}])
def test_a_batch_equals_single_environments_bit_for_bit_over_restarts(look):
    batch = RacingVectorEnv(2, action_repeat=25, **look)
    singles = [RacingEnv(action_repeat=25, **look) for _ in range(2)]
    observations, _ = batch.reset(seed=5)
    each = [env.reset(seed=5 + i)[0] for i, env in enumerate(singles)]
    for _ in range(12):
        np.testing.assert_array_equal(observations, each)
        observations, rewards, terminated, _, _ = batch.step(np.tile(STRAIGHT_ON, (2, 1)))
        for i, env in enumerate(singles):
            each[i], reward, ended, *_ = env.step(STRAIGHT_ON)
            assert (rewards[i], terminated[i]) == (reward, ended)
            if ended:
                each[i], _ = env.reset()
    assert batch._steps.min() < 12  # some episode has ended


@pytest.mark.parametrize("n_before", [0, 1, 9])
def test_a_saved_state_goes_on_exactly(n_before):
    """Also as JSON and arrays, in another batch, and with the pictures of its stack."""
    look = {"image_size": 32, "frame_stack": 3, "action_repeat": 10}
    batch, other = RacingVectorEnv(2, **look), RacingVectorEnv(2, **look)
    observations, _ = batch.reset(seed=1)
    actions = np.stack([wandering(n_before + 8), wandering(n_before + 8, seed=1)], axis=1)
    for action in actions[:n_before]:
        observations = batch.step(action)[0]
    state = batch.get_state()
    state["origins"] = json.loads(json.dumps(state["origins"]))
    np.testing.assert_array_equal(other.set_state(state), observations)
    for action in actions[n_before:]:
        for mine, theirs in zip(batch.step(action)[:4], other.step(action)[:4], strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert batch.get_state()["generators"] == other.get_state()["generators"]


def test_a_state_from_before_the_first_reset_can_be_saved():
    batch, other = RacingVectorEnv(2), RacingVectorEnv(2)
    other.set_state(batch.get_state())
    np.testing.assert_array_equal(batch.reset(seed=0)[0], other.reset(seed=0)[0])


def test_a_copy_goes_on_where_the_original_is():
    env = RacingEnv(32)
    env.reset(seed=0)
    for action in wandering(5):
        env.step(action)
    copied = copy.deepcopy(env)
    for action in wandering(5, seed=1):
        np.testing.assert_array_equal(env.step(action)[0], copied.step(action)[0])
    np.testing.assert_array_equal(env.reset()[0], copied.reset()[0])


def test_restarts_and_closing_free_the_tracks():
    """Each track has some 300 bodies."""
    env = RacingEnv()
    counts = []
    for seed in range(6):
        env.reset(seed=seed)
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[-1] - counts[1] < 600
    for _ in range(4):
        copy.deepcopy(env)
    gc.collect()
    assert len(gc.get_objects()) - counts[-1] < 600
    env.close()
    env.close()
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(ROLL)
    env.reset(seed=0)
    env.step(ROLL)


def test_an_ended_race_waits_for_its_restart():
    batch = RacingVectorEnv(1, action_repeat=500, autoreset_mode="NextStep")
    batch.reset(seed=0)
    stand = np.array([[0.0, -1.0, 1.0]])
    results = [batch.step(stand) for _ in range(3)]
    assert [bool(each[3][0]) for each in results] == [False, True, False]
    assert results[2][1][0] == 0.0
    assert results[2][4]["frames"][0] == 0


# --- bad input


@pytest.mark.parametrize("kind", [RacingEnv, RacingVectorEnv])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action_repeat": 0}, "`action_repeat` must be .* at least 1, got 0"),
        ({"action_repeat": 1.5}, "`action_repeat` must be a whole number of frames"),
        ({"settling_frames": -1}, "`settling_frames` must be .* at least 0, got -1"),
        ({"image_size": 8}, "`image_size` must be .* at least 16, got 8"),
        ({"image_size": 64.0}, "`image_size` must be a whole number"),
        ({"image_size": 64, "frame_stack": 0}, "`frame_stack` must be at least 1 picture, got 0"),
        ({"frame_stack": 3}, "`frame_stack` stacks pictures, got 3 without `image_size`"),
        ({"render_mode": "human"}, "`render_mode` must be"),
        ({"render_height": 0}, "`render_height` must be at least 1 pixel, got 0"),
    ],
)
def test_bad_arguments_are_refused_with_a_remedy(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


def test_actions_that_are_no_actions_are_refused():
    env, batch = RacingEnv(), RacingVectorEnv(2)
    env.reset(seed=0)
    batch.reset(seed=0)
    with pytest.raises(ValueError, match=r"shape \(2,\), the action space has \(3,\)"):
        env.step(np.zeros(2))
    actions = np.zeros((2, 3))
    actions[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"action of race 1 is .*nan"):
        batch.step(actions)


def test_actions_beyond_the_bounds_act_as_the_bound():
    first, second = RacingEnv(), RacingEnv()
    first.reset(seed=0)
    second.reset(seed=0)
    beyond = first.step(np.array([5.0, 9.0, -4.0]))[0]
    np.testing.assert_array_equal(beyond, second.step(np.array([1.0, 1.0, -1.0]))[0])


@pytest.mark.parametrize("module", ["Box2D", "pygame"])
def test_what_is_missing_is_named_with_its_extra(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DependencyNotInstalled, match=r'pip install "sb3-vdb\[box2d\]"'):
        RacingEnv()
