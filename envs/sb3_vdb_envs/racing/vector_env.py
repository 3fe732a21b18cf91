"""Many races as one Gymnasium vector environment."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import BatchVectorEnv, check_num_envs
from sb3_vdb_envs.racing.batch import RacingBatch
from sb3_vdb_envs.racing.env import (
    ACTION_REPEAT,
    RENDER_HEIGHT,
    SETTLING_FRAMES,
    RacingEnv,
    check_render_height,
    pictures_per_second,
)
from sb3_vdb_envs.vector import AutoresetMode


class RacingVectorEnv(BatchVectorEnv):
    """``num_envs`` copies of :class:`RacingEnv`, one after the other; spaces, rewards and infos are
    described there, as are the arguments that are not here.

    Box2D keeps Python's lock, so that threads would not make it faster. Where many cores are free,
    processes do (SB3's ``SubprocVecEnv``).

    :param num_envs: number of races
    :param max_episode_steps: time limit in steps beside the game's 1000 frames; None for none
    :param autoreset_mode: ``"SameStep"`` (default: no step is lost, and the only mode Gymnasium
        0.29 knows), ``"NextStep"`` or ``"Disabled"``, with the meaning Gymnasium gives them
    :raises ValueError: a bad argument
    """

    metadata = RacingEnv.metadata

    def __init__(
        self,
        num_envs: int = 1,
        image_size: int | None = None,
        action_repeat: int = ACTION_REPEAT,
        settling_frames: int = SETTLING_FRAMES,
        frame_stack: int = 1,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        render_height: int = RENDER_HEIGHT,
    ) -> None:
        check_num_envs(num_envs)
        check_render_height(render_height)
        self.action_repeat, self.render_height = action_repeat, render_height
        self.races = RacingBatch(num_envs, action_repeat, settling_frames, image_size, frame_stack)
        super().__init__(self.races, num_envs, max_episode_steps, autoreset_mode, render_mode)
        self.metadata = {**self.metadata, "render_fps": pictures_per_second(action_repeat)}

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Draw the game's own picture of each race, of shape (render_height, 1.25 render_height,
        3); None without a render mode.
        """
        if self.render_mode is None:
            return None
        return tuple(self.races.render(i, self.render_height) for i in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Free the games."""
        self.races.close()
