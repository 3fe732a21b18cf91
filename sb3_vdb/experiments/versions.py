"""What a run was made with: versions and machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

PACKAGES = ("sb3-vdb", "stable-baselines3", "sb3-contrib", "gymnasium", "torch", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result, and the number of processors."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "processors": str(os.cpu_count()),
    }
