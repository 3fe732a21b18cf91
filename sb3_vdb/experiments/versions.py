"""What a run was made with: versions and machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sb3_vdb.files import write_text

PACKAGES = ("sb3-vdb", "stable-baselines3", "sb3-contrib", "gymnasium", "torch", "numpy")
SIMULATORS = ("mujoco", "pybullet", "dm_control")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _commit() -> dict[str, str]:
    """The commit of a source tree, marked where the tree differs from it; nothing elsewhere."""
    here = Path(__file__)
    ours = ("ls-files", "--error-unmatch", here.name)  # not a repository that we are installed in
    describe = ("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        for command in (ours, describe):
            found = subprocess.run(
                ["git", "-C", str(here.parent), *command],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": found.stdout.strip()}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result, the commit in a source tree, and
    the number of processors.
    """
    return {
        **_commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        **{name: version(name) for name in SIMULATORS if _installed(name)},
        "processors": str(os.cpu_count()),
    }


def write_versions(path: Path) -> None:
    """Write the present versions.

    :param path: json file, a dictionary
    """
    write_text(path, json.dumps(versions(), indent=1))


def note_versions(path: Path) -> None:
    """Add the present versions to those that have worked on something before.

    :param path: json file, a list; made where there is none
    """
    found = json.loads(path.read_text()) if path.exists() else []
    if versions() not in found:
        write_text(path, json.dumps([*found, versions()], indent=1))
