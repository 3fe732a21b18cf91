"""Anti-aliased rendering of capsules and discs in numpy: pictures without any graphics library."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Point = tuple[float, float]


class Canvas:
    """RGB image of a rectangle of the plane, y upwards.

    :param box: the rectangle, ``(x_min, x_max, y_min, y_max)`` in m
    :param height: height of the image in pixels; the width follows from the rectangle
    :param background: colour, three values from 0 to 255
    """

    def __init__(
        self,
        box: tuple[float, float, float, float],
        height: int,
        background: tuple[int, int, int] = (255, 255, 255),
    ) -> None:
        x_min, x_max, y_min, y_max = box
        self.pixel = (y_max - y_min) / height  # m
        width = max(1, round((x_max - x_min) / self.pixel))
        self._x = (x_min + self.pixel * (np.arange(width) + 0.5))[None, :]
        self._y = (y_max - self.pixel * (np.arange(height) + 0.5))[:, None]
        self.image: npt.NDArray[np.float64] = np.empty((height, width, 3))
        self.image[:] = background

    @property
    def axes(self) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """x of the columns and y of the rows in m, shapes (width,) and (height,)."""
        return self._x[0], self._y[:, 0]

    def copy(self) -> Canvas:
        """Copy the canvas with its content; rendering on the copy does not change this one."""
        other = object.__new__(Canvas)
        other.pixel, other._x, other._y, other.image = (
            self.pixel,
            self._x,
            self._y,
            self.image.copy(),
        )
        return other

    def capsule(
        self,
        start: Point,
        end: Point,
        radius: float,
        colour: tuple[int, int, int],
        alpha: float = 1.0,
    ) -> None:
        """Render all points nearer than ``radius`` (m) to the segment from ``start`` to ``end``
        (m).
        """
        direction = np.subtract(end, start)
        length_squared = float(direction @ direction)
        x, y = self._x - start[0], self._y - start[1]
        along: Any = 0.0
        if length_squared > 0.0:
            along = np.clip((x * direction[0] + y * direction[1]) / length_squared, 0.0, 1.0)
        distance = np.hypot(x - along * direction[0], y - along * direction[1])
        coverage = alpha * np.clip((radius - distance) / self.pixel + 0.5, 0.0, 1.0)[:, :, None]
        self.image += coverage * (np.array(colour, dtype=float) - self.image)

    def disc(
        self, centre: Point, radius: float, colour: tuple[int, int, int], alpha: float = 1.0
    ) -> None:
        """Render a disc; ``centre`` and ``radius`` in m."""
        self.capsule(centre, centre, radius, colour, alpha)

    def to_uint8(self) -> npt.NDArray[np.uint8]:
        """Return the picture, shape (height, width, 3)."""
        return np.rint(self.image).astype(np.uint8)
