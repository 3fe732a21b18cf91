"""The field and its road as a map of colours, and what the game's camera sees of it.

The game draws some 700 polygons in each step. Here they are drawn once an episode, on a map of the
whole field, and a picture is read from the map at the points that its pixels show.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.racing.race import EXTRA, car_racing

TEXELS = 3  # map points a metre: a patch of grass is 50 of them wide
MARGIN = 2  # map points outside the field, black as in the game
# colours of the map: outside, grass, its patches, the road's three shades, one of which a visited
# tile gets, and the kerbs of sharp turns
OUTSIDE, FIELD, PATCH, ROAD, RED, WHITE = 0, 1, 2, 3, 6, 7
SHADES = 3
BITS = 20  # of a colour channel in a sum of up to 4096 samples
BYTE = np.uint64(255)


class View(NamedTuple):
    """Where the game's camera is: it turns with the car, which stands in the lower part."""

    position: tuple[float, float]  # of the car in m
    angle: float  # of the car in rad, counterclockwise
    zoom: float  # pixels of the game's window a metre


class Grid(NamedTuple):
    """Where the samples of a picture's pixels lie, in pixels of the game's window from the car.

    A sample is at ``right + shift``, ``up + lift``: within a pixel, each has a height and a place
    from left to right of its own, so that n x n of them tell n^2 positions of an edge.
    """

    right: npt.NDArray[np.float32]  # shape (1, size * samples)
    up: npt.NDArray[np.float32]  # shape (rows * samples, 1)
    shift: npt.NDArray[np.float32]  # shape (rows * samples, 1)
    lift: npt.NDArray[np.float32]  # shape (1, size * samples)


class Ground:
    """The map of one track.

    :param size: height and width of the pictures in pixels
    :param rows: how many of their rows show the ground; the indicators hide the others
    """

    def __init__(self, size: int, rows: int) -> None:
        self._game, self._pygame = car_racing(), require("pygame", EXTRA)
        self._size, self._rows = size, rows
        self._side = round(2 * self._game.PLAYFIELD * TEXELS) + 2 * MARGIN
        self._surface = self._pygame.Surface((self._side, self._side), depth=8)
        # rows are y, upwards; the array shares the surface's memory
        self._map: npt.NDArray[np.uint8] = self._pygame.surfarray.pixels2d(self._surface).T
        self._plain: set[int] = set()  # tiles in the colour of visited ones
        self._palette = np.zeros(WHITE + 1, dtype=np.uint64)
        # pixels of the game's window from the car to the farthest corner
        self._reach = math.hypot(self._game.WINDOW_W / 2, self._game.WINDOW_H * 3 / 4)
        self._grids: dict[int, Grid] = {}

    def paint(self, game: Any) -> None:
        """Draw the map of a new track.

        :param game: gymnasium's CarRacing
        """
        self._plain = set()
        road = np.array(game.road_color, dtype=float)
        shades = [road + 255 * 0.01 * shade for shade in range(SHADES)]
        colours = [(0, 0, 0), game.bg_color, game.grass_color, *shades, (255, 0, 0), (255,) * 3]
        for i, colour in enumerate(colours):
            self._palette[i] = sum(int(c) << (BITS * k) for k, c in enumerate(colour))
        field = slice(MARGIN, self._side - MARGIN)
        self._map[:] = OUTSIDE
        self._map[field, field] = FIELD
        patch = round(self._game.GRASS_DIM * TEXELS)
        inside = self._map[field, field].reshape(20, 2 * patch, 20, 2 * patch)
        inside[:, :patch, :, :patch] = PATCH
        tile = -1
        for polygon, colour in game.road_poly:
            kerb = isinstance(colour, tuple)
            tile += not kerb
            self._draw(polygon, (RED, WHITE)[colour[1] > 0] if kerb else ROAD + tile % SHADES)
        self._tiles = [polygon for polygon, c in game.road_poly if not isinstance(c, tuple)]

    def _draw(self, polygon: Any, colour: int) -> None:
        """Fill a polygon, given by corners in m; a map point whose centre lies inside is filled."""
        points = (np.array(polygon) + self._game.PLAYFIELD) * TEXELS + MARGIN - 0.5
        self._pygame.draw.polygon(self._surface, colour, np.rint(points).tolist())

    def visit(self, game: Any) -> None:
        """Give visited tiles the plain colour of the road, as the game does."""
        if game.tile_visited_count == len(self._plain):
            return
        for tile in game.road:
            if tile.road_visited and tile.idx not in self._plain:
                self._plain.add(tile.idx)
                self._draw(self._tiles[tile.idx], ROAD)

    def see(self, view: View, samples: int) -> npt.NDArray[np.uint8]:
        """Read a picture from the map.

        :param view: where the camera is
        :param samples: points along each axis of a pixel, whose colours are averaged; a power of 2
        :return: shape (rows, size, 3)
        """
        grid = self._grid(samples)
        x, y = ((at + self._game.PLAYFIELD) * TEXELS + MARGIN for at in view.position)
        cos, sin = (f(view.angle) * TEXELS / view.zoom for f in (math.cos, math.sin))
        columns = (x + cos * grid.right - sin * grid.lift) + (cos * grid.shift - sin * grid.up)
        rows = (y + sin * grid.right + cos * grid.lift) + (sin * grid.shift + cos * grid.up)
        if max(abs(at) for at in view.position) > self._game.PLAYFIELD - self._reach / view.zoom:
            columns, rows = (np.clip(each, 0, self._side - 1) for each in (columns, rows))
        points = rows.astype(np.int32) * np.int32(self._side) + columns.astype(np.int32)
        colours = self._palette.take(self._map.reshape(-1).take(points))
        return self._average(colours, samples)

    def _grid(self, samples: int) -> Grid:
        """Return where the samples of the pixels lie."""
        if samples not in self._grids:
            n, width, height = self._size * samples, self._game.WINDOW_W, self._game.WINDOW_H
            columns, rows = np.arange(n)[None, :], np.arange(self._rows * samples)[:, None]
            aside = [((each % samples + 0.5) / samples - 0.5) / n for each in (columns, rows)]
            grid = (
                ((columns + 0.5) / n - 0.5) * width,
                (0.75 - (rows + 0.5) / n) * height,
                aside[1] * width,
                aside[0] * height,
            )
            self._grids[samples] = Grid(*(each.astype(np.float32) for each in grid))
        return self._grids[samples]

    def _average(self, colours: npt.NDArray[np.uint64], samples: int) -> npt.NDArray[np.uint8]:
        """Average the samples of each pixel; the three channels are summed in one number."""
        sums = sum_squares(colours, samples)
        picture = np.empty((*sums.shape, 3), dtype=np.uint8)
        per_pixel = (samples * samples).bit_length() - 1  # binary digits
        for channel in range(3):
            picture[:, :, channel] = (sums >> np.uint64(BITS * channel + per_pixel)) & BYTE
        return picture


def sum_squares(values: npt.NDArray[np.uint64], side: int) -> npt.NDArray[np.uint64]:
    """Sum the values of each square of ``side`` times ``side``.

    :param values: shape (side * h, side * w)
    :return: shape (h, w)
    """
    wide = values[::side]
    for k in range(1, side):
        wide = wide + values[k::side]
    sums = wide[:, ::side]
    for k in range(1, side):
        sums = sums + wide[:, k::side]
    return sums
