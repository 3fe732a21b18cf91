"""How figures look."""

from __future__ import annotations

from typing import Any

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 110,
}
COLOURS = {
    "GAIL": "#8a8f98",
    "VAIL": "#7a5195",
    "AIRL": "#c8553d",
    "AIRL-GP": "#e09f3e",
    "VAIRL-beta0": "#6b9e5a",
    "VAIRL": "#5aa9d6",
    "VAIRL-GP": "#1b6ca8",
}
