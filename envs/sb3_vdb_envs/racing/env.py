"""Car racing as a single Gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import EzPickle

from sb3_vdb_envs.racing.batch import RacingBatch
from sb3_vdb_envs.racing.race import FRAMES_PER_SECOND
from sb3_vdb_envs.single import BatchOfOneEnv

RENDER_HEIGHT = 240  # pixels of `render()` for people
ACTION_REPEAT = 2  # frames, the V-MAIL paper's
SETTLING_FRAMES = 50  # the V-MAIL paper's; after them the camera is near


class RacingEnv(BatchOfOneEnv, EzPickle):
    """Gymnasium's ``CarRacing`` (v2 on Gymnasium 0.29, v3 on 1.x) with pictures that are drawn
    more than ten times as fast: the V-MAIL paper's task (section 4).

    ## Description
    A car with rear-wheel drive on a random track, seen from above. Physics, tracks and rewards are
    Gymnasium's own, whose class runs underneath; the same seed gives the same track.

    ## Action Space
    ``Box(-1, 1, (3,), float32)``: steering (-1 is left), gas and brake. Gymnasium has gas and brake
    from 0 to 1; here -1 is none and 1 is all. Values beyond the bounds act as the bound.

    ## Observation Space
    With ``image_size``, ``Box(0, 255, (image_size, image_size, 3 * frame_stack), uint8)``: what
    the game shows, the newest picture last, without the return in its corner.

    Without, ``Box`` of float32, shape (59,), for drivers that know the track. The car: speed
    forwards and to the right (m/s), turning rate (rad/s), angle of the front wheels (rad), rates
    of the front left, front right, rear left and rear right wheel (rad/s), gas at the rear wheels
    (0 to 1), metres to the right of the centre line, direction relative to it (rad). Then for each
    of 16 points of the centre line, 7 m apart: metres ahead of the car and to its right, direction
    of the line relative to the car's (rad). Angles are positive to the left.

    ## Rewards
    Gymnasium's, summed over ``action_repeat`` frames: -0.1 a frame, 1000 / (number of tiles) for
    every new tile, and -100 in place of these in the frame in which the car leaves the field.
    ``info["reward/tiles"]``, ``["reward/time"]`` and ``["reward/off_field"]`` have the terms.

    ## Starting State
    A new track; the car has stood at its start for ``settling_frames`` frames.

    ## Episode End
    Terminated when the lap is finished (95 % of the tiles, and back at the first one), as in v3, on
    Gymnasium 0.29 too, and when the car leaves the field. Truncated after 1000 frames.

    ## Information
    ``frames`` since the start of the episode, ``tiles_share``, the visited share of the track, and
    ``is_success``, whether the lap is finished.

    ## Arguments

    :param image_size: height and width of observations in pixels; None observes states
    :param action_repeat: frames of 0.02 s an action lasts
    :param settling_frames: frames without action after each reset, which are not counted; during
        the first 50 the camera comes nearer
    :param frame_stack: pictures in an observation; at the start the first one is repeated
    :param render_mode: ``"rgb_array"`` or None
    :param render_height: height of pictures for people in pixels
    :raises ValueError: a bad argument
    :raises gymnasium.error.DependencyNotInstalled: Box2D or pygame is missing

    ## Version History
    v0: first version.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": FRAMES_PER_SECOND // ACTION_REPEAT,
    }

    def __init__(
        self,
        image_size: int | None = None,
        action_repeat: int = ACTION_REPEAT,
        settling_frames: int = SETTLING_FRAMES,
        frame_stack: int = 1,
        render_mode: str | None = None,
        render_height: int = RENDER_HEIGHT,
    ) -> None:
        EzPickle.__init__(
            self, image_size, action_repeat, settling_frames, frame_stack, render_mode,
            render_height,
        )  # fmt: skip
        check_render_height(render_height)
        self.action_repeat, self.render_height = action_repeat, render_height
        self.races = RacingBatch(1, action_repeat, settling_frames, image_size, frame_stack)
        self.metadata = {**type(self).metadata, "render_fps": pictures_per_second(action_repeat)}
        BatchOfOneEnv.__init__(self, self.races, render_mode)

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Apply an action for ``action_repeat`` frames, or until the episode ends.

        :raises gymnasium.error.ResetNeeded: it has ended or not begun
        """
        if self.races.races[0].ended:
            raise gym.error.ResetNeeded("the episode has ended or not begun; call reset()")
        return super().step(action)

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Draw the game's own picture, shape (render_height, 1.25 render_height, 3); None without a
        render mode.
        """
        return None if self.render_mode is None else self.races.render(0, self.render_height)

    def close(self) -> None:
        """Free the game; closing twice is legal."""
        self.races.close()


def check_render_height(render_height: int) -> None:
    """Refuse pictures for people without pixels.

    :raises ValueError: ``render_height`` is not positive
    """
    if render_height < 1:
        raise ValueError(f"`render_height` must be at least 1 pixel, got {render_height}")


def pictures_per_second(action_repeat: int) -> int:
    """Return how many steps are a second."""
    return max(1, round(FRAMES_PER_SECOND / action_repeat))
