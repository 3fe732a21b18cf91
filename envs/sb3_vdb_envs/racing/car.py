"""The car in small pictures: hull and wheels, each sample of a pixel asked what lies there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.racing.ground import View, sum_squares
from sb3_vdb_envs.racing.race import EXTRA, car_racing

DYNAMICS = "gymnasium.envs.box2d.car_dynamics"
REACH = (30.0, 48.0)  # pixels of the game's window that the car reaches sideways and lengthways
SAMPLE = 3.0  # pixels of the game's window between two samples, about
STRIPE = 1.2  # rad, of a wheel's circumference: the light stripe that shows how it turns
NOTHING, WHEEL, LIGHT, HULL = 0, 1, 2, 3
BITS = 16  # of a channel in a sum of samples


class CarPicture:
    """The pixels of a picture in which the car may be; the camera keeps it in one place.

    :param size: height and width of the pictures in pixels
    """

    def __init__(self, size: int) -> None:
        game, dynamics = car_racing(), require(DYNAMICS, EXTRA)
        width, height = game.WINDOW_W / size, game.WINDOW_H / size  # of a pixel
        middle = size / 2, size * 3 / 4
        reach = REACH[0] / width, REACH[1] / height
        first = [int(np.floor(m - r)) for m, r in zip(middle, reach, strict=True)]
        last = [int(np.ceil(m + r)) for m, r in zip(middle, reach, strict=True)]
        self.columns, self.rows = (slice(*each) for each in zip(first, last, strict=True))
        self._samples = n = max(1, round(width / SAMPLE))
        columns, rows = (np.arange(b - a) for a, b in zip(first, last, strict=True))
        fine = [((np.arange(len(each) * n) + 0.5) / n) for each in (columns, rows)]
        # where the samples lie, in pixels of the game's window from the car
        self._right = (fine[0] + first[0] - middle[0]) * width
        self._up = (middle[1] - fine[1] - first[1]) * height
        names = ("HULL_POLY1", "HULL_POLY2", "HULL_POLY3", "HULL_POLY4")
        self._hull = [np.array(getattr(dynamics, name)) * dynamics.SIZE for name in names]  # m
        self._half_width = dynamics.WHEEL_W * dynamics.SIZE  # m, of a wheel
        self._radius = dynamics.WHEEL_R * dynamics.SIZE  # m
        colours = [(0, 0, 0), dynamics.WHEEL_COLOR, dynamics.WHEEL_WHITE, (204, 0, 0)]
        alphas = [0, 255, 255, 255]
        self._palette = np.array(
            [
                sum(int(c) << (BITS * k) for k, c in enumerate((*colour, alpha)))
                for colour, alpha in zip(colours, alphas, strict=True)
            ],
            dtype=np.uint64,
        )
        self._zoom, self._hull_mask = 0.0, np.zeros((0, 0), dtype=bool)

    def draw(self, picture: npt.NDArray[np.uint8], car: Any, view: View) -> None:
        """Draw the car over the ground.

        :param picture: shape (rows, size, 3), changed
        :param car: the game's
        :param view: where the camera is
        """
        parts = self._wheels(car, view)
        parts[self._hull_at(view.zoom)] = HULL
        sums = sum_squares(self._palette.take(parts), self._samples)
        channels = [(sums >> np.uint64(BITS * k)) & np.uint64((1 << BITS) - 1) for k in range(4)]
        colours = np.stack(channels, axis=-1) / self._samples**2
        region = picture[self.rows, self.columns]
        transparency = 1.0 - colours[:, :, 3:] / 255
        region[:] = np.rint(region * transparency + colours[:, :, :3])

    def _wheels(self, car: Any, view: View) -> npt.NDArray[np.uint8]:
        """Say which samples show a wheel or its stripe, shape (rows, columns) of samples."""
        hull = car.hull
        poses = np.array([(*wheel.position, wheel.angle, wheel.phase) for wheel in car.wheels])
        away = poses[:, :2] - hull.position
        cos, sin = np.cos(hull.angle), np.sin(hull.angle)
        right, up = away[:, 0] * cos + away[:, 1] * sin, away[:, 1] * cos - away[:, 0] * sin
        turned = poses[:, 2] - hull.angle
        cos, sin = np.cos(turned)[:, None], np.sin(turned)[:, None]
        x = self._right / view.zoom - right[:, None]  # m, shape (wheels, columns)
        y = self._up / view.zoom - up[:, None]
        across = (cos * x)[:, None, :] + (sin * y)[:, :, None]
        along = (cos * y)[:, :, None] - (sin * x)[:, None, :]
        inside = (np.abs(across) < self._half_width) & (np.abs(along) < self._radius)
        low, high = self._stripes(poses[:, 3])
        light = inside & (along > low[:, None, None]) & (along < high[:, None, None])
        return inside.any(axis=0).view(np.uint8) * WHEEL + light.any(axis=0).view(np.uint8)

    def _stripes(
        self, phases: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return where the light stripes of wheels begin and end along them, in m; nowhere if they
        are below.

        :param phases: how far the wheels have turned, in rad
        """
        edges = np.stack([phases, phases + STRIPE])
        below, along = np.sin(edges) > 0, np.cos(edges)
        along = np.where(below, np.sign(along), along) * self._radius
        along[:, below.all(axis=0)] = self._radius  # a stripe without width
        return along.min(axis=0), along.max(axis=0)

    def _hull_at(self, zoom: float) -> npt.NDArray[np.bool_]:
        """Say which samples show the hull, which the camera always sees from the same side."""
        if zoom != self._zoom:
            x, y = self._right[None, :] / zoom, self._up[:, None] / zoom
            covered = [_inside(polygon, x, y) for polygon in self._hull]
            self._zoom, self._hull_mask = zoom, np.any(covered, axis=0)
        return self._hull_mask


def _inside(
    polygon: npt.NDArray[np.float64], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Say which points lie in a convex polygon.

    :param polygon: shape (corners, 2)
    :param x: shape (1, columns)
    :param y: shape (rows, 1)
    """
    following = np.roll(polygon, -1, axis=0)
    sides = [
        (b[0] - a[0]) * (y - a[1]) > (b[1] - a[1]) * (x - a[0])
        for a, b in zip(polygon, following, strict=True)
    ]
    return np.all(sides, axis=0) | ~np.any(sides, axis=0)  # either sense of rotation
