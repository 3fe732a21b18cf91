"""Replay buffers in files, without pickle: one file for all, or a small one for each episode."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.files import replacing, write_text
from sb3_vdb.vmail.episode_store import ACTIONS, EpisodeStore
from sb3_vdb.vmail.replay_buffer import SequenceReplayBuffer

FORMAT, VERSION = "sb3_vdb.replay", 1
STORES = ("expert", "policy")
BLOCK = 2**24  # bytes that are read at a time
# names in a folder
PROGRESS = r"\d+-\d+"
PART = r"(episode|open)_[0-9a-f]{32}\.npz"
# what damaged bytes become when they are read
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, TokenError)

Rows = dict[str, npt.NDArray[Any]]


def save_replay(replay: SequenceReplayBuffer, path: str | Path) -> None:
    """Write everything into one file, all of it or nothing.

    :param replay: what to write
    :param path: of the file
    """
    arrays: Rows = {}
    for name in STORES:
        store: EpisodeStore = getattr(replay, name)
        rows = store.rows_in_use()
        arrays |= {f"{name}/{field}": values.cpu().numpy() for field, values in rows.items()}
    arrays |= _open_rows(replay)
    header = np.array(json.dumps(_header(replay)))
    with replacing(path) as file:
        np.savez(file, header=header, **arrays)  # type: ignore[arg-type]


def load_replay(replay: SequenceReplayBuffer, path: str | Path) -> None:
    """Read what :func:`save_replay` wrote, block by block, so that a buffer on disk can be larger
    than memory. A file that is refused by its header leaves the buffer as it is, one that turns out
    to be damaged later leaves it empty.

    :param replay: what to fill
    :param path: of the file
    :raises ValueError: damaged, of other sizes, or it does not fit
    """
    with _archive(path) as archive:
        header = _read_header(archive)
        _check(replay, header, path)
        names = [f"{name}/{field}" for name in STORES for field in replay.fields]
        if missing := {f"{name}.npy" for name in names} - set(archive.namelist()):
            raise EOFError(f"{sorted(missing)[0]} is missing")
        _begin(replay, header)
        for name in STORES:
            store: EpisodeStore = getattr(replay, name)
            used = max((sum(each) for each in header[name]["episodes"]), default=0)
            for field, rows in store.rows.items():
                with archive.open(f"{name}/{field}.npy") as file:
                    _read_into(rows[:used], file)
        opened = _read_open(archive, replay, header)
        _finish(replay, header, opened)


def stored_expert_rows(path: str | Path) -> int:
    """Count the rows that the expert's episodes take in a file or folder.

    :param path: of :func:`save_replay` or :class:`ReplayFolder`
    :raises ValueError: damaged
    """
    if Path(path).is_dir():
        folder = ReplayFolder(path)
        return max((folder.expert_rows(each) for each in folder.tables()), default=0)
    with _archive(path) as archive:
        return int(_read_header(archive)["expert"]["capacity"])


class ReplayFolder:
    """Keeps a replay buffer in a folder: a compressed file for each episode, and a table of them.

    Episodes that are there already are not written again. The table is written last; the one before
    it stays with its episodes, since whoever writes may be interrupted before the networks that
    belong to the new one are written. Other files are left alone.

    :param path: of the folder
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def tables(self) -> list[str]:
        """Name the buffers that are there, oldest first."""
        names = [each.stem.removeprefix("table_") for each in self.path.glob("table_*.json")]
        own = [name for name in names if re.fullmatch(PROGRESS, name)]
        return sorted(own, key=lambda name: int(self._table(name)["written"]))

    def expert_rows(self, name: str) -> int:
        """Count the rows that the expert's episodes take in one of them."""
        return int(self._table(name)["expert"]["capacity"])

    def save(self, replay: SequenceReplayBuffer, name: str) -> None:
        """Write what is new.

        :param replay: what to write
        :param name: what it belongs to, two numbers with a hyphen between them
        """
        there = self.tables()
        for store in (replay.expert, replay.policy):
            for i, episode in enumerate(store.ids):
                if not self._episode(episode).exists():
                    self._write(self._episode(episode), _arrays(store.episode(i)))
        header = {**_header(replay), "open_id": uuid4().hex}
        header["written"] = self._table(there[-1])["written"] + 1 if there else 0
        self._write(self._open(header["open_id"]), _open_rows(replay))
        write_text(self.path / f"table_{name}.json", json.dumps(header))
        before = [each for each in replay.kept_as or there[-1:] if each != name and each in there]
        replay.kept_as = [*before[-1:], name]
        self._keep(replay.kept_as)

    def load(self, replay: SequenceReplayBuffer, name: str) -> None:
        """Read what was written under a name.

        :param replay: what to fill
        :param name: as it was written
        :raises ValueError: it is not there, damaged, of other sizes, or it does not fit
        """
        if name not in self.tables():
            raise ValueError(
                f"{self.path} has no replay buffer of {name} (time steps and updates), but of "
                f"{', '.join(self.tables()) or 'none'}; load the model that belongs to it"
            )
        header = self._table(name)
        _check(replay, header, self.path)
        _begin(replay, header)
        for each in STORES:
            store: EpisodeStore = getattr(replay, each)
            table = header[each]
            for (begin, length), episode in zip(table["episodes"], table["ids"], strict=True):
                with self._archive(self._episode(episode)) as archive:
                    for field, rows in store.rows.items():
                        with archive.open(f"{field}.npy") as file:
                            _read_into(rows[begin : begin + length], file)
        with self._archive(self._open(header["open_id"])) as archive:
            opened = _read_open(archive, replay, header)
        _finish(replay, header, opened)
        replay.kept_as = [name]

    def _table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = json.loads((self.path / f"table_{name}.json").read_text())
        return table

    def _episode(self, episode: str) -> Path:
        return self.path / f"episode_{episode}.npz"

    def _open(self, open_id: str) -> Path:
        return self.path / f"open_{open_id}.npz"

    def _write(self, path: Path, arrays: Rows) -> None:
        with replacing(path) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @contextmanager
    def _archive(self, path: Path) -> Iterator[zipfile.ZipFile]:
        try:
            with _archive(path) as archive:
                yield archive
        except FileNotFoundError as error:
            raise ValueError(f"{path} is missing; the buffer cannot be read without it") from error

    def _keep(self, names: list[str]) -> None:
        """Remove other buffers, and the files that only they name."""
        kept = set()
        for name in names:
            header = self._table(name)
            ids = header["expert"]["ids"] + header["policy"]["ids"]
            kept |= {*map(self._episode, ids), self._open(header["open_id"])}
        for name in set(self.tables()) - set(names):
            (self.path / f"table_{name}.json").unlink()
        for path in set(self.path.iterdir()) - kept:
            if re.fullmatch(PART, path.name):
                path.unlink()


