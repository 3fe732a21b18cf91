"""The bar at the lower edge of the pictures: speed, the wheels' rates, steering and turning."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

UNITS = 40  # the game's window is this many units wide and high
BAR = 5  # units, its height
UPRIGHT_PLACES = (5, 7, 8, 9, 10)  # units from the left: speed, front wheels, rear wheels
UPRIGHT_COLOURS = ((255, 255, 255), (0, 0, 255), (0, 0, 255), (51, 0, 255), (51, 0, 255))
LYING_PLACES = (20, 30)  # units from the left: steering, turning
LYING_COLOURS = ((0, 255, 0), (255, 0, 0))
# units a m/s, a rad/s of a wheel, a rad of steering and a rad/s of turning
SPEED, WHEEL_RATE, STEERING, TURNING = 0.02, 0.01, -10.0, -0.8


class Indicators:
    """Draws the bar into pictures of one size, each pixel as far as it is covered.

    The game writes the return into the bar's left end. Here that place is black: what is paid does
    not belong into what is imitated.

    :param size: height and width of the pictures in pixels
    """

    def __init__(self, size: int) -> None:
        self._size, self._unit = size, size / UNITS  # pixels
        top = size - BAR * self._unit
        self.first_row = int(np.floor(top))  # that the bar covers, at least in part
        self.ground_rows = int(np.ceil(top))  # that the bar does not cover completely
        self._uncovered = top - self.first_row  # share of that row
        columns = np.stack([self._cover(p, p + 1, size) for p in UPRIGHT_PLACES])
        # (uprights, size, 3)
        self._uprights = columns[:, :, None] * np.array(UPRIGHT_COLOURS)[:, None, :]
        self._heights = np.arange(size - self.first_row)[::-1]  # of the rows' lower edges
        self._lying_rows = self._overlap(np.array(2.0), np.array(4.0), self._heights)

    def draw(self, picture: npt.NDArray[np.uint8], car: Any) -> None:
        """Draw the bar over a picture.

        :param picture: shape (size, size, 3), changed
        :param car: the game's
        """
        hull, wheels = car.hull, car.wheels
        rates = [WHEEL_RATE * wheel.omega for wheel in wheels]
        values = np.array([SPEED * hull.linearVelocity.length, *rates])[:, None]
        rows = self._overlap(
            np.minimum(1.0, 1.0 + values), np.maximum(1.0, 1.0 + values), self._heights
        )  # (uprights, rows)
        bar = np.tensordot(rows, self._uprights, axes=(0, 0))  # (rows, size, 3)
        lying = STEERING * wheels[0].joint.angle, TURNING * hull.angularVelocity
        for place, colour, value in zip(LYING_PLACES, LYING_COLOURS, lying, strict=True):
            columns = self._cover(*sorted((place, place + value)), self._size)
            bar += (self._lying_rows[:, None] * columns)[:, :, None] * np.array(colour)
        bar[0] += self._uncovered * picture[self.first_row]
        picture[self.first_row :] = np.minimum(np.rint(bar), 255)

    def _cover(self, start: float, end: float, n: int) -> npt.NDArray[np.float64]:
        """Return how much of each of n pixels lies between two places, in units."""
        return self._overlap(np.array(start), np.array(end), np.arange(n))

    def _overlap(
        self,
        start: npt.NDArray[np.float64],
        end: npt.NDArray[np.float64],
        edges: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float64]:
        """Return how much of each pixel, which begins at an edge, lies between start and end."""
        low = np.maximum(start * self._unit, edges)
        return np.clip(np.minimum(end * self._unit, edges + 1) - low, 0.0, 1.0)
