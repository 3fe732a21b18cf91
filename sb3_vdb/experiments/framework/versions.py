"""What a run was made with: versions and machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sb3_vdb.files import read_json, reading, write_text
from sb3_vdb.version import __version__

PACKAGES = ("stable-baselines3", "sb3-contrib", "gymnasium", "torch", "numpy")
SIMULATION_PACKAGES = ("mujoco", "pybullet", "dm_control")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _commit() -> dict[str, str]:
    """Return the commit of a source tree, marked where the tree differs; nothing elsewhere."""
    here = Path(__file__)
    ours = ("ls-files", "--error-unmatch", here.name)  # not a repository that we are installed in
    describe = ("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        for command in (ours, describe):
            answer = subprocess.run(
                ["git", "-C", str(here.parent), *command],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": answer.stdout.strip()}


def present_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a result, the commit in a
    source tree, and the number of processors.
    """
    return {
        **_commit(),
        "python": platform.python_version(),
        "sb3-vdb": __version__,  # also where the package runs from a folder, not installed
        **{name: version(name) for name in PACKAGES},
        **{name: version(name) for name in SIMULATION_PACKAGES if _installed(name)},
        "processors": str(os.cpu_count()),
    }


def note_versions(path: Path) -> None:
    """Add the present versions to those that have worked on something before.

    :param path: json file, a list; made where there is none
    """
    noted = read_versions(path) if path.exists() else []
    present = present_versions()
    if present not in noted:
        write_text(path, json.dumps([*noted, present], indent=1))


def read_versions(path: Path) -> list[dict[str, str]]:
    """Read what :func:`note_versions` wrote.

    :raises DamagedFileError: it is damaged
    """
    noted: list[dict[str, str]] = read_json(path, list, "delete it; only versions are lost")
    with reading(path, "delete it; only versions are lost"):
        return [dict(each) for each in noted]


def combined_versions(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return what several runs were made with; where they differ, all of it, each once."""
    combined: dict[str, set[str]] = {}
    for made_with in several:
        for name, value in made_with.items():
            combined.setdefault(name, set()).update(str(value).split(", "))
    return {name: ", ".join(sorted(values)) for name, values in combined.items()}
