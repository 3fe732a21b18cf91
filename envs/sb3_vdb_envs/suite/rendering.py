"""How pixel observations are rendered: presets that trade looks for speed, and the camera."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.offscreen import OffscreenRenderer


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
FLOORS = ("floor", "ground")  # names of the geom; every task of the suite has one of them
HIDDEN_GROUP = 5  # a group of geoms that MuJoCo does not render


def check_look(preset: str, size: int, name: str) -> None:
    """Refuse what cannot be rendered.

    :raises ValueError: unknown preset or image size
    """
    if preset not in PRESETS:
        raise ValueError(f"`preset` must be one of {', '.join(PRESETS)}, got {preset!r}")
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


def hide_floor(physics: Any) -> None:
    """Leave the floor out of all pictures; contacts and tasks do not depend on it.

    :param physics: ``dm_control.mujoco.Physics``
    """
    model = physics.model
    for i in range(model.ngeom):
        if model.id2name(i, "geom") in FLOORS:
            model.geom_group[i] = HIDDEN_GROUP


class SuiteRenderer:
    """Renders square pictures of a dm_control physics through one of its cameras.

    dm_control's own renderer makes a scene for every picture and renders in full quality; the
    difference is a factor of sixty.

    :param physics: ``dm_control.mujoco.Physics``
    :param preset: key of :data:`PRESETS`
    :param image_size: height and width, pixels
    :param camera: number or name
    :param supersample: the picture is rendered this many times larger and averaged down
    :raises ValueError: the model has no such camera
    """

    def __init__(
        self, physics: Any, preset: str, image_size: int, camera: int | str, supersample: int = 1
    ) -> None:
        self._physics, self._size, self._supersample = physics, image_size, supersample
        model = physics.model.ptr
        number = _camera_number(physics, camera)
        large = image_size * supersample
        self._renderer = OffscreenRenderer(model, large, large)
        self._renderer.camera.fixedcamid = number
        self._renderer.camera.type = 2  # mjCAMERA_FIXED
        apply_preset(model, preset)

    def render(self) -> npt.NDArray[np.uint8]:
        """Render the present state, shape (image_size, image_size, 3)."""
        large = self._renderer.render(self._physics.data.ptr)
        if self._supersample == 1:
            return large
        blocks = large.reshape(self._size, self._supersample, self._size, self._supersample, 3)
        mean = blocks.mean(axis=(1, 3), dtype=np.float32)
        return (mean + 0.5).astype(np.uint8)

    def refresh(self) -> None:
        """Take over what an episode's start changed in the model."""
        self._renderer.upload_heights()

    def close(self) -> None:
        """Free OpenGL."""
        self._renderer.close()


def _camera_number(physics: Any, camera: int | str) -> int:
    model = physics.model
    names = [model.id2name(i, "camera") for i in range(model.ncam)]
    if isinstance(camera, str) and camera in names:
        return names.index(camera)
    if isinstance(camera, (int, np.integer)) and 0 <= camera < model.ncam:
        return int(camera)
    shown = ", ".join(f"{i} ({name})" if name else str(i) for i, name in enumerate(names))
    raise ValueError(f"`camera` must be one of {shown}, got {camera!r}")
