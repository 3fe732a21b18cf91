"""Videos as arrays of frames: mp4 and gif files, folders of pictures, npz files, arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence

from sb3_vdb.arguments import positive_number
from sb3_vdb.array_files import open_arrays
from sb3_vdb.files import expanded

Frames = npt.NDArray[np.uint8]

CODED = (".mp4", ".gif", ".webm", ".avi", ".mov", ".mkv")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
NPZ_NAME = "frames"  # of the array in an npz file
OPAQUE = 255
RATE_TOLERANCE = 2e-3  # of a ratio of frame rates to a whole number; 29.97 Hz is taken for 30


class Video(NamedTuple):
    """Frames in the order of time.

    :param frames: RGB, uint8, shape (n_frames, height, width, 3)
    :param rate: frames a second; None where nothing says
    :param source: what messages call it
    """

    frames: Frames
    rate: float | None
    source: str


class Crop(NamedTuple):
    """A part of a picture, pixels.

    :param top: first row
    :param left: first column
    :param height: rows
    :param width: columns
    """

    top: int
    left: int
    height: int
    width: int


def read_video(source: str | Path | npt.ArrayLike) -> Video:
    """Read a video.

    :param source: the path of a file (mp4, gif and what else ffmpeg reads; npz with ``frames`` and,
        if it likes, ``rate``) or of a folder of pictures, in the order of their names; or an array
        of shape (n_frames, height, width, 3)
    :raises ValueError: it cannot be read, has fewer than two frames, frames that are not RGB of one
        size, or shows nothing
    """
    if not isinstance(source, (str, Path)):
        return _checked(np.asarray(source), None, "the array")
    path = expanded(source)
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise ValueError(f"there is no video {path}; give a file, a folder of pictures or an array")
    if path.suffix == ".npz":
        with path.open("rb") as file, open_arrays(file, path) as arrays:
            if NPZ_NAME not in arrays:
                raise ValueError(
                    f"{path} has no array `{NPZ_NAME}`; write it with "
                    f"np.savez(path, {NPZ_NAME}=..., rate=30)"
                )
            rate = float(arrays.read("rate")) if "rate" in arrays else None
            return _checked(arrays.read(NPZ_NAME), rate, str(path))
    if path.suffix.lower() in CODED:
        return _read_coded(path)
    raise ValueError(
        f"{path} is no video: its name must end in {', '.join(CODED)} or .npz; or give a folder of "
        "pictures"
    )


def _read_coded(path: Path) -> Video:
    """Read what a codec has made."""
    if path.suffix.lower() == ".gif":
        with _named(path), Image.open(path) as film:
            frames = [np.asarray(each.convert("RGBA")) for each in ImageSequence.Iterator(film)]
            lasts = film.info.get("duration")  # ms a frame
        rate = 1000.0 / lasts if lasts else None
    else:
        ffmpeg = _ffmpeg(path)
        with _named(path):
            reader = ffmpeg.read_frames(str(path), pix_fmt="rgb24")
            about = next(reader)
            width, height = about["size"]
            frames = [np.frombuffer(each, np.uint8).reshape(height, width, 3) for each in reader]
            rate = about.get("fps")
    return _checked(_stacked(frames, str(path)), None if rate is None else float(rate), str(path))


def _ffmpeg(path: Path) -> Any:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError(
            f'reading {path.suffix} needs imageio-ffmpeg: pip install "sb3-vdb[humanoid]"; or '
            "give a .gif, .npz or a folder of pictures"
        ) from error
    return imageio_ffmpeg


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in the errors of libraries, which have no common class.

    :raises ValueError: naming the file and the remedy
    """
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {error}); it is damaged, or of a "
            "codec that this ffmpeg does not know: convert it to H.264 in an .mp4, or to pictures"
        ) from error


def _read_folder(path: Path) -> Video:
    """Read a folder of pictures."""
    files = sorted(each for each in path.iterdir() if each.suffix.lower() in PICTURES)
    if not files:
        raise ValueError(f"{path} holds no pictures ({', '.join(PICTURES)})")
    frames = []
    for each in files:
        with _named(each), Image.open(each) as picture:
            palette = picture.mode == "P"
            frames.append(np.asarray(picture.convert("RGBA") if palette else picture))
    return _checked(_stacked(frames, str(path)), None, str(path))


