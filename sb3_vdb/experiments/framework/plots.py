"""How figures look, and what several studies plot: mean curves with their band, a dot a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 110,
}
GREY, BLUE, RED = "#8a8f98", "#1b6ca8", "#c8553d"


@contextmanager
def new_figure(
    path: Path,
    size: tuple[float, float],
    layout: Literal["constrained", "tight"] = "constrained",
    **kwargs: Any,
) -> Iterator[Figure]:
    """Make a figure in the package's style, and write it when the block ends.

    :param path: of the picture
    :param size: width and height in inches
    :param layout: matplotlib's
    :param kwargs: of :meth:`matplotlib.figure.Figure.savefig`
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout=layout)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, **kwargs)


def plot_band(
    axes: Axes,
    steps: Any,
    mean: Any,
    std: Any,
    colour: str,
    label: str | None = None,
    style: str = "-",
) -> None:
    """Plot a mean curve with a band of one standard deviation."""
    axes.plot(steps, mean, style, color=colour, label=label, lw=1.3)
    axes.fill_between(steps, mean - std, mean + std, color=colour, alpha=0.13, lw=0)


def plot_seeds(axes: Axes, x: float, values: npt.ArrayLike, colour: str) -> None:
    """Plot a dot for every seed, side by side about ``x``."""
    numbers = np.asarray(values)
    offsets = np.linspace(-0.16, 0.16, len(numbers))
    axes.plot(x + offsets, numbers, "o", color=colour, ms=6, alpha=0.85)
