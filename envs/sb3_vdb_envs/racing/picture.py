"""The pictures that are observed: ground, car and indicators, as the game shows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb_envs.racing.car import CarPicture
from sb3_vdb_envs.racing.ground import Ground, View
from sb3_vdb_envs.racing.indicators import Indicators
from sb3_vdb_envs.racing.race import car_racing

SMALLEST = 16  # pixels; below, the car is thinner than one
FAR_ZOOM = 0.1  # of the game's scale, at the start; in the first second the camera comes nearer
SAMPLES, FAR_SAMPLES = 2, 4  # along each axis of a pixel, with the road near and from far away


def picture_space(size: int, frame_stack: int) -> spaces.Box:
    """Make the space of pictures, the newest last.

    :raises ValueError: they are too small, or there is none
    """
    if not isinstance(size, (int, np.integer)) or size < SMALLEST:
        raise ValueError(
            f"`image_size` must be a whole number of pixels, at least {SMALLEST}, got {size}"
        )
    if not isinstance(frame_stack, (int, np.integer)) or frame_stack < 1:
        raise ValueError(f"`frame_stack` must be at least 1 picture, got {frame_stack}")
    return spaces.Box(0, 255, (int(size), int(size), 3 * int(frame_stack)), np.uint8)


class RacePicture:
    """Draws what the game's window shows in small, many times as fast as the game itself.

    :param size: height and width of the pictures in pixels
    """

    def __init__(self, size: int) -> None:
        self._size, self._module = size, car_racing()
        self._indicators = Indicators(size)
        self._ground = Ground(size, self._indicators.ground_rows)
        self._car = CarPicture(size)

    def begin(self, game: Any) -> None:
        """Learn a new track.

        :param game: gymnasium's CarRacing
        """
        self._ground.paint(game)

    def draw(self, game: Any) -> npt.NDArray[np.uint8]:
        """Draw the present moment, shape (size, size, 3)."""
        view = self._view(game)
        self._ground.visit(game)
        is_near = game.t >= 1.0
        picture = np.zeros((self._size, self._size, 3), dtype=np.uint8)
        seen = self._ground.see(view, SAMPLES if is_near else FAR_SAMPLES)
        picture[: len(seen)] = seen
        self._car.draw(picture, game.car, view)
        self._indicators.draw(picture, game.car)
        return picture

    def _view(self, game: Any) -> View:
        """Find the game's camera, which comes nearer during the first second."""
        near, scale = min(game.t, 1.0), self._module.SCALE
        zoom = scale * (FAR_ZOOM * (1.0 - near) + self._module.ZOOM * near)
        hull = game.car.hull
        return View((hull.position[0], hull.position[1]), hull.angle, zoom)
