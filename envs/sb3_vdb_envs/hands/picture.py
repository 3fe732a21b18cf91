"""Square pictures of a hand's task."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.hands.task import Array, HandTask
from sb3_vdb_envs.looks import apply_preset, average_down
from sb3_vdb_envs.offscreen import OffscreenRenderer


class HandPicture:
    """Renders any copy of a task through the task's camera.

    :param task: what is rendered
    :param preset: key of :data:`~sb3_vdb_envs.looks.PRESETS`
    :param image_size: height and width, pixels
    :param supersample: the picture is rendered this many times larger and averaged down
    """

    def __init__(self, task: HandTask, preset: str, image_size: int, supersample: int = 1) -> None:
        mujoco = require("mujoco", "humanoid")
        self._task, self._supersample = task, supersample
        self._data = mujoco.MjData(task.model)
        # what a picture needs of a state
        self._place = (mujoco.mj_kinematics, mujoco.mj_comPos, mujoco.mj_camlight)
        large = image_size * supersample
        self._renderer = OffscreenRenderer(task.model, large, large)
        camera: Any = self._renderer.camera
        camera.distance, camera.azimuth, camera.elevation, camera.lookat[:] = task.camera
        apply_preset(task.model, preset)

    def render(self, positions: Array, clock: float) -> npt.NDArray[np.uint8]:
        """Render a state, shape (image_size, image_size, 3).

        :param positions: MuJoCo's ``qpos``, shape (nq,)
        :param clock: control steps since the start
        """
        model, data = self._task.model, self._data
        data.qpos[:] = positions
        for compute in self._place:
            compute(model, data)
        self._task.arrange(data, clock)
        return average_down(self._renderer.render(data), self._supersample)

    def close(self) -> None:
        """Free OpenGL; closing twice is legal."""
        self._renderer.close()