def _arrays(rows: Mapping[str, th.Tensor]) -> Rows:
    return {field: values.cpu().numpy() for field, values in rows.items()}


def _open_rows(replay: SequenceReplayBuffer) -> Rows:
    """Return the rows of the episodes that are still going on."""
    return {
        f"open{env}/{field}": np.stack(values)
        for env, rows in enumerate(replay.open_episodes)
        for field, values in rows.items()
    }


def _header(replay: SequenceReplayBuffer) -> dict[str, Any]:
    """Return everything but rows."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "fields": {name: list(shape) for name, (shape, _) in replay.fields.items()},
        "rng": replay.rng.bit_generator.state,
        "open": [len(rows.get(ACTIONS, ())) for rows in replay.open_episodes],
        **{name: getattr(replay, name).get_table() for name in STORES},
    }


def _check(replay: SequenceReplayBuffer, header: dict[str, Any], path: str | Path) -> None:
    """Refuse what does not fit, before anything changes."""
    if header["version"] > VERSION:
        raise ValueError(f"{path} has format version {header['version']}; upgrade sb3_vdb")
    fields = {name: list(shape) for name, (shape, _) in replay.fields.items()}
    if header["fields"] != fields:
        raise ValueError(
            f"{path} holds rows of {header['fields']}, this algorithm has {fields}; make it "
            "with the environment of the saved run"
        )
    if header["policy"]["capacity"] > replay.policy.capacity:
        raise ValueError(
            f"{path} has `buffer_size` {header['policy']['capacity']}, this algorithm "
            f"{replay.policy.capacity}; make it at least as large"
        )


def _begin(replay: SequenceReplayBuffer, header: dict[str, Any]) -> None:
    """Empty the buffer, with as much room for the expert as is needed."""
    replay.clear(header["expert"]["capacity"])


def _finish(
    replay: SequenceReplayBuffer, header: dict[str, Any], opened: list[dict[str, Any]]
) -> None:
    """Let the buffer know what its rows are."""
    for name in STORES:
        getattr(replay, name).set_table(header[name])
    if len(opened) == len(replay.open_episodes):  # else all environments begin new episodes
        replay.open_episodes[:] = opened
    replay.rng.bit_generator.state = header["rng"]


@contextmanager
def _archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """Open a file's members; whatever is wrong with them becomes a ValueError.

    :raises ValueError: damaged
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # the directory of a zip inside a truncated one can be taken for the whole's
            if min((each.header_offset for each in archive.infolist()), default=0) > 0:
                raise zipfile.BadZipFile("its end is missing")
            yield archive
    except DAMAGE as error:
        raise ValueError(f"{path} is truncated or no replay buffer of sb3_vdb") from error


def _read_header(archive: zipfile.ZipFile) -> dict[str, Any]:
    with archive.open("header.npy") as file:
        header: dict[str, Any] = json.loads(str(np.lib.format.read_array(file, allow_pickle=False)))
    return header


def _read_open(
    archive: zipfile.ZipFile, replay: SequenceReplayBuffer, header: dict[str, Any]
) -> list[dict[str, Any]]:
    """Read the rows of the episodes that were still going on."""
    opened = []
    for env, length in enumerate(header["open"]):
        rows = {}
        for field in replay.fields if length else ():
            with archive.open(f"open{env}/{field}.npy") as file:
                rows[field] = list(np.lib.format.read_array(file, allow_pickle=False))
        opened.append(rows)
    return opened


def _read_into(rows: th.Tensor, file: IO[bytes]) -> None:
    """Read an array into a tensor of its shape, block by block."""
    wanted = np.dtype(str(rows.dtype).removeprefix("torch."))
    try:
        np.lib.format.read_magic(file)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except ValueError as error:
        raise EOFError("it holds no array") from error
    if is_fortran or dtype != wanted or shape != tuple(rows.shape):
        raise EOFError(f"an array of {dtype} and shape {shape} does not fit")
    row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
    n = max(1, BLOCK // max(1, row))
    for begin in range(0, shape[0], n):
        end = min(begin + n, shape[0])
        block = bytearray(file.read(row * (end - begin)))
        if len(block) < row * (end - begin):
            raise EOFError("its end is missing")
        values = np.frombuffer(block, dtype).reshape(end - begin, *shape[1:])
        rows[begin:end] = th.from_numpy(values)