def _stacked(frames: Iterable[npt.NDArray[Any]], source: str) -> npt.NDArray[Any]:
    frames = list(frames)
    sizes = sorted({frame.shape for frame in frames})
    if len(sizes) > 1:
        raise ValueError(f"{source} has frames of shapes {' and '.join(map(str, sizes))}, not one")
    return np.stack(frames) if frames else np.empty((0, 0, 0, 3), dtype=np.uint8)


def _checked(frames: npt.NDArray[Any], rate: float | None, source: str) -> Video:
    """Check that frames are a video that shows something."""
    if frames.dtype != np.uint8:
        raise ValueError(
            f"{source} has frames of dtype {frames.dtype}; give uint8 from 0 to 255, for example "
            "np.round(255 * frames).astype(np.uint8)"
        )
    if frames.ndim == 3 or (frames.ndim == 4 and frames.shape[-1] == 1):
        raise ValueError(
            f"{source} is grey (shape {frames.shape}), and the environment's frames are RGB; give "
            "np.repeat(frames.reshape(*frames.shape[:3], 1), 3, axis=-1) and environments whose "
            "frames are grey, too, or a discriminator tells them apart by colour"
        )
    if frames.ndim == 4 and frames.shape[-1] == 4:
        if (frames[..., 3] != OPAQUE).any():
            raise ValueError(
                f"{source} has transparent pixels (RGBA); put it on a background of your choice, "
                "and leave the fourth channel out"
            )
        frames = frames[..., :3]
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise ValueError(
            f"{source} has shape {frames.shape}; a video is (n_frames, height, width, 3)"
        )
    if len(frames) < 2:
        raise ValueError(f"{source} has {len(frames)} frame(s); a motion needs at least two")
    if (frames == frames[0, 0, 0]).all():
        raise ValueError(
            f"{source} shows nothing: all its pixels are {tuple(int(v) for v in frames[0, 0, 0])}"
        )
    return Video(np.ascontiguousarray(frames), rate, source)


def cropped(video: Video, crop: Crop) -> Video:
    """Cut every frame.

    :raises ValueError: it reaches beyond the frames
    """
    height, width = video.frames.shape[1:3]
    crop = Crop(*crop)
    inside = crop.top >= 0 and crop.left >= 0 and crop.height > 0 and crop.width > 0
    if not inside or crop.top + crop.height > height or crop.left + crop.width > width:
        raise ValueError(
            f"`crop` {tuple(crop)} (top, left, height, width) reaches beyond the frames of "
            f"{video.source}, which are {height} pixels high and {width} wide"
        )
    rows = slice(crop.top, crop.top + crop.height)
    return video._replace(frames=video.frames[:, rows, crop.left : crop.left + crop.width])


def resized(video: Video, height: int, width: int) -> Video:
    """Scale every frame, each new pixel the mean of what it covers.

    :raises ValueError: that would distort
    """
    before = video.frames.shape[1:3]
    if before == (height, width):
        return video
    if before[0] * width != before[1] * height:
        raise ValueError(
            f"{video.source} has frames of {before[0]} x {before[1]} pixels (height x width), "
            f"which cannot be scaled to {height} x {width} without distortion; cut it with "
            "crop=(top, left, height, width)"
        )
    frames = [
        np.asarray(Image.fromarray(each).resize((width, height), Image.Resampling.BOX))
        for each in video.frames
    ]
    return video._replace(frames=np.stack(frames))


def at_rate(video: Video, rate: float, resample: bool) -> Video:
    """Give a video at another frame rate, where the nearest frame in time stands for each moment.

    :param video: whose rate is known
    :param rate: frames a second
    :param resample: whether rates may be any, so that frames are repeated or left out unevenly
    :raises ValueError: nothing says the video's rate, or it is no multiple of the other
    """
    if video.rate is None:
        raise ValueError(f"nothing says the frame rate of {video.source}; give `rate`")
    given = positive_number("rate", video.rate)
    every = given / rate
    is_even = round(every) >= 1 and abs(every / round(every) - 1.0) < RATE_TOLERANCE
    if not is_even and not resample:
        raise ValueError(
            f"{video.source} has {given:g} frames a second, no multiple of the environment's "
            f"{rate:g}; convert it, or give resample=True to take the nearest frame at each moment"
        )
    n = len(video.frames)
    step = round(every) if is_even else every
    chosen = np.rint(np.arange(0, n - 0.5, step)).astype(np.intp).clip(0, n - 1)
    return Video(video.frames[chosen], rate, video.source)
