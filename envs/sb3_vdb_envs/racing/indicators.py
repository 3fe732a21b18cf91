"""The bar at the lower edge of the pictures: speed, the wheels' rates, steering and turning."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

UNITS = 40  # the game's window is this many units wide and high
BAR = 5  # units, its height
UPRIGHT_PLACES = (5, 7, 8, 9, 10)  # units from the left: speed, front wheels, rear wheels
UPRIGHT_COLOURS = np.array([(255, 255, 255), *[(0, 0, 255)] * 2, *[(51, 0, 255)] * 2])
LYING_PLACES = (20, 30)  # units from the left: steering, turning
LYING_STARTS = np.array(LYING_PLACES, dtype=float)[:, None]
LYING_COLOURS = np.array([(0, 255, 0), (255, 0, 0)])
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
        self._columns = np.arange(size)[None, :]  # left edges of the columns
        self._heights = np.arange(size - self.first_row)[None, ::-1]  # lower edges of the rows
        start = np.array(UPRIGHT_PLACES)[:, None]
        upright = self._overlap(start, start + 1, self._columns)  # (uprights, size)
        # what each indicator shows in a column, if it covers the row; (indicators, size, 3)
        self._shown = np.zeros((len(UPRIGHT_PLACES) + len(LYING_PLACES), size, 3))
        self._shown[: len(UPRIGHT_PLACES)] = upright[:, :, None] * UPRIGHT_COLOURS[:, None, :]
        two, four = np.array([[2.0]]), np.array([[4.0]])
        lying = self._overlap(two, four, self._heights)  # (1, rows)
        self._covered = np.repeat(lying, len(self._shown), axis=0)  # (indicators, rows)

    def draw(self, picture: npt.NDArray[np.uint8], car: Any) -> None:
        """Draw the bar over a picture.

        :param picture: shape (size, size, 3), changed
        :param car: the game's
        """
        hull, wheels, n = car.hull, car.wheels, len(UPRIGHT_PLACES)
        rates = [WHEEL_RATE * wheel.omega for wheel in wheels]
        values = np.array([[SPEED * hull.linearVelocity.length], *([rate] for rate in rates)])
        self._covered[:n] = self._between(np.ones((n, 1)), values, self._heights)
        values = np.array([[STEERING * wheels[0].joint.angle], [TURNING * hull.angularVelocity]])
        columns = self._between(LYING_STARTS, values, self._columns)
        self._shown[n:] = columns[:, :, None] * LYING_COLOURS[:, None, :]
        bar = self._covered.T @ self._shown.reshape(len(self._shown), -1)
        bar = bar.reshape(-1, self._size, 3)
        bar[0] += self._uncovered * picture[self.first_row]
        picture[self.first_row :] = np.minimum(np.rint(bar), 255)

    def _between(self, start: Floats, length: Floats, edges: Integers) -> Floats:
        """Return how much of each pixel a bar covers, which may be of negative length.

        :param start: in units, shape (bars, 1)
        :param length: in units, shape (bars, 1)
        :param edges: where the pixels begin, in pixels, shape (1, pixels)
        :return: shares, shape (bars, pixels)
        """
        end = start + length
        return self._overlap(np.minimum(start, end), np.maximum(start, end), edges)

    def _overlap(self, start: Floats, end: Floats, edges: Integers) -> Floats:
        """Return how much of each pixel lies between two places, in units; see
        :meth:`_between`.
        """
        low = np.maximum(start * self._unit, edges)
        return np.maximum(np.minimum(end * self._unit, edges + 1) - low, 0.0)
