"""Where a replay buffer lives: on the GPU, in memory, or in a file that is mapped into memory."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
import torch as th

from sb3_vdb.files import expanded, make_temporary

PlaceName = Literal["auto", "cuda", "memory", "disk"]
PLACES: tuple[PlaceName, ...] = ("auto", "cuda", "memory", "disk")
# shares of what is free that a replay buffer may take
GPU_SHARE, MEMORY_SHARE, DISK_SHARE = 0.5, 0.8, 0.9
GIGABYTE = 1e9


class Place(NamedTuple):
    """Where to allocate.

    :param name: ``"cuda"``, ``"memory"`` or ``"disk"``
    :param device: of the tensors
    :param folder: of mapped files, which have no name from the start where the system allows it,
        so that none stays behind; None elsewhere
    """

    name: str
    device: th.device
    folder: Path | None = None


class Room(NamedTuple):
    """Free bytes."""

    gpu: int
    memory: int
    disk: int


def size_of(fields: Mapping[str, tuple[tuple[int, ...], th.dtype]], n_rows: int) -> int:
    """Compute the bytes of ``n_rows`` rows."""
    row = sum(math.prod(shape) * dtype.itemsize for shape, dtype in fields.values())
    return row * n_rows


def free_room(device: th.device, folder: Path) -> Room:
    """Measure what is free on a device (0 without a GPU), in memory, and in a folder."""
    gpu = th.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
    return Room(gpu, psutil.virtual_memory().available, shutil.disk_usage(folder).free)


def choose_place(
    wanted: PlaceName, n_bytes: int, device: th.device, folder: str | Path | None, verbose: int = 0
) -> Place:
    """Choose where a replay buffer of ``n_bytes`` goes; the estimate and the choice are printed if
    ``verbose``.

    :param wanted: ``"auto"`` takes the first that has room of GPU, memory and disk
    :param n_bytes: its size
    :param device: of the networks
    :param folder: for a mapped file; None for the system's temporary folder
    :param verbose: 0 prints nothing
    :raises ValueError: it fits nowhere, or not where it is wanted
    """
    if wanted not in PLACES:
        raise ValueError(f"`replay_place` must be one of {', '.join(PLACES)}, got {wanted!r}")
    if wanted == "cuda" and device.type != "cuda":
        raise ValueError('`replay_place` "cuda" needs `device` "cuda"; use "memory" or "disk"')
    parent = expanded(folder) if folder is not None else Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    free = free_room(device, parent)
    limits = {
        "cuda": GPU_SHARE * free.gpu,
        "memory": MEMORY_SHARE * free.memory,
        "disk": DISK_SHARE * free.disk,
    }
    candidates = limits if wanted == "auto" else {wanted: limits[wanted]}
    name = next((each for each, limit in candidates.items() if n_bytes <= limit), None)
    if name is None:
        room = ", ".join(f"{limits[each] / GIGABYTE:.1f} ({each})" for each in candidates)
        raise ValueError(
            f"the replay buffer needs {n_bytes / GIGABYTE:.1f} GB and may take {room} GB; lower "
            "`buffer_size`, or give `replay_folder` a disk with more room"
        )
    if verbose > 0:
        print(f"Replay buffer: {n_bytes / GIGABYTE:.2f} GB, kept in {name}")
    if name == "disk":
        return Place(name, th.device("cpu"), parent)
    return Place(name, device if name == "cuda" else th.device("cpu"))


def allocate(shape: tuple[int, ...], dtype: th.dtype, place: Place, name: str) -> th.Tensor:
    """Allocate a tensor whose values are not set; memory is taken as it is filled.

    :param shape: shape
    :param dtype: type
    :param place: where
    :param name: of the file on disk
    """
    if place.folder is None or 0 in shape:
        return th.empty(shape, dtype=dtype, device=place.device)
    descriptor, path = make_temporary(place.folder, f"sb3_vdb_replay_{name}")
    os.close(descriptor)
    flat = th.from_file(str(path), shared=True, size=math.prod(shape), dtype=dtype)
    with suppress(PermissionError):  # Windows: the next buffer in this folder removes it
        path.unlink()  # its room is freed with the tensor, however the process ends
    return flat.view(shape)
