"""A scripted driver that laps every track: pure pursuit of a point ahead, and as fast as the bends
ahead allow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.racing.batch import action_space
from sb3_vdb_envs.racing.features import MOTION, N_AHEAD, POINT, state_space

WHEELBASE = 3.24  # m, the game's car
HORIZON = 0.25  # s, how far ahead of the car the point lies that it steers to
NEAREST, FARTHEST = 10.0, 40.0  # m, bounds of that distance
SIDE_GRIP = 110.0  # m/s^2 that the driver takes bends with
BRAKING = 80.0  # m/s^2 that it counts on before bends
TOP_SPEED = 110.0  # m/s
GAS_GAIN, BRAKE_GAIN = 0.2, 0.02  # of all gas or brake, for each m/s too slow or too fast


class CarDriver:
    """Steers along the middle of the road: a scripted expert and a yardstick for returns.

    It observes ``sb3_vdb/CarRacingState-v0`` and has SB3's ``predict`` and spaces, so it can be
    evaluated and recorded like a trained model. It has no memory.
    """

    def __init__(self) -> None:
        self.observation_space, self.action_space = state_space(), action_space()

    def predict(
        self,
        observation: npt.NDArray[np.floating],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.float32], tuple[npt.NDArray[Any], ...] | None]:
        """Choose actions for states.

        :param observation: shape (n, 59), or (59,) of one race
        :param state: not used
        :param episode_start: not used
        :param deterministic: not used; the driver is
        :return: actions, shape (n, 3) or (3,), and ``state``
        """
        observations = np.atleast_2d(observation).astype(np.float64)
        motion = dict(zip(MOTION, observations[:, : len(MOTION)].T, strict=True))
        shape = len(observations), N_AHEAD, len(POINT)
        points = observations[:, len(MOTION) :].reshape(shape)
        speed = motion["forward_speed"]
        steering = steering_towards(points[:, :, :2], speed)
        too_slow = allowed_speed(points, motion["heading"]) - speed
        gas = np.clip(GAS_GAIN * too_slow, 0.0, 1.0)
        brake = np.clip(-BRAKE_GAIN * too_slow, 0.0, 0.8)
        actions = np.stack([steering, 2.0 * gas - 1.0, 2.0 * brake - 1.0], axis=1)
        return np.clip(actions, -1.0, 1.0).astype(np.float32).reshape(
            *np.shape(observation)[:-1], 3
        ), state


def steering_towards(
    points: npt.NDArray[np.float64], speed: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Choose the front wheels' angle that leads in a circle through a point ahead (pure pursuit).

    :param points: m ahead of the car and to its right, shape (n, points, 2)
    :param speed: m/s forwards, shape (n,)
    :return: angles in rad, positive to the right, shape (n,)
    """
    distances = np.linalg.norm(points, axis=2)
    wanted = np.clip(HORIZON * speed, NEAREST, FARTHEST)
    chosen = np.argmin(np.abs(distances - wanted[:, None]), axis=1)
    each = np.arange(len(points))
    right, distance = points[each, chosen, 1], distances[each, chosen]
    return np.arctan(2.0 * WHEELBASE * right / np.maximum(distance, 1.0) ** 2)


def allowed_speed(
    points: npt.NDArray[np.float64], heading: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Find the highest speed from which the car can brake in time for every bend that it sees.

    :param points: see ``POINT``, shape (n, points, 3)
    :param heading: of the car relative to the centre line in rad, shape (n,)
    :return: m/s, shape (n,)
    """
    directions = np.concatenate([-heading[:, None], points[:, :, 2]], axis=1)
    turns = np.diff(np.unwrap(directions, axis=1), axis=1)
    lengths = np.linalg.norm(np.diff(points[:, :, :2], axis=1), axis=2)
    lengths = np.concatenate([lengths[:, :1], lengths], axis=1)
    curvature = np.abs(turns) / np.maximum(lengths, 1.0)
    bend = SIDE_GRIP / np.maximum(curvature, 1e-6)  # speed squared
    away = np.cumsum(lengths, axis=1) - lengths
    return np.minimum(np.sqrt((bend + 2.0 * BRAKING * away).min(axis=1)), TOP_SPEED)
