"""Pictures of demonstrations: lengths, returns and values as a figure, and a sheet of frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from sb3_vdb.demonstrations.summary import arrays_of
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.files import replacing, with_default_suffix
from sb3_vdb.transitions import Array, parts_of

BLUE, GREY = "#1b6ca8", "#8a8f98"
PANEL = (3.2, 2.2)  # inches
COLUMNS = 3  # panels of a row
MAX_ENTRIES = 200_000  # of a histogram; of larger parts, evenly spaced steps are counted
N_BINS = 50
SHEET_FRAMES = 8  # of an episode in a sheet
SHEET_EPISODES = 8  # rows of a sheet
GAP = 2  # pixels between the frames of a sheet
WHITE = 255


def plot_demonstrations(trajectories: Sequence[Trajectory], path: str | Path) -> Path:
    """Draw lengths and returns of the episodes, and a histogram of each part's entries.

    :param trajectories: at least one
    :param path: of the picture, png by default
    :return: the path written to
    """
    path = with_default_suffix(path, ".png")
    names = list(arrays_of(trajectories[0]))
    n = 1 + ("rewards" in names) + len(names)
    rows = -(-n // COLUMNS)
    size = (COLUMNS * PANEL[0], rows * PANEL[1])
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    panels: list[Axes] = [figure.add_subplot(rows, COLUMNS, i + 1) for i in range(n)]
    for axes in panels:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    _plot_bars(panels.pop(0), [float(len(each)) for each in trajectories], "steps of an episode")
    if "rewards" in names:
        returns = [
            float(np.sum(np.asarray(each.rewards), dtype=np.float64)) for each in trajectories
        ]
        _plot_bars(panels.pop(0), returns, "return of an episode")
    for axes, name in zip(panels, names, strict=True):
        _plot_entries(axes, [arrays_of(each)[name] for each in trajectories], name)
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:])
    return path


def _plot_bars(axes: Axes, values: Sequence[float], title: str) -> None:
    """Plot one bar an episode."""
    axes.bar(np.arange(len(values)), values, width=1.0, color=BLUE, edgecolor="white", lw=0.3)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("episode", fontsize=8)


def _plot_entries(axes: Axes, episodes: Sequence[Array], name: str) -> None:
    """Plot how often the entries of an array have which values."""
    n_entries = sum(each.size for each in episodes)
    every = max(1, n_entries // MAX_ENTRIES)
    entries = np.concatenate([each[::every].reshape(-1) for each in episodes])
    axes.hist(entries.astype(np.float64), bins=N_BINS, color=GREY)
    axes.set_title(f"{name}, {episodes[0].dtype}", fontsize=9)
    axes.set_yticks([])


def picture_part(trajectory: Trajectory) -> str | None:
    """Name the first part of the observations that is a picture; None if there is none."""
    for name, part in parts_of(trajectory.observations).items():
        if part.ndim == 4 and part.dtype == np.uint8:
            return name
    return None


def write_sheet(trajectories: Sequence[Trajectory], path: str | Path) -> Path:
    """Write a sheet of frames, one row an episode; of stacked frames, the last.

    :param trajectories: with pictures
    :param path: of the picture, png by default
    :return: the path written to
    :raises ValueError: there are no pictures
    """
    name = picture_part(trajectories[0])
    if name is None:
        raise ValueError("the observations have no pictures (uint8, three axes a step); use plot")
    path = with_default_suffix(path, ".png")
    rows = []
    for each in trajectories[:SHEET_EPISODES]:
        part = parts_of(each.observations)[name]
        chosen = np.linspace(0, len(part) - 1, SHEET_FRAMES).round().astype(np.intp)
        rows.append(np.concatenate([_framed(frame) for frame in part[chosen]], axis=1))
    with replacing(path) as file:
        Image.fromarray(np.concatenate(rows)).save(file, format=path.suffix[1:])
    return path


def _framed(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Give the newest frame of a picture in RGB, with a white gap about it.

    :param picture: shape (height, width, channels) or (channels, height, width)
    """
    if picture.shape[0] < min(picture.shape[1:]):
        picture = np.moveaxis(picture, 0, -1)
    channels = picture.shape[-1]
    frame = picture[..., -3:] if channels % 3 == 0 else np.repeat(picture[..., -1:], 3, axis=-1)
    return np.pad(frame, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=WHITE)
