"""Replay buffers in files, without pickle: one file for all, or a small one for each episode."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.files import replacing, write_text
from sb3_vdb.vmail.replay import ACTIONS, EpisodeStore, SequenceReplay

FORMAT, VERSION = "sb3_vdb.replay", 1
STORES = ("expert", "policy")
BLOCK = 2**24  # bytes that are read at a time
TABLE = "table_"  # of a folder, followed by what the buffer belongs to

Rows = dict[str, npt.NDArray[Any]]


def save_replay(replay: SequenceReplay, path: str | Path) -> None:
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
    with replacing(path) as file:
        np.savez(file, header=np.array(json.dumps(_header(replay))), **arrays)  # type: ignore[arg-type]


def load_replay(replay: SequenceReplay, path: str | Path) -> None:
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
            for field, rows in store.rows.items():
                with archive.open(f"{name}/{field}.npy") as file:
                    _read_into(rows, file)
        opened = _read_open(archive, replay, header)
        _finish(replay, header, opened)


def stored_expert_rows(path: str | Path) -> int:
    """Rows that the expert's episodes take in a file or folder.

    :param path: of :func:`save_replay` or :class:`ReplayFolder`
    :raises ValueError: damaged
    """
    if Path(path).is_dir():
        tables = ReplayFolder(path).tables()
        return int(json.loads(tables[-1].read_text())["expert"]["capacity"]) if tables else 0
    with _archive(path) as archive:
        return int(_read_header(archive)["expert"]["capacity"])


class ReplayFolder:
    """A replay buffer in a folder: a compressed file for each episode, and a table of them.

    Episodes that are there already are not written again. The table is written last; the one before
    it is kept with its episodes, since whoever writes it may be interrupted before the networks
    that belong to it are written.

    :param path: of the folder
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def tables(self) -> list[Path]:
        """Tables, oldest first."""
        return sorted(self.path.glob(f"{TABLE}*.json"), key=lambda each: each.stat().st_mtime_ns)

    def save(self, replay: SequenceReplay, of: str) -> None:
        """Write what is new.

        :param replay: what to write
        :param of: what it belongs to, a name for its table
        """
        before = self.tables()[-1:]
        for i in range(len(replay.expert.episodes)):
            self._write(f"expert_{of}_{i}", _arrays(replay.expert.episode(i)))
        for i, number in enumerate(replay.policy.numbers):
            if not self._file(f"policy_{replay.id}_{number}").exists():
                self._write(f"policy_{replay.id}_{number}", _arrays(replay.policy.episode(i)))
        self._write(f"open_{of}", _open_rows(replay))
        table = self.path / f"{TABLE}{of}.json"
        write_text(table, json.dumps({**_header(replay), "of": of}))
        self._keep({table, *before})

    def load(self, replay: SequenceReplay, of: str) -> None:
        """Read what was written under a name; what was written later is removed, since it belongs
        to a run that is done again from here.

        :param replay: what to fill
        :param of: the name
        :raises ValueError: it is not there, damaged, of other sizes, or it does not fit
        """
        table = self.path / f"{TABLE}{of}.json"
        if not table.exists():
            names = ", ".join(each.stem.removeprefix(TABLE) for each in self.tables())
            raise ValueError(
                f"{self.path} has no replay buffer of {of} (time steps and updates), but of "
                f"{names or 'none'}; load the model that belongs to it"
            )
        header = json.loads(table.read_text())
        _check(replay, header, self.path)
        self._keep({table})
        _begin(replay, header)
        numbers = {"expert": range(len(header["expert"]["episodes"]))}
        numbers["policy"] = header["policy"]["numbers"]
        for name, prefix in (("expert", f"expert_{of}"), ("policy", f"policy_{header['id']}")):
            store: EpisodeStore = getattr(replay, name)
            episodes = header[name]["episodes"]
            for (begin, length), number in zip(episodes, numbers[name], strict=True):
                with _archive(self._file(f"{prefix}_{number}")) as archive:
                    for field, rows in store.rows.items():
                        with archive.open(f"{field}.npy") as file:
                            _read_into(rows[begin : begin + length], file)
        with _archive(self._file(f"open_{of}")) as archive:
            opened = _read_open(archive, replay, header)
        _finish(replay, header, opened)

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.npz"

    def _write(self, name: str, arrays: Rows) -> None:
        with replacing(self._file(name)) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def _keep(self, tables: set[Path]) -> None:
        """Remove every file that none of some tables names."""
        kept = set(tables)
        for table in tables:
            header = json.loads(table.read_text())
            prefix = f"policy_{header['id']}"
            kept |= {self._file(f"{prefix}_{number}") for number in header["policy"]["numbers"]}
            kept |= set(self.path.glob(f"expert_{header['of']}_*.npz"))
            kept.add(self._file(f"open_{header['of']}"))
        for path in {*self.path.glob("*.npz"), *self.tables()} - kept:
            path.unlink()


