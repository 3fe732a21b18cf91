"""Many copies of a hand's task as one Gymnasium vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import BatchVectorEnv, check_num_envs
from sb3_vdb_envs.hands.baoding import BaodingTask
from sb3_vdb_envs.hands.batch import IMAGE_SIZE, HandBatch, Look
from sb3_vdb_envs.hands.claw import ClawTask
from sb3_vdb_envs.hands.env import RENDER_SIZE, HandEnv
from sb3_vdb_envs.hands.picture import HandPicture
from sb3_vdb_envs.hands.task import HandTask
from sb3_vdb_envs.hands.tasks import BAODING_STEPS, CLAW_STEPS
from sb3_vdb_envs.looks import check_look
from sb3_vdb_envs.vector import AutoresetMode


class HandVectorEnv(BatchVectorEnv):
    """Copies of a task of claw or hand in one batch.

    Copy ``i`` of a batch reset with ``seed=s`` goes through the same states, bit for bit, as a
    single environment reset with ``seed=s + i``.

    :param task: what is to be done
    :param num_envs: number of copies
    :param look: of observations; None for states
    :param threads: worker threads of the physics; None for one per core
    :param max_episode_steps: time limit, which truncates; None for no limit
    :param autoreset_mode: ``"SameStep"`` (default), ``"NextStep"`` or ``"Disabled"``
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height and width of ``render()``, pixels
    :param preset: of ``render()``
    :raises ValueError: a bad argument
    """

    metadata = HandEnv.metadata

    def __init__(
        self,
        task: HandTask,
        num_envs: int,
        look: Look | None,
        threads: int | None,
        max_episode_steps: int | None,
        autoreset_mode: str | AutoresetMode,
        render_mode: str | None,
        render_height: int,
        preset: str,
    ) -> None:
        check_num_envs(num_envs)
        check_look(preset, render_height, "render_height")
        self.task, self.preset, self.render_height = task, preset, render_height
        self.hands = HandBatch(task, num_envs, look, threads)
        self._picture: HandPicture | None = None
        super().__init__(self.hands, num_envs, max_episode_steps, autoreset_mode, render_mode)

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Render one picture of each copy, of shape (render_height, render_height, 3); None without
        a render mode.
        """
        if self.render_mode is None:
            return None
        if self._picture is None:
            self._picture = HandPicture(self.task, self.preset, self.render_height)
        rows = zip(self.hands.positions, self.hands.clocks, strict=True)
        return tuple(self._picture.render(positions, clock) for positions, clock in rows)

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the threads and free OpenGL."""
        self.hands.close()
        if self._picture is not None:
            self._picture.close()
            self._picture = None


def claw_states(
    num_envs: int = 1,
    n_prongs: int = 3,
    direction: int = 1,
    start_noise: float = 0.0,
    preset: str = "default",
    threads: int | None = None,
    max_episode_steps: int | None = CLAW_STEPS,
    autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    render_height: int = RENDER_SIZE,
) -> HandVectorEnv:
    """Make copies of :class:`.ClawStateEnv`, with its arguments and those of
    :class:`HandVectorEnv`.
    """
    return HandVectorEnv(
        ClawTask(n_prongs, direction, start_noise), num_envs, None, threads, max_episode_steps,
        autoreset_mode, render_mode, render_height, preset,
    )  # fmt: skip


def claw_pixels(
    num_envs: int = 1,
    n_prongs: int = 3,
    direction: int = 1,
    start_noise: float = 0.0,
    image_size: int = IMAGE_SIZE,
    frame_stack: int = 1,
    preset: str = "fast",
    supersample: int = 1,
    proprioception: bool = False,
    threads: int | None = None,
    max_episode_steps: int | None = CLAW_STEPS,
    autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    render_height: int = RENDER_SIZE,
) -> HandVectorEnv:
    """Make copies of :class:`.ClawPixelEnv`, with its arguments and those of
    :class:`HandVectorEnv`.
    """
    return HandVectorEnv(
        ClawTask(n_prongs, direction, start_noise), num_envs,
        Look(image_size, frame_stack, preset, supersample, proprioception), threads,
        max_episode_steps, autoreset_mode, render_mode, render_height, preset,
    )  # fmt: skip


def baoding_states(
    num_envs: int = 1,
    n_controls: int = 26,
    start_noise: float = 0.0,
    preset: str = "default",
    threads: int | None = None,
    max_episode_steps: int | None = BAODING_STEPS,
    autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    render_height: int = RENDER_SIZE,
) -> HandVectorEnv:
    """Make copies of :class:`.BaodingStateEnv`, with its arguments and those of
    :class:`HandVectorEnv`.
    """
    return HandVectorEnv(
        BaodingTask(n_controls, start_noise), num_envs, None, threads, max_episode_steps,
        autoreset_mode, render_mode, render_height, preset,
    )  # fmt: skip


def baoding_pixels(
    num_envs: int = 1,
    n_controls: int = 26,
    start_noise: float = 0.0,
    image_size: int = IMAGE_SIZE,
    frame_stack: int = 1,
    preset: str = "fast",
    supersample: int = 1,
    proprioception: bool = False,
    threads: int | None = None,
    max_episode_steps: int | None = BAODING_STEPS,
    autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    render_height: int = RENDER_SIZE,
) -> HandVectorEnv:
    """Make copies of :class:`.BaodingPixelEnv`, with its arguments and those of
    :class:`HandVectorEnv`.
    """
    return HandVectorEnv(
        BaodingTask(n_controls, start_noise), num_envs,
        Look(image_size, frame_stack, preset, supersample, proprioception), threads,
        max_episode_steps, autoreset_mode, render_mode, render_height, preset,
    )  # fmt: skip
