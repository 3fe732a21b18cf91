"""Simulators, loaded when an environment is made, with a remedy where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from gymnasium.error import DependencyNotInstalled

REMEDIES = {
    "mujoco": 'pip install "mujoco>=3.3,<4" (or "sb3-vdb[humanoid]")',
    "pybullet": 'pip install "pybullet>=3.2.5" (or "sb3-vdb[bullet]"; wheels exist up to Python '
    "3.11 only, elsewhere use the MuJoCo ids, which need no pybullet)",
    "dm_control": 'pip install "dm_control>=1.0.20" "mujoco>=3.17,<4" (or "sb3-vdb[pixels]")',
    "pybullet_utils": 'pip install "pybullet>=3.2.5"',
}


def require(module: str, remedy_of: str | None = None) -> Any:
    """Import a module, or say how to install it.

    :param module: dotted name
    :param remedy_of: module whose remedy is given, where it needs this one; None for this one
    :raises DependencyNotInstalled: it is missing
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = (remedy_of or module).split(".")[0]
        raise DependencyNotInstalled(
            f"{module} is needed here and cannot be imported ({error}): {REMEDIES[package]}"
        ) from error