def _arrays(rows: Mapping[str, th.Tensor]) -> Rows:
    return {field: values.cpu().numpy() for field, values in rows.items()}


def _open_rows(replay: SequenceReplay) -> Rows:
    """Rows of the episodes that are still going on."""
    return {
        f"open{env}/{field}": np.stack(values)
        for env, rows in enumerate(replay.open_episodes)
        for field, values in rows.items()
    }


def _header(replay: SequenceReplay) -> dict[str, Any]:
    """Everything but rows."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": replay.id,
        "fields": {name: list(shape) for name, (shape, _) in replay.fields.items()},
        "rng": replay.rng.bit_generator.state,
        "open": [len(rows.get(ACTIONS, ())) for rows in replay.open_episodes],
        **{name: getattr(replay, name).get_table() for name in STORES},
    }


def _check(replay: SequenceReplay, header: dict[str, Any], path: str | Path) -> None:
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
    if len(header["open"]) != len(replay.open_episodes):
        raise ValueError(
            f"{path} is of {len(header['open'])} environments, this algorithm has "
            f"{len(replay.open_episodes)}; make as many"
        )


def _begin(replay: SequenceReplay, header: dict[str, Any]) -> None:
    """Empty the buffer, with as much room for the expert as is needed."""
    replay.clear(header["expert"]["capacity"])


def _finish(replay: SequenceReplay, header: dict[str, Any], opened: list[dict[str, Any]]) -> None:
    """Let the buffer know what its rows are."""
    for name in STORES:
        getattr(replay, name).set_table(header[name])
    replay.id = header.get("id", replay.id)
    replay.open_episodes[:] = opened
    replay.rng.bit_generator.state = header["rng"]


@contextmanager
def _archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """A file's members; whatever is wrong with them becomes a ValueError.

    :raises ValueError: damaged
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # the directory of a zip inside a truncated one can be taken for the whole's
            if min((each.header_offset for each in archive.infolist()), default=0) > 0:
                raise zipfile.BadZipFile("its end is missing")
            yield archive
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, EOFError, KeyError, OSError) as error:
        raise ValueError(f"{path} is truncated or no replay buffer of sb3_vdb") from error


def _read_header(archive: zipfile.ZipFile) -> dict[str, Any]:
    with archive.open("header.npy") as file:
        found: dict[str, Any] = json.loads(str(np.lib.format.read_array(file, allow_pickle=False)))
    return found


def _read_open(
    archive: zipfile.ZipFile, replay: SequenceReplay, header: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rows of the episodes that were still going on."""
    opened = []
    for env, length in enumerate(header["open"]):
        rows = {}
        for field in replay.fields if length else ():
            with archive.open(f"open{env}/{field}.npy") as file:
                rows[field] = list(np.lib.format.read_array(file, allow_pickle=False))
        opened.append(rows)
    return opened


def _read_into(rows: th.Tensor, file: IO[bytes]) -> None:
    """Read an array into the first rows of a tensor, block by block."""
    np.lib.format.read_magic(file)
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    wanted = np.dtype(str(rows.dtype).removeprefix("torch."))
    if is_fortran or dtype != wanted or shape[1:] != tuple(rows.shape[1:]) or shape[0] > len(rows):
        raise EOFError(f"an array of {dtype} and shape {shape} does not fit")
    row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
    n = max(1, BLOCK // row)
    for begin in range(0, shape[0], n):
        end = min(begin + n, shape[0])
        block = bytearray(file.read(row * (end - begin)))
        if len(block) < row * (end - begin):
            raise EOFError("its end is missing")
        values = np.frombuffer(block, dtype).reshape(end - begin, *shape[1:])
        rows[begin:end] = th.from_numpy(values)
