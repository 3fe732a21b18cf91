"""A video as demonstrations: frames and their place in time, and what a discriminator sees."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations.video_files import Crop, Video, at_rate, cropped, read_video, resized
from sb3_vdb.transitions import Observations
from sb3_vdb.views import PictureDifference, View

GRIDS = (16, 8)  # cells of 12 and 25 cm for the biped, along which differences of a gait grow


def sample_video(
    source: Any,
    env_id: str,
    env_kwargs: Mapping[str, Any] | None,
    rate: float | None,
    loops: bool | None,
    crop: tuple[int, int, int, int] | None,
    resample: bool,
) -> tuple[Observations, View]:
    """Fit a video to an environment that observes one.

    :param source: see :func:`~sb3_vdb.demonstrations.video_files.read_video`
    :param env_id: an environment that observes ``frame`` and ``phase``, as the bipeds do
    :param env_kwargs: arguments of the environment
    :param rate: frames a second of the source; None for what the file says
    :param loops: whether the video repeats; None for what the environment's clip does
    :param crop: top, left, height and width of the part that is seen, pixels; None for all
    :param resample: whether any frame rate will do
    :return: observations along the video, and the view of differences to it
    :raises ValueError: the environment observes no video, or the video does not fit, naming what
        and the remedy
    """
    with closing(gym.make(env_id, **(env_kwargs or {}))) as env:
        if not getattr(env.unwrapped, "observes_video", False):
            raise ValueError(
                f"{env_id} observes no video; the bipeds do, for example sb3_vdb/BipedRunVideo-v0"
            )
        return _fitted(source, env.unwrapped, rate, loops, crop, resample)


def _fitted(
    source: Any,
    env: Any,
    rate: float | None,
    loops: bool | None,
    crop: tuple[int, int, int, int] | None,
    resample: bool,
) -> tuple[Observations, View]:
    """Fit a video to an environment, see :func:`sample_video`.

    :raises ValueError: it does not fit
    """
    video = read_video(source)
    if rate is not None:
        video = video._replace(rate=rate)
    if crop is not None:
        video = cropped(video, Crop(*crop))
    height, width, channels = env.observation_space["frame"].shape
    video = at_rate(resized(video, height, width), env.metadata["render_fps"], resample)
    loops = bool(env.clip.loops) if loops is None else loops
    _check_length(video, env.clip)
    frames = _stacks(video.frames, channels // 3, loops)
    view = differences_to(frames, loops)
    n = len(frames)
    if loops:  # the first frame again, one cycle on
        frames = np.concatenate([frames, frames[:1]])
    phases = -1.0 + 2.0 * np.arange(len(frames)) / (n if loops else n - 1)
    phases = np.where(phases >= 1.0, -1.0, phases) if loops else phases
    observations = {"frame": frames, "phase": phases.astype(np.float32)[:, None]}
    return observations, View(view, sees=("next_observations",))


def differences_to(frames: npt.NDArray[np.uint8], loops: bool) -> PictureDifference:
    """Make the view of differences to a video: on coarse grids, where its size has equal cells.

    :param frames: at evenly spaced phases, shape (n_phases, height, width, channels)
    :param loops: whether the video repeats
    """
    height, width = frames.shape[1:3]
    grids = tuple(grid for grid in GRIDS if height % grid == width % grid == 0)
    return PictureDifference(frames, key="frame", clock="phase", loops=loops, grids=grids)


def _check_length(video: Video, clip: Any) -> None:
    """Refuse a video that is not as long as the motion whose phase the environment tells.

    :raises ValueError: naming both
    """
    assert video.rate is not None
    frame = 1.0 / video.rate  # s
    if abs(len(video.frames) * frame - clip.duration) > 1.5 * frame:
        raise ValueError(
            f"{video.source} lasts {len(video.frames) * frame:.2f} s, and a cycle of the "
            f"environment's clip {clip.name} {clip.duration:.2f} s; cut the video to one cycle, or "
            "make the environment with the clip that it shows"
        )


def _stacks(frames: npt.NDArray[np.uint8], n: int, loops: bool) -> npt.NDArray[np.uint8]:
    """Put the frames before each one in front of it, as environments with a ``frame_stack`` do.

    :param frames: shape (n_frames, height, width, 3)
    :param n: frames of a stack
    :param loops: whether the last frames stand before the first one
    """
    index = np.arange(len(frames))
    earlier = [index - age for age in reversed(range(n))]
    rows = [each % len(frames) if loops else each.clip(0) for each in earlier]
    return np.concatenate([frames[each] for each in rows], axis=-1)
