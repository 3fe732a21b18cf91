"""What a driver who knows the track observes: speeds, place on the road, the road ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

N_AHEAD = 16  # points of the centre line ahead that are observed
SPACING = 2  # tiles of 3.5 m between two of them
# Entries of an observation, before those of the points ahead: speed forwards and to the right in
# m/s, turning rate in rad/s, angle of the front wheels in rad, rates of the four wheels in rad/s,
# gas at the rear wheels from 0 to 1, distance to the right of the centre line in m, and direction
# relative to it in rad. Angles and turning are positive to the left.
MOTION = (
    "forward_speed", "rightward_speed", "turning_rate", "steering_angle", "front_left_rate",
    "front_right_rate", "rear_left_rate", "rear_right_rate", "gas", "offset", "heading",
)  # fmt: skip
# for every point ahead, seen from the car: m forwards, m to the right, and the centre line's
# direction there in rad
POINT = ("forward", "right", "direction")
# no entry comes near these: m/s, rad/s, rad, rad/s of wheels, share, m, rad
BOUNDS = (300.0, 300.0, 100.0, np.pi, *[2000.0] * 4, 1.0, 1000.0, np.pi)
POINT_BOUNDS = (1500.0, 1500.0, np.pi)
ROAD_HALF_WIDTH = 20 / 3  # m, the game's


HIGHEST = np.array([*BOUNDS, *POINT_BOUNDS * N_AHEAD], dtype=np.float32)


def state_space() -> spaces.Box:
    """Make the space of the state observations, shape (11 + 3 * N_AHEAD,)."""
    return spaces.Box(-HIGHEST, HIGHEST, dtype=np.float32)


class CentreLine:
    """The middle of a track's road, from which a car's place is measured.

    :param track: the game's: angle from the field's middle, direction, x and y of every tile
    """

    def __init__(self, track: list[tuple[float, float, float, float]]) -> None:
        _, self._directions, *points = np.array(track).T
        self._points = np.stack(points, axis=1)  # m, shape (tiles, 2)
        self._ahead = SPACING * np.arange(1, N_AHEAD + 1)

    def nearest(self, position: npt.NDArray[np.float64], angle: float) -> int:
        """Find the tile on which a car is. Where roads lie near each other, one that leads in
        another direction counts as farther away.
        """
        away = self._points - position
        detour = ROAD_HALF_WIDTH**2 * (1.0 - np.cos(self._directions - angle))
        return int(np.argmin(np.einsum("ij,ij->i", away, away) + detour))

    def observe(self, car: Any) -> npt.NDArray[np.float32]:
        """Describe a car and the road ahead of it.

        :param car: the game's
        :return: shape (11 + 3 * N_AHEAD,); see ``MOTION`` and ``POINT``
        """
        hull, wheels = car.hull, car.wheels
        position, angle, velocity = np.array(hull.position), hull.angle, hull.linearVelocity
        cos, sin = np.cos(angle), np.sin(angle)
        here = self.nearest(position, angle)
        away = position - self._points[here]
        direction = self._directions[here]
        motion = [
            velocity[1] * cos - velocity[0] * sin,
            velocity[0] * cos + velocity[1] * sin,
            hull.angularVelocity,
            wheels[0].joint.angle,
            *(wheel.omega for wheel in wheels),
            wheels[2].gas,
            away[0] * np.cos(direction) + away[1] * np.sin(direction),
            wrapped(angle - direction),
        ]
        ahead = (here + self._ahead) % len(self._points)
        x, y = (self._points[ahead] - position).T
        seen = [y * cos - x * sin, x * cos + y * sin, wrapped(self._directions[ahead] - angle)]
        features = np.concatenate([motion, np.stack(seen, axis=1).ravel()]).astype(np.float32)
        return np.clip(features, -HIGHEST, HIGHEST)


def wrapped(angles: Any) -> Any:
    """Give angles as numbers from -pi to pi."""
    return (np.asarray(angles) + np.pi) % (2 * np.pi) - np.pi
