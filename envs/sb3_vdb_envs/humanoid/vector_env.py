"""Many humanoids as one Gymnasium vector environment, simulated by MuJoCo on a pool of threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import BatchVectorEnv, check_num_envs
from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.batch import HumanoidBatch
from sb3_vdb_envs.humanoid.clip_access import ClipAccess
from sb3_vdb_envs.humanoid.env import HumanoidEnv
from sb3_vdb_envs.humanoid.mujoco_simulator import MujocoSimulator
from sb3_vdb_envs.humanoid.picture import IMAGE_HEIGHT, MujocoPicture, image_size
from sb3_vdb_envs.humanoid.settings import make_settings
from sb3_vdb_envs.humanoid.simulator import make_plant
from sb3_vdb_envs.vector import AutoresetMode


class CharacterVectorEnv(ClipAccess, BatchVectorEnv):
    """Characters that imitate a clip as one batch; they render as single ones do.

    :param batch: the characters
    :param max_episode_steps: time limit, which truncates; None for no limit
    :param autoreset_mode: ``"SameStep"``, ``"NextStep"`` or ``"Disabled"``
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height of pictures in pixels
    """

    def __init__(
        self,
        batch: HumanoidBatch,
        max_episode_steps: int | None,
        autoreset_mode: str | AutoresetMode,
        render_mode: str | None,
        render_height: int,
    ) -> None:
        if render_mode is not None:
            image_size(render_height)
        self.clip, self.render_height, self.batch = batch.settings.clip, render_height, batch
        self._picture: MujocoPicture | None = None
        super().__init__(batch, batch.n, max_episode_steps, autoreset_mode, render_mode)

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Render one picture of each character, of shape (render_height, width, 3); None without a
        render mode.
        """
        if self.render_mode is None:
            return None
        self._picture = self._picture or MujocoPicture(self.render_height)
        state, target = self.batch.characters
        rows = [np.array([i]) for i in range(self.num_envs)]
        return tuple(self._picture.render(state.take(row), target.take(row)) for row in rows)

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the threads and close the picture."""
        self.batch.simulator.close()
        if self._picture is not None:
            self._picture.close()
            self._picture = None


class HumanoidVectorEnv(CharacterVectorEnv):
    """``num_envs`` copies of :class:`HumanoidEnv` in one batch; spaces, reward and infos are
    described there, and arguments of the same name.

    Copy ``i`` of a batch reset with ``seed=s`` goes through the same states, bit for bit, as a
    single environment reset with ``seed=s + i``.

    :param num_envs: number of characters; 128 to 256 use the processor best
    :param threads: worker threads; None for one per core
    :param max_episode_steps: time limit, which truncates; None for no limit
    :param autoreset_mode: ``"SameStep"`` (default), ``"NextStep"`` or ``"Disabled"``
    :raises ValueError: a bad argument
    """

    metadata = HumanoidEnv.metadata

    def __init__(
        self,
        num_envs: int = 1,
        clip: str = "walk",
        timestep: float | None = None,
        threads: int | None = None,
        fall: str | Sequence[str] = "deepmimic",
        rotation: str = "quaternion",
        action: str = "exp_map",
        target: str = "absolute",
        random_start: bool = True,
        sync_root: bool = True,
        drift: bool = False,
        mass_scale: float = 1.0,
        friction_scale: float = 1.0,
        max_episode_steps: int | None = character.HORIZON,
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
    ) -> None:
        check_num_envs(num_envs)
        settings = make_settings(
            clip, fall, rotation, action, target, random_start, sync_root, drift
        )
        step = 1 / 240 if timestep is None else timestep
        plant = make_plant(mass_scale, friction_scale)
        simulator = MujocoSimulator(num_envs, step, threads, plant)
        batch = HumanoidBatch(settings, simulator, num_envs)
        super().__init__(batch, max_episode_steps, autoreset_mode, render_mode, render_height)
