"""The ``.npz`` format of demonstrations: one array per field, all episodes joined, plus their
lengths. No pickle.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.files import with_default_suffix, write_bytes
from sb3_vdb.transitions import parts_of

FORMAT = "sb3_vdb.demonstrations"
VERSION = 1
UNKNOWN = 0  # action repeat of a trajectory that does not know its own
PART = "observations/"  # before the names of observations with several parts
# what numpy, zipfile and zlib raise for damaged files
READING_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    EOFError,
    OSError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
)


def to_bytes(trajectories: Sequence[Trajectory]) -> bytes:
    """Encode trajectories as the content of a file."""
    fields = {
        "format": np.array(FORMAT),
        "version": np.array(VERSION),
        "lengths": np.array([len(trajectory) for trajectory in trajectories]),
        "terminals": np.array([trajectory.terminal for trajectory in trajectories]),
        "action_repeats": np.array([each.action_repeat or UNKNOWN for each in trajectories]),
    }
    for name, part in parts_of(trajectories[0].observations).items():
        key = name if part is trajectories[0].observations else PART + name
        fields[key] = np.concatenate([parts_of(each.observations)[name] for each in trajectories])
    for name in ("actions", "rewards"):
        if getattr(trajectories[0], name) is not None:
            fields[name] = np.concatenate(
                [getattr(trajectory, name) for trajectory in trajectories]
            )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **fields)  # type: ignore[arg-type]
    return buffer.getvalue()


def from_bytes(content: bytes, source: str) -> list[Trajectory]:
    """Read the trajectories from a file's content.

    :param source: where it came from, for the messages
    :raises ValueError: not of this format, truncated, or of a later version
    """
    fields = _checked_fields(content, source)
    steps = np.cumsum(fields["lengths"])[:-1]
    rows = np.cumsum(fields["lengths"] + 1)[:-1]
    parts = [name for name in fields if name.startswith(PART)]
    observed = {name: np.split(fields[name], rows) for name in parts or ["observations"]}
    splits = {
        name: np.split(fields[name], steps) for name in ("actions", "rewards") if name in fields
    }
    repeats = fields.get("action_repeats", np.full(len(fields["terminals"]), UNKNOWN))
    return [
        Trajectory(
            {name.removeprefix(PART): each[i] for name, each in observed.items()}
            if parts
            else observed["observations"][i],
            terminal=bool(terminal),
            action_repeat=int(repeats[i]) or None,
            **{name: each[i] for name, each in splits.items()},
        )
        for i, terminal in enumerate(fields["terminals"])
    ]


def _checked_fields(content: bytes, source: str) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays from a file's content, and check that its format and version can be read.

    :raises ValueError: they are not, or one is missing
    """
    fields = read_arrays(
        content, f"{source} is truncated or no demonstrations file; record or copy it again"
    )
    if str(fields.get("format", "")) != FORMAT:
        raise ValueError(
            f"{source} is no demonstrations file of sb3_vdb; build one with "
            "Demonstrations.from_arrays(...)"
        )
    has_parts = any(name.startswith(PART) for name in fields)
    required = {"version", "lengths", "terminals", *([] if has_parts else ["observations"])}
    missing = required - set(fields)
    if missing:
        raise ValueError(f"{source} lacks {', '.join(sorted(missing))}; record or copy it again")
    check_version(fields, source, VERSION)
    return fields


def read_arrays(content: bytes, refusal: str) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an npz file, without pickle.

    :param content: of the file
    :param refusal: message where it cannot be read
    :raises ValueError: it cannot be read
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except READING_ERRORS as error:
        raise ValueError(refusal) from error


def check_version(fields: dict[str, npt.NDArray[Any]], source: str, known: int) -> None:
    """Refuse a file of a later version.

    :param fields: arrays of the file
    :param source: where it came from
    :param known: latest version that can be read
    :raises ValueError: it is later
    """
    if int(fields["version"]) > known:
        raise ValueError(
            f"{source} has format version {int(fields['version'])}, this sb3_vdb reads "
            f"{known}; upgrade it"
        )


def write(trajectories: Sequence[Trajectory], path: str | Path) -> Path:
    """Write trajectories; the path gets the suffix ``.npz`` if it has none."""
    path = with_default_suffix(path, ".npz")
    write_bytes(path, to_bytes(trajectories))
    return path


def read(path: str | Path) -> list[Trajectory]:
    """Read the trajectories of a file."""
    path = with_default_suffix(path, ".npz")
    return from_bytes(path.read_bytes(), str(path))
