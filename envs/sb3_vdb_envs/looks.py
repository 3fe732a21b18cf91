"""Looks of MuJoCo's pictures: presets that trade quality for speed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import check_whole


class Preset(NamedTuple):
    """Quality of pictures; None leaves what the task's own model says."""

    tessellation: tuple[int, int] | None  # slices and stacks of round shapes
    shadow_size: int | None  # pixels of the shadow map, 0 for none
    samples: int | None  # of antialiasing, 0 for none
    reflection: bool


# Speeds and differences are in docs/environments/suite.md
PRESETS = {
    "fast": Preset((8, 4), 0, 0, reflection=False),
    "shadow": Preset((8, 4), 128, 0, reflection=False),
    "default": Preset(None, None, None, reflection=True),
}
LEAST_SIZE, LARGEST_SIZE = 16, 2048  # pixels


def check_look(preset: str, size: int, name: str) -> None:
    """Refuse what cannot be rendered.

    :raises ValueError: unknown preset or image size
    """
    if preset not in PRESETS:
        raise ValueError(f"`preset` must be one of {', '.join(PRESETS)}, got {preset!r}")
    check_whole(name, size, 1, "pixels")
    if not LEAST_SIZE <= size <= LARGEST_SIZE:
        raise ValueError(
            f"`{name}` must lie between {LEAST_SIZE} and {LARGEST_SIZE} pixels, got {size}"
        )


def apply_preset(model: Any, preset: str) -> None:
    """Set a model's quality; physics do not depend on it.

    :param model: ``mujoco.MjModel``, before anything of it was large
    :param preset: key of :data:`PRESETS`
    """
    tessellation, shadow_size, samples, reflection = PRESETS[preset]
    quality = model.vis.quality
    if tessellation is not None:
        quality.numslices, quality.numstacks = tessellation
    if shadow_size is not None:
        quality.shadowsize = shadow_size
    if samples is not None:
        quality.offsamples = samples
    if not reflection:
        model.mat_reflectance[:] = 0.0


def average_down(large: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    """Average squares of pixels.

    :param large: square picture, shape (factor * size, factor * size, 3)
    :param factor: pixels of a square along each side
    :return: shape (size, size, 3)
    """
    if factor == 1:
        return large
    size = len(large) // factor
    blocks = large.reshape(size, factor, size, factor, 3)
    mean = blocks.mean(axis=(1, 3), dtype=np.float32)
    return (mean + 0.5).astype(np.uint8)
