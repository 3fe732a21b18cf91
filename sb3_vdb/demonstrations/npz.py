"""The ``.npz`` format of demonstrations: one array a field, all episodes joined, plus their
lengths. No pickle.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sb3_vdb.demonstrations.trajectory import Trajectory, parts_of
from sb3_vdb.files import with_default_suffix, write_bytes

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
    """The file's content."""
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
    """Trajectories of a file's content.

    :param source: where it came from, for the messages
    :raises ValueError: not of this format, truncated, or of a later version
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            fields = {name: archive[name] for name in archive.files}
    except READING_ERRORS as error:
        raise ValueError(
            f"{source} is truncated or no demonstrations file; record or copy it again"
        ) from error
    if str(fields.get("format", "")) != FORMAT:
        raise ValueError(
            f"{source} is no demonstrations file of sb3_vdb; build one with "
            "Demonstrations.from_arrays(...)"
        )
    parts = [name for name in fields if name.startswith(PART)]
    required = {"version", "lengths", "terminals", *([] if parts else ["observations"])}
    missing = required - set(fields)
    if missing:
        raise ValueError(f"{source} lacks {', '.join(sorted(missing))}; record or copy it again")
    if int(fields["version"]) > VERSION:
        raise ValueError(
            f"{source} has format version {int(fields['version'])}, this sb3_vdb reads "
            f"{VERSION}; upgrade it"
        )
    steps = np.cumsum(fields["lengths"])[:-1]
    rows = np.cumsum(fields["lengths"] + 1)[:-1]
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


def write(trajectories: Sequence[Trajectory], path: str | Path) -> Path:
    """Write trajectories; the path gets the suffix ``.npz`` if it has none."""
    path = with_default_suffix(path, ".npz")
    write_bytes(path, to_bytes(trajectories))
    return path


def read(path: str | Path) -> list[Trajectory]:
    """Trajectories of a file."""
    path = with_default_suffix(path, ".npz")
    return from_bytes(path.read_bytes(), str(path))
