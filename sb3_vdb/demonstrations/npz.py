"""The ``.npz`` format of demonstrations: one array per field, all episodes joined, plus their
lengths. No pickle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sb3_vdb import array_files
from sb3_vdb.array_files import ArrayFile, check_fits_memory, open_arrays
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.files import damaged, with_default_suffix, write_bytes
from sb3_vdb.transitions import parts_of

FORMAT = "sb3_vdb.demonstrations"
VERSION = 1
UNKNOWN = 0  # action repeat of a trajectory that does not know its own
PART = "observations/"  # before the names of observations with several parts
REMEDY = "record or copy it again"


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
    return array_files.to_bytes(fields)


def from_bytes(content: bytes, source: str) -> list[Trajectory]:
    """Read the trajectories from a file's content.

    :param source: where it came from, for the messages
    :raises DamagedFileError: not of this format, truncated, changed, or of a later version
    """
    other = "build one with Demonstrations.from_arrays(...)"
    with open_ours(content, source, (FORMAT, VERSION), f"{REMEDY}, or {other}") as arrays:
        lengths, terminals = arrays.counts("lengths"), arrays.read("terminals")
        names = _check_rows(arrays, lengths, len(terminals))
        fields = {name: arrays.read(name) for name in names}
    steps, rows = np.cumsum(lengths)[:-1], np.cumsum(lengths + 1)[:-1]
    parts = [name for name in fields if name.startswith(PART)]
    observed = {name: np.split(fields[name], rows) for name in parts or ["observations"]}
    splits = {
        name: np.split(fields[name], steps) for name in ("actions", "rewards") if name in fields
    }
    repeats = fields.get("action_repeats", np.full(len(terminals), UNKNOWN))
    return [
        Trajectory(
            {name.removeprefix(PART): each[i] for name, each in observed.items()}
            if parts
            else observed["observations"][i],
            terminal=bool(terminal),
            action_repeat=int(repeats[i]) or None,
            **{name: each[i] for name, each in splits.items()},
        )
        for i, terminal in enumerate(terminals)
    ]


def _check_rows(arrays: ArrayFile, lengths: npt.NDArray[np.int64], n_terminals: int) -> list[str]:
    """Refuse arrays that do not belong to episodes of these lengths, before they are read.

    :return: names of the arrays that are needed
    """
    if n_terminals != len(lengths):
        raise arrays.damaged(f"{n_terminals} terminals for {len(lengths)} episodes")
    n_steps, n_rows = int(lengths.sum()), int((lengths + 1).sum())
    observed = [name for name in arrays.headers if name.startswith(PART)] or ["observations"]
    optional = {"actions": n_steps, "rewards": n_steps, "action_repeats": len(lengths)}
    wanted = {name: n for name, n in optional.items() if name in arrays}
    for name, n in {**dict.fromkeys(observed, n_rows), **wanted}.items():
        arrays.check_rows(name, n)
    return [*observed, *wanted]


@contextmanager
def open_ours(
    content: bytes, source: str, format_and_version: tuple[str, int], remedy: str
) -> Iterator[ArrayFile]:
    """Open a file of arrays that says of which format and version it is.

    :param content: of the file
    :param source: where it came from, for the messages
    :param format_and_version: what it has to be; the version is the latest that can be read
    :param remedy: what the reader of a message can do
    :raises DamagedFileError: it is of another kind or of a later version, or damaged
    """
    file_format, latest = format_and_version
    with open_arrays(BytesIO(content), source, remedy) as arrays:
        if "format" not in arrays or arrays.text("format") != file_format:
            raise arrays.damaged(f"it is no {file_format} file of sb3_vdb")
        if (version := arrays.whole("version")) > latest:
            raise damaged(
                source,
                f"it has format version {version}, this sb3_vdb reads {latest}",
                "upgrade sb3_vdb",
            )
        check_fits_memory(arrays)
        yield arrays


def write(trajectories: Sequence[Trajectory], path: str | Path) -> Path:
    """Write trajectories; the path gets the suffix ``.npz`` if it has none."""
    path = with_default_suffix(path, ".npz")
    write_bytes(path, to_bytes(trajectories))
    return path


def read(path: str | Path) -> list[Trajectory]:
    """Read the trajectories of a file."""
    path = with_default_suffix(path, ".npz")
    return from_bytes(path.read_bytes(), str(path))
