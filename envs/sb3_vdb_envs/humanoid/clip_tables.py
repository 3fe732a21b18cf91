"""Motion clips of one's own as tables: csv and npz files of root and joint rotations.

One row a frame. Columns, or arrays of one row a frame: ``time`` (s, rising from any start), the
root's position ``root_x``, ``root_y``, ``root_z`` (m; x forward, y to the left, z up), its rotation
``root_qw``, ``root_qx``, ``root_qy``, ``root_qz``, for each ball joint its rotation against its
parent (``chest_qw`` and so on), for each hinge its angle about the y axis, rad (``right_knee``). An
npz file may hold ``root_position`` of shape (n, 3) and ``<joint>`` of shape (n, 4) or (n,) instead.
``loops``, 0 or 1 (the same in every row of a csv), says whether the motion repeats; without it, it
does where the last pose is near the first one.
All rotations are the identity where the character stands upright with hanging arms.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character, rotations

Array = npt.NDArray[np.float64]

TIME, ROOT, LOOPS = "time", "root", "loops"
AXES, QUATERNION = ("x", "y", "z"), ("qw", "qx", "qy", "qz")
SUFFIXES = (".csv", ".npz")


class ClipTable(NamedTuple):
    """What a table holds."""

    times: Array  # s, from 0, shape (n,)
    root_positions: Array  # m, shape (n, 3)
    rotations: Array  # of root and joints, not yet normalised, shape (n, 13, 4)
    loops: bool | None  # None where it does not say


def read_table(path: Path) -> ClipTable:
    """Read a clip.

    :param path: with the suffix ``.csv`` or ``.npz``
    :raises ValueError: a column is missing, rows differ in number, or the times do not rise
    """
    columns = _csv_columns(path) if path.suffix == ".csv" else _npz_columns(path)
    loops = columns.pop(LOOPS, None)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"clip {path}: columns differ in length: {lengths}")
    times = _column(columns, TIME, path)
    bad = [name for name, values in columns.items() if not np.isfinite(values).all()]
    if bad:
        row = int(np.flatnonzero(~np.isfinite(columns[bad[0]]))[0])
        raise ValueError(f"clip {path}: column {bad[0]}, row {row} is not a finite number")
    if len(times) < 2 or not (np.diff(times) > 0.0).all():
        raise ValueError(
            f"clip {path}: column {TIME} must rise from row to row, over two rows at least"
        )
    positions = np.stack([_column(columns, f"{ROOT}_{axis}", path) for axis in AXES], axis=1)
    poses = np.stack([_rotation(columns, name, path) for name in _moving()], axis=1)
    repeats = None if loops is None else bool(loops.flat[0])
    return ClipTable(times - times[0], positions, poses, repeats)


def _moving() -> list[str]:
    """Name root and joints in their order."""
    return [character.JOINTS[joint].name for joint in character.MOVING]


def _rotation(columns: Mapping[str, Array], name: str, path: Path) -> Array:
    """Read the quaternions of one joint, shape (n, 4)."""
    joint = next(each for each in character.JOINTS if each.name == name)
    if joint.kind == "hinge":
        angles = _column(columns, name, path)
        return rotations.from_rotation_vector(angles[:, None] * character.HINGE_AXIS)
    return np.stack([_column(columns, f"{name}_{part}", path) for part in QUATERNION], axis=1)


def _column(columns: Mapping[str, Array], name: str, path: Path) -> Array:
    if name not in columns:
        raise ValueError(
            f"clip {path} has no column {name}; it needs {TIME}, root_x to root_z, and for "
            f"{', '.join(_moving())} a quaternion (name_qw to name_qz), or an angle for knees and "
            "elbows"
        )
    return columns[name]


def _csv_columns(path: Path) -> dict[str, Array]:
    """Read the columns of a csv file by the names in its first line."""
    with path.open(encoding="utf-8-sig") as file:
        names = [name.strip() for name in file.readline().split(",")]
        try:
            rows = np.loadtxt(file, delimiter=",", ndmin=2)
        except ValueError as error:
            raise ValueError(f"clip {path} is no csv table of numbers: {error}") from error
    if rows.shape[1] != len(names):
        raise ValueError(
            f"clip {path} has {len(names)} names in its first line and {rows.shape[1]} columns"
        )
    return dict(zip(names, rows.T, strict=True))


def _npz_columns(path: Path) -> dict[str, Array]:
    """Read the arrays of an npz file, those with several columns as one each."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], dtype=np.float64) for name in file.files}
    except (ValueError, OSError, KeyError, EOFError) as error:
        raise ValueError(f"clip {path} is no npz file of numbers: {error}") from error
    columns: dict[str, Array] = {}
    for name, values in arrays.items():
        if values.ndim == 1 or name == LOOPS:
            columns[name] = values
            continue
        is_position = name == f"{ROOT}_position"
        parts = AXES if is_position else QUATERNION
        if values.ndim != 2 or values.shape[1] != len(parts):
            raise ValueError(
                f"clip {path}: array {name} has shape {values.shape}; give (n,), (n, 4) for a "
                "rotation, or (n, 3) for root_position"
            )
        prefix = ROOT if is_position else name
        columns |= {f"{prefix}_{part}": values[:, i] for i, part in enumerate(parts)}
    return columns
