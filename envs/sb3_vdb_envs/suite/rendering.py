"""How pictures of the suite's tasks are rendered: camera and floor."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.looks import apply_preset, average_down
from sb3_vdb_envs.offscreen import OffscreenRenderer

FLOORS = ("floor", "ground")  # names of the geom; every task of the suite has one of them
HIDDEN_GROUP = 5  # a group of geoms that MuJoCo does not render


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
    :param preset: key of :data:`~sb3_vdb_envs.looks.PRESETS`
    :param image_size: height and width, pixels
    :param camera: number or name
    :param supersample: the picture is rendered this many times larger and averaged down
    :raises ValueError: the model has no such camera
    """

    def __init__(
        self, physics: Any, preset: str, image_size: int, camera: int | str, supersample: int = 1
    ) -> None:
        self._physics, self._supersample = physics, supersample
        model = physics.model.ptr
        number = _camera_number(physics, camera)
        large = image_size * supersample
        self._renderer = OffscreenRenderer(model, large, large)
        self._renderer.camera.fixedcamid = number
        self._renderer.camera.type = 2  # mjCAMERA_FIXED
        apply_preset(model, preset)

    def render(self) -> npt.NDArray[np.uint8]:
        """Render the present state, shape (image_size, image_size, 3)."""
        return average_down(self._renderer.render(self._physics.data.ptr), self._supersample)

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
