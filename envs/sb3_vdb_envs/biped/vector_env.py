"""Many bipeds as one Gymnasium vector environment, simulated by MuJoCo on a pool of threads."""

from __future__ import annotations

from collections.abc import Sequence

from sb3_vdb_envs.batched import check_num_envs
from sb3_vdb_envs.biped.env import BipedEnv
from sb3_vdb_envs.biped.frames import FRAME_SIZE
from sb3_vdb_envs.biped.settings import biped_batch, biped_settings
from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.picture import IMAGE_HEIGHT
from sb3_vdb_envs.humanoid.vector_env import CharacterVectorEnv
from sb3_vdb_envs.vector import AutoresetMode


class BipedVectorEnv(CharacterVectorEnv):
    """``num_envs`` copies of :class:`BipedEnv` in one batch; spaces, reward and infos are described
    there, and arguments of the same name.

    Copy ``i`` of a batch reset with ``seed=s`` goes through the same states, bit for bit, as a
    single environment reset with ``seed=s + i``.

    :param num_envs: number of bipeds
    :param threads: worker threads; None for one per core
    :param max_episode_steps: time limit, which truncates; None for no limit
    :param autoreset_mode: ``"SameStep"`` (default), ``"NextStep"`` or ``"Disabled"``
    :raises ValueError: a bad argument
    """

    metadata = BipedEnv.metadata

    def __init__(
        self,
        num_envs: int = 1,
        clip: str = "run",
        timestep: float | None = None,
        threads: int | None = None,
        fall: str | Sequence[str] = "torso",
        random_start: bool = False,
        sync_root: bool = True,
        frame_size: int = FRAME_SIZE,
        frame_stack: int = 1,
        max_episode_steps: int | None = character.HORIZON,
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        render_height: int = IMAGE_HEIGHT,
    ) -> None:
        check_num_envs(num_envs)
        settings = biped_settings(clip, fall, random_start, sync_root)
        batch = biped_batch(
            settings, num_envs, "mujoco", timestep, frame_size, frame_stack, threads
        )
        super().__init__(batch, max_episode_steps, autoreset_mode, render_mode, render_height)
