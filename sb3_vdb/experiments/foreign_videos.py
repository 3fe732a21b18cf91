"""A video of the run by another renderer, as a user would bring it: what its camera and colours
change, in numbers and a picture.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import imageio
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch as th
from gymnasium import spaces

from sb3_vdb.demonstrations.video_clips import GRIDS
from sb3_vdb.demonstrations.video_files import Crop, cropped, read_video, resized
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.files import write_text
from sb3_vdb.views import PictureDifference
from sb3_vdb_envs.biped.frames import (
    BELOW,
    FRAME_SIZE,
    LEFT,
    MIDDLE,
    RIGHT,
    SKY,
    TILES,
    VIEW,
    FrameArtist,
)
from sb3_vdb_envs.biped.projection import project
from sb3_vdb_envs.humanoid.clips import MotionClip
from sb3_vdb_envs.humanoid.kinematics import forward_kinematics
from sb3_vdb_envs.humanoid.picture import MujocoPicture

Frames = npt.NDArray[np.uint8]

RATE, N_FRAMES = 30, 24  # Hz; one cycle of the run
HEIGHT, FROM_THE_SIDE, OBLIQUE = 360, 90.0, 60.0  # pixels; degrees
WINDOW = Crop(top=39, left=183, height=275, width=275)  # 2 m around the root, 0.125 m under ground
SHIFTED = Crop(top=19, left=213, height=275, width=275)  # 0.2 m off
SMALLER = Crop(top=0, left=140, height=360, width=360)  # 2.6 m
SHOWN = (0, 6, 12, 18)  # frames in the picture


def foreign_videos(out: Path) -> list[Path]:
    """Write ``run_mujoco.mp4`` (MuJoCo's renderer), ``foreign_videos.csv`` and
    ``foreign_videos.png``.

    :param out: where they go, a folder
    :return: the files
    """
    clip = project(MotionClip.load("run"))
    moments = np.arange(N_FRAMES) / RATE
    state = clip.state(moments)
    ours = FrameArtist().draw(state, forward_kinematics(state), np.zeros(N_FRAMES))
    film = out / "run_mujoco.mp4"
    _film(clip, moments, FROM_THE_SIDE, film)
    oblique = out / "oblique.mp4"
    _film(clip, moments, OBLIQUE, oblique)
    videos = {
        "as it is, cut to 2 m": _read(film, WINDOW),
        "colours and ground of the environment": _read(film, WINDOW, repaint=True),
        "the same, 0.2 m beside": _read(film, SHIFTED, repaint=True),
        "the same, a quarter smaller": _read(film, SMALLER, repaint=True),
        "the same, camera 30 degrees from the side": _read(oblique, WINDOW, repaint=True),
    }
    oblique.unlink()
    rows = [{"video": name, **_measured(ours, frames)} for name, frames in videos.items()]
    table = out / "foreign_videos.csv"
    write_text(table, pd.DataFrame(rows).round(3).to_csv(index=False))
    return [film, table, _draw(ours, videos, out / "foreign_videos.png")]


def painted_video(name: str) -> Frames:
    """Film a clip with MuJoCo's renderer, write and read the mp4 file, cut it to 2 m, and paint it.

    :param name: of the clip, one cycle of which is filmed
    :return: shape (n, height, width, 3)
    """
    clip = project(MotionClip.load(name))
    with TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        _film(clip, np.arange(round(clip.duration * RATE)) / RATE, FROM_THE_SIDE, film)
        return repainted(cropped(read_video(film), WINDOW).frames)


def repainted(frames: Frames) -> Frames:
    """Give MuJoCo's pictures the colours of the biped's frames, on the biped's background: limbs
    are told by red less blue.

    :param frames: shape (n, height, width, 3), 2 m high, from 0.125 m under the ground
    """
    red_less_blue = frames[..., 0].astype(np.int16) - frames[..., 2]
    painted = np.empty_like(frames)
    painted[:] = SKY
    ground = round(frames.shape[1] * (1.0 - BELOW / VIEW))
    painted[:, ground:] = np.mean(TILES, axis=0)
    painted[red_less_blue > 6] = MIDDLE
    painted[red_less_blue > 60] = RIGHT
    painted[red_less_blue < -35] = LEFT
    return painted


def _film(clip: MotionClip, moments: npt.NDArray[np.float64], azimuth: float, path: Path) -> None:
    picture = MujocoPicture(HEIGHT, azimuth)
    frames: list[Any] = [
        picture.render(clip.state(moments[i : i + 1]), None) for i in range(len(moments))
    ]
    picture.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    imageio.mimwrite(path, frames, fps=RATE, macro_block_size=1)


def _read(path: Path, crop: Crop, repaint: bool = False) -> Frames:
    """Read a video as :meth:`~sb3_vdb.Demonstrations.from_video` does."""
    video = cropped(read_video(path), crop)
    if repaint:
        video = video._replace(frames=repainted(video.frames))
    return resized(video, FRAME_SIZE, FRAME_SIZE).frames


def _measured(ours: Frames, theirs: Frames) -> dict[str, Any]:
    """Compare a video with the environment's own frames, on the grids that a discriminator sees:
    the difference over that of frames one late, the share of frames whose nearest is the right one
    or next to it, and by how many frames the nearest is off.
    """
    a, b = _cells(ours), _cells(theirs)
    late = np.roll(a, -1, axis=0)
    distance = np.square(b[:, None] - a[None]).mean(axis=-1)  # (theirs, ours)
    nearest = distance.argmin(axis=1)
    off = np.abs((nearest - np.arange(N_FRAMES) + N_FRAMES // 2) % N_FRAMES - N_FRAMES // 2)
    return {
        "difference": _rms(b - a) / _rms(late - a),
        "right": float(np.mean(off <= 1)),
        "off": float(off.mean()),
    }


def _cells(frames: Frames) -> npt.NDArray[np.float32]:
    """Give mean colours of the grids' cells, shape (n, n_cells)."""
    black = np.zeros((1, *frames.shape[1:]), np.uint8)
    space = spaces.Dict(
        {
            "frame": spaces.Box(0, 255, frames.shape[1:], np.uint8),
            "phase": spaces.Box(-1.0, 1.0, (1,), np.float32),
        }
    )
    seen = {"frame": frames, "phase": np.zeros((len(frames), 1), np.float32)}
    view = PictureDifference(black, grids=GRIDS)
    return view.encode(seen, space, th.device("cpu")).vectors.numpy()


def _rms(values: npt.NDArray[Any]) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _draw(ours: Frames, videos: dict[str, Frames], path: Path) -> Path:
    rows = {"the environment's own": ours, **videos}
    with new_figure(path, (6.4, 1.35 * len(rows)), dpi=80) as figure:
        grid = figure.subplots(len(rows), len(SHOWN) + 1)
        for axes, (name, frames) in zip(grid, rows.items(), strict=True):
            axes[0].text(1.0, 0.5, name, ha="right", va="center", fontsize=7, wrap=True)
            axes[0].axis("off")
            for axis, i in zip(axes[1:], SHOWN, strict=True):
                axis.imshow(frames[i], interpolation="nearest")
                axis.axis("off")
    return path
