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


def require(module: str) -> Any:
    """Import a module, or say how to install it.

    :param module: dotted name
    :raises DependencyNotInstalled: it is missing
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise DependencyNotInstalled(
            f"{module} is needed here and cannot be imported ({error}): {REMEDIES[package]}"
        ) from error
