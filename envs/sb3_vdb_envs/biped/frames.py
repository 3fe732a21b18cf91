"""What a camera at the biped's side sees: small pictures of capsules, drawn in batches with numpy.

The camera is orthographic and follows the root forward, not up, so that jumps show. Left limbs are
darker and behind, right ones lighter and in front. Tiles on the ground show progress.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.character import JOINTS
from sb3_vdb_envs.humanoid.kinematics import Bodies, CharacterState

Array = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

FRAME_SIZE = 64  # pixels
VIEW = 2.0  # m, height and width of what is seen
BELOW = 0.125  # m of it under the ground
TILE = 0.5  # m, length of a tile
CHUNK = 64  # frames drawn at a time: what they need stays in the cache
SHORTEST = np.float32(1e-6)  # pixels; a shorter capsule is a disc
TRUNK_RADIUS = 0.08  # m; pelvis and chest are joined by a capsule
TRUNK_LENGTH = 0.3  # m, a little more than between the centres of both
LEFT, MIDDLE, RIGHT = (52, 70, 104), (122, 122, 122), (222, 120, 78)
SKY, TILES = (238, 240, 243), ((150, 156, 150), (104, 112, 104))
LAYERS = ("left", "middle", "right")  # from behind to the front


class _Part(NamedTuple):
    """A capsule of the picture."""

    first: int  # body at whose centre it begins, less ``axis`` times ``half``
    last: int  # body at whose centre it ends, plus ``axis`` times ``half``
    axis: int  # of the body: 0 for x, 2 for z
    half: float  # m
    radius: float  # m
    layer: int

    @property
    def length(self) -> float:
        """Length from end to end at most, m."""
        return 2 * (self.half + self.radius) + (0.0 if self.first == self.last else TRUNK_LENGTH)


def _parts() -> list[_Part]:
    """List the capsules; feet are boxes, of which their side is seen."""
    chest = character.NAMES.index("chest")
    parts = [_Part(0, chest, 2, 0.0, TRUNK_RADIUS, LAYERS.index("middle"))]
    for i, joint in enumerate(JOINTS):
        side = joint.name.split("_")[0]
        layer = LAYERS.index(side) if side in LAYERS else LAYERS.index("middle")
        if joint.shape == "box":
            radius = joint.size[2]
            parts.append(_Part(i, i, 0, joint.size[0] - radius, radius, layer))
        else:
            half = joint.size[1] if joint.shape == "capsule" else 0.0
            parts.append(_Part(i, i, 2, half, joint.size[0], layer))
    return parts


PARTS = _parts()
_FIRST, _LAST = np.array([part.first for part in PARTS]), np.array([part.last for part in PARTS])
_HALF = np.array([part.half for part in PARTS])
_ALONG_X = np.array([part.axis == 0 for part in PARTS])


class FrameArtist:
    """Draws frames of one size.

    :param size: height and width in pixels
    :raises ValueError: fewer than 16 pixels
    """

    def __init__(self, size: int = FRAME_SIZE) -> None:
        if size < 16:
            raise ValueError(f"`frame_size` must be at least 16 pixels, got {size}")
        self.size, self._scale = size, size / VIEW  # pixels a m
        self._centres = ((np.arange(size) + 0.5) / self._scale).astype(np.float32)  # m
        self._ground_row = round((VIEW - BELOW) * self._scale)
        self._sky = np.tile(np.array(SKY, dtype=np.uint8), size * size)
        # of each part, height and width of the pixels that it may cover
        self._windows = [min(size, int(np.ceil(part.length * self._scale)) + 2) for part in PARTS]

    def draw(self, state: CharacterState, bodies: Bodies, origin: Array) -> npt.NDArray[np.uint8]:
        """Draw characters from their right side.

        :param state: n characters; their root is in the middle
        :param bodies: theirs
        :param origin: where the ground's tiles are counted from, m, shape (n,)
        :return: shape (n, size, size, 3)
        """
        n = len(origin)
        starts, ends = _segments(state, bodies)  # m from the picture's upper left corner
        forward = (state.root_position[:, 0] - origin - VIEW / 2).astype(np.float32)
        frames = np.empty((n, self.size, self.size, 3), dtype=np.uint8)
        for first in range(0, n, CHUNK):
            rows = slice(first, first + CHUNK)
            layers = self._layers(starts[rows], ends[rows])
            frames[rows] = self._composed(layers, forward[rows])
        return frames

    def _layers(self, starts: Single, ends: Single) -> Single:
        """Compute which share of each pixel every layer covers.

        :param starts: of the capsules in pixels, shape (n, parts, 2), x and y downwards
        :param ends: likewise
        :return: in [0, 1], shape (3, n * size * size)
        """
        n, size = len(starts), self.size
        covered = np.zeros((len(LAYERS), n * size * size), dtype=np.float32)
        starts, ends = starts * np.float32(self._scale), ends * np.float32(self._scale)
        frame = (np.arange(n) * size * size)[:, None, None]
        for i, (part, window) in enumerate(zip(PARTS, self._windows, strict=True)):
            radius = np.float32(part.radius * self._scale)
            corner, shares = _coverage(starts[:, i], ends[:, i], radius, window, size)
            columns = corner[:, None, 0, None] + np.arange(window)  # (n, 1, window)
            rows = corner[:, 1, None, None] + np.arange(window)[:, None]  # (n, window, 1)
            pixels = (frame + rows * size + columns).reshape(-1)
            into = covered[part.layer]
            np.put(into, pixels, np.maximum(into.take(pixels), shares.reshape(-1)))
        return covered

    def _composed(self, layers: Single, forward: Single) -> npt.NDArray[np.uint8]:
        """Put the layers over ground and sky.

        :param layers: what they cover, shape (3, n * size * size)
        :param forward: way from the tiles' origin to the picture's left edge, m, shape (n,)
        :return: shape (n, size, size, 3)
        """
        size, row = self.size, self._ground_row
        light, dark = np.array(TILES, dtype=np.float32)
        tiles = light + self._dark_share(forward)[:, None, :, None] * (dark - light)
        frames = np.empty((len(forward), size, size, 3), dtype=np.uint8)
        frames.reshape(len(forward), -1)[:] = self._sky
        frames[:, row:] = np.rint(tiles)
        pixels = frames.reshape(-1, 3)
        total = layers[0] + layers[1]
        total += layers[2]
        touched = np.flatnonzero(total > 0.0)  # most pixels show no limb
        left, middle, right = (layer.take(touched) for layer in layers)
        weights = np.empty((len(touched), 4), dtype=np.float32)
        free = 1.0 - right
        weights[:, 2], weights[:, 1] = right, middle * free
        free *= 1.0 - middle
        weights[:, 0], weights[:, 3] = left * free, free * (1.0 - left)
        blended = weights[:, :3] @ np.array([LEFT, MIDDLE, RIGHT], dtype=np.float32)
        blended += weights[:, 3:] * pixels[touched]
        pixels[touched] = np.rint(blended)
        return frames

    def _dark_share(self, forward: Single) -> Single:
        """Compute which share of each column lies in a dark tile, shape (n, size)."""
        x = (forward[:, None] + self._centres) / np.float32(TILE)  # tiles
        # how far inside a dark tile, in pixels: dark are those from 1 to 2, 3 to 4, ...
        inside = 0.5 - np.abs(x % 2.0 - 1.5)
        return np.clip(inside * np.float32(TILE * self._scale) + 0.5, 0.0, 1.0)


def _segments(state: CharacterState, bodies: Bodies) -> tuple[Single, Single]:
    """Compute where the capsules begin and end, m from the picture's upper left corner, x and y
    downwards; each of shape (n, parts, 2).
    """
    w, x, y, z = (bodies.rotations[..., i] for i in range(4))
    along_x = np.stack([1 - 2 * (y * y + z * z), 2 * (x * z - w * y)], axis=-1)
    along_z = np.stack([2 * (x * z + w * y), 1 - 2 * (x * x + y * y)], axis=-1)
    axes = np.where(_ALONG_X[:, None], along_x[:, _FIRST], along_z[:, _FIRST]) * _HALF[:, None]
    centres = bodies.centres[..., (0, 2)] - (state.root_position * (1.0, 0.0, 0.0))[:, None, ::2]
    starts, ends = centres[:, _FIRST] - axes, centres[:, _LAST] + axes
    return _on_picture(starts), _on_picture(ends)


def _on_picture(points: Array) -> Single:
    flipped = np.stack([points[..., 0] + VIEW / 2, VIEW - BELOW - points[..., 1]], axis=-1)
    return flipped.astype(np.float32)


def _coverage(
    start: Single, end: Single, radius: np.float32, window: int, size: int
) -> tuple[npt.NDArray[np.intp], Single]:
    """Compute which share of the pixels around capsules they cover.

    :param start: in pixels, shape (n, 2)
    :param end: likewise
    :param radius: pixels
    :param window: height and width of what is computed, pixels
    :param size: of the picture, pixels
    :return: the windows' upper left corners, shape (n, 2), and shares, shape (n, window, window)
    """
    half = 0.5 * (end - start)
    middle = start + half
    corner = np.floor(middle - 0.5 * window + 0.5)
    corner = np.clip(corner, 0, size - window)
    # from the capsule's middle to the pixels' centres
    offsets = np.arange(0.5, window, dtype=np.float32) + (corner - middle)[..., None]
    across, down = offsets[:, 0, None, :], offsets[:, 1, :, None]
    length = np.sqrt((half * half).sum(axis=1, dtype=np.float32))
    is_disc = length < SHORTEST
    safe = np.where(is_disc, np.float32(1.0), length)
    ux = np.where(is_disc, np.float32(1.0), half[:, 0] / safe)[:, None, None]
    uy = np.where(is_disc, np.float32(0.0), half[:, 1] / safe)[:, None, None]
    along = across * ux + down * uy  # (n, window, window)
    beside = down * ux - across * uy
    np.abs(along, out=along)
    along -= length[:, None, None]
    np.maximum(along, 0.0, out=along)
    along *= along
    beside *= beside
    along += beside
    np.sqrt(along, out=along)
    np.subtract(radius + np.float32(0.5), along, out=along)
    np.clip(along, 0.0, 1.0, out=along)
    return corner.astype(np.intp), along
