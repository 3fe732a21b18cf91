"""What a run was made with: versions and machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("sb3-vdb", "stable-baselines3", "sb3-contrib", "gymnasium", "torch", "numpy")
SIMULATORS = ("mujoco", "pybullet", "dm_control")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result, and the number of processors."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        **{name: version(name) for name in SIMULATORS if _installed(name)},
        "processors": str(os.cpu_count()),
    }
