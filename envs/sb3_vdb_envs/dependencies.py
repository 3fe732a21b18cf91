"""Simulators, loaded when an environment is made, with a remedy where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from gymnasium.error import DependencyNotInstalled

# what each extra of the pip package brings for the environments, as `pyproject.toml` says
REQUIREMENTS = {
    "humanoid": ("mujoco>=3.3,<4",),
    "bullet": ("pybullet>=3.2.5",),
    "pixels": ("mujoco>=3.17,<4", "dm_control>=1.0.20"),
    "hands": ("mujoco>=3.17,<4", "gymnasium-robotics>=1.4,<2"),
    "box2d": ("box2d>=2.3.10", "pygame-ce>=2.5"),
}
HINTS = {
    "bullet": "; wheels exist up to Python 3.11 only, elsewhere use the MuJoCo ids, which need no "
    "pybullet"
}


def require(module: str, extra: str) -> Any:
    """Import a module, or say how to install it.

    :param module: dotted name
    :param extra: of the pip package, the one that brings all that the caller needs
    :raises DependencyNotInstalled: it is missing
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        packages = " ".join(f'"{requirement}"' for requirement in REQUIREMENTS[extra])
        raise DependencyNotInstalled(
            f"{module} is needed here and cannot be imported ({error}): "
            f'pip install "sb3-vdb[{extra}]" (or pip install {packages}){HINTS.get(extra, "")}'
        ) from error
