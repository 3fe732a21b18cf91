"""The scripted driver of CarRacing, and recordings of it."""

import gymnasium as gym
import numpy as np
import pytest

from sb3_vdb.demonstrations import recording, reenactment
from sb3_vdb_envs.racing import CarDriver, RacingVectorEnv
from sb3_vdb_envs.racing.driver import allowed_speed, steering_towards
from sb3_vdb_envs.racing.features import N_AHEAD

pytest.importorskip("Box2D")
pytest.importorskip("pygame")


def test_the_driver_steers_straight_on_a_straight_road_and_to_the_side_of_a_bend():
    ahead = 7.0 * np.arange(1, N_AHEAD + 1)
    straight = np.stack([ahead, 0 * ahead], axis=1)[None]
    speed = np.array([40.0])
    assert steering_towards(straight, speed)[0] == 0.0
    right = np.stack([ahead, ahead**2 / 100], axis=1)[None]
    assert steering_towards(right, speed)[0] > 0
    assert steering_towards(right * [1, -1], speed)[0] == -steering_towards(right, speed)[0]


def test_the_driver_slows_down_for_bends_the_more_the_nearer_they_are():
    ahead = 7.0 * np.arange(1, N_AHEAD + 1)
    speeds = []
    for bend in (14, 8, 2):
        directions = np.where(np.arange(N_AHEAD) >= bend, 0.7, 0.0)
        points = np.stack([ahead, 0 * ahead, directions], axis=1)[None]
        speeds.append(allowed_speed(points, np.zeros(1))[0])
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[2] < 60 < speeds[0]


def test_the_driver_predicts_for_one_and_for_many_alike():
    batch, driver = RacingVectorEnv(3), CarDriver()
    observations, _ = batch.reset(seed=0)
    actions, state = driver.predict(observations, deterministic=True)
    assert state is None
    assert driver.action_space.contains(actions[0])
    for observation, action in zip(observations, actions, strict=True):
        np.testing.assert_array_equal(driver.predict(observation)[0], action)


def test_recordings_of_the_driver_are_reenacted_in_pixels(tmp_path):
    """At 100 frames an action the driver leaves the road soon: a short episode."""
    look = {"action_repeat": 100, "image_size": 32}
    acting = gym.make("sb3_vdb/CarRacingState-v0", action_repeat=100)
    made = recording.record(CarDriver(), "sb3_vdb/CarRacingPixels-v0", 2, 0, look, acting)
    loaded = recording.load(recording.save(made, tmp_path / "laps.npz"))
    assert loaded.episodes[0].states.shape[1] == 0
    trajectories = reenactment.reenact(loaded)
    for trajectory, episode in zip(trajectories, made.episodes, strict=True):
        assert trajectory.observations.shape == (len(episode.actions) + 1, 32, 32, 3)
        assert trajectory.rewards == pytest.approx(episode.rewards, rel=1e-6)


def test_the_shipped_laps_are_good_and_small():
    made = recording.load("CarRacing")
    assert made.env_id == "sb3_vdb/CarRacingPixels-v0"
    assert made.returns.min() > 850
    assert recording.find("CarRacing").stat().st_size < 300_000
