"""Replay buffers in files, without pickle: one file for all, or a small one for each episode."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import torch as th

from sb3_vdb.array_files import ArrayFile, ArrayHeader, open_arrays, write_arrays
from sb3_vdb.errors import DamagedFileError
from sb3_vdb.files import (
    check_entries,
    damaged,
    expanded,
    parse_json,
    read_json,
    reading,
    replacing,
    write_text,
)
from sb3_vdb.vmail.episode_store import ACTIONS, BEFORE, EpisodeStore
from sb3_vdb.vmail.replay_buffer import SequenceReplayBuffer

FORMAT, VERSION = "sb3_vdb.replay", 1
STORES = ("expert", "policy")
REMEDY = "use an earlier one, or begin anew"
# names in a folder
PROGRESS = r"\d+-\d+"
PART = r"(episode|open)_[0-9a-f]{32}\.npz"
BELIEF_DIM = "belief_dim"  # entry of the header: width of beliefs, 0 or missing for none
SUM = "sha256"  # entry of a folder's table: of the others
HEADER = {
    "version": int,
    "fields": dict,
    "rng": dict,
    "open": list,
    **dict.fromkeys(STORES, dict),
}
STORE = {"episodes": list, "ids": list, "position": int, "capacity": int}

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
    header = np.array(_to_json(_header(replay)))
    with replacing(path) as file:
        write_arrays(file, {"header": header, **arrays}, compress=False)


def load_replay(replay: SequenceReplayBuffer, path: str | Path) -> None:
    """Read what :func:`save_replay` wrote, block by block, so that a buffer on disk can be larger
    than memory. A file that is refused by its header leaves the buffer as it is, one that turns out
    to be damaged later leaves it empty.

    :param replay: what to fill
    :param path: of the file
    :raises DamagedFileError: truncated, changed, or a file of another kind
    :raises ValueError: of other sizes, or it does not fit
    """
    with _open_arrays(path) as arrays:
        header = _read_header(arrays)
        _check(replay, header, path)
        wanted: dict[str, ArrayHeader] = {}
        for name in STORES:
            used = _n_rows(header[name])
            wanted |= {f"{name}/{field}": each for field, each in _headers(replay, used).items()}
        for name in wanted:
            arrays.check_rows(name, wanted[name].shape[0])
        _begin(replay, header)
        for name, each in wanted.items():
            store, _, field = name.partition("/")
            _read_into(getattr(replay, store).rows[field], arrays, name, each)
        opened = _read_open(arrays, replay, header)
        _finish(replay, header, opened)


def stored_expert_rows(path: str | Path) -> int:
    """Count the rows that the expert's episodes take in a file or folder.

    :param path: of :func:`save_replay` or :class:`ReplayFolder`
    :raises DamagedFileError: it cannot be read
    """
    if expanded(path).is_dir():
        folder = ReplayFolder(path)
        return max((folder.expert_rows(each) for each in folder.tables()), default=0)
    with _open_arrays(path) as arrays:
        return _n_rows(_read_header(arrays)["expert"])


class ReplayFolder:
    """Keeps a replay buffer in a folder: a compressed file for each episode, and a table of them.

    Episodes that are there already are not written again. The table is written last; the one before
    it stays with its episodes, since whoever writes may be interrupted before the networks that
    belong to the new one are written. Other files are left alone.

    :param path: of the folder
    """

    def __init__(self, path: str | Path) -> None:
        self.path = expanded(path)

    def tables(self) -> list[str]:
        """Name the buffers that are there and whose tables can be read, oldest first; one that is
        damaged is warned of, and left where it is.
        """
        written = {}
        for path in self.path.glob("table_*.json"):
            name = path.stem.removeprefix("table_")
            if re.fullmatch(PROGRESS, name):
                try:
                    written[name] = int(self._table(name)["written"])
                except DamagedFileError as error:
                    warnings.warn(f"a replay buffer is left out: {error}", stacklevel=3)
        return sorted(written, key=written.__getitem__)

    def expert_rows(self, name: str) -> int:
        """Count the rows that the expert's episodes take in one of them."""
        return _n_rows(self._table(name)["expert"])

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
        write_text(self._path(name), _to_json({**header, SUM: _sum_of(header)}))
        before = [each for each in replay.kept_as or there[-1:] if each != name and each in there]
        replay.kept_as = [*before[-1:], name]
        self._keep(replay.kept_as)

    def load(self, replay: SequenceReplayBuffer, name: str) -> None:
        """Read what was written under a name.

        :param replay: what to fill
        :param name: as it was written
        :raises DamagedFileError: its table or an episode is damaged or missing
        :raises ValueError: it is not there, of other sizes, or it does not fit
        """
        if not self._path(name).exists():
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
                with self._arrays(self._episode(episode)) as arrays:
                    for field, wanted in _headers(replay, length).items():
                        _read_into(store.rows[field][begin:], arrays, field, wanted)
        with self._arrays(self._open(header["open_id"])) as arrays:
            opened = _read_open(arrays, replay, header)
        _finish(replay, header, opened)
        replay.kept_as = [name]

    def _path(self, name: str) -> Path:
        return self.path / f"table_{name}.json"

    def _table(self, name: str) -> dict[str, Any]:
        """Read a table.

        :raises DamagedFileError: it is damaged
        """
        path = self._path(name)
        table: dict[str, Any] = read_json(path, dict, REMEDY)
        _check_header(table, str(path))
        check_entries(table, {"open_id": str, "written": int}, str(path), REMEDY)
        if table.pop(SUM, None) not in (None, _sum_of(table)):
            raise damaged(path, "its checksum is wrong", REMEDY)
        return table

    def _episode(self, episode: str) -> Path:
        return self.path / f"episode_{episode}.npz"

    def _open(self, open_id: str) -> Path:
        return self.path / f"open_{open_id}.npz"

    def _write(self, path: Path, arrays: Rows) -> None:
        with replacing(path) as file:
            write_arrays(file, arrays, compress=True)

    @contextmanager
    def _arrays(self, path: Path) -> Iterator[ArrayFile]:
        if not path.exists():
            raise damaged(path, "it is missing, and the buffer cannot be read without it", REMEDY)
        with _open_arrays(path) as arrays:
            yield arrays

    def _keep(self, names: list[str]) -> None:
        """Remove other buffers, and the files that only they name."""
        kept = set()
        for name in names:
            header = self._table(name)
            ids = header["expert"]["ids"] + header["policy"]["ids"]
            kept |= {*map(self._episode, ids), self._open(header["open_id"])}
        for name in set(self.tables()) - set(names):
            self._path(name).unlink()
        for path in set(self.path.iterdir()) - kept:
            if re.fullmatch(PART, path.name):
                path.unlink()


def _arrays(rows: Mapping[str, th.Tensor]) -> Rows:
    return {field: values.cpu().numpy() for field, values in rows.items()}


def _open_rows(replay: SequenceReplayBuffer) -> Rows:
    """Return what changes from one file to the next: the rows of the episodes that are still going
    on, and beliefs where they are kept.
    """
    beliefs: Rows = {}
    for name in STORES if replay.belief_dim else ():
        store: EpisodeStore = getattr(replay, name)
        assert store.before is not None
        beliefs[f"{name}/{BEFORE}"] = store.before[: _n_rows(store.get_table())].cpu().numpy()
    return beliefs | {
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
        BELIEF_DIM: replay.belief_dim,
        "open": [len(rows.get(ACTIONS, ())) for rows in replay.open_episodes],
        **{name: getattr(replay, name).get_table() for name in STORES},
    }


def _check(replay: SequenceReplayBuffer, header: dict[str, Any], path: str | Path) -> None:
    """Refuse what does not fit, before anything changes."""
    if header["version"] > VERSION:
        problem = f"it has format version {header['version']}, this sb3_vdb reads {VERSION}"
        raise damaged(path, problem, "upgrade sb3_vdb")
    fields = {name: list(shape) for name, (shape, _) in replay.fields.items()}
    if header["fields"] != fields:
        raise ValueError(
            f"{path} holds rows of {header['fields']}, this algorithm has {fields}; make it "
            "with the environment of the saved run"
        )
    if header.get(BELIEF_DIM, 0) != replay.belief_dim:
        raise ValueError(
            f"{path} keeps beliefs of {header.get(BELIEF_DIM, 0)} numbers, this algorithm of "
            f"{replay.belief_dim}; make it with the `stored_beliefs` and sizes of the saved run"
        )
    if header["policy"]["capacity"] > replay.policy.capacity:
        raise ValueError(
            f"{path} has `buffer_size` {header['policy']['capacity']}, this algorithm "
            f"{replay.policy.capacity}; make it at least as large"
        )


def _begin(replay: SequenceReplayBuffer, header: dict[str, Any]) -> None:
    """Empty the buffer, with as much room for the expert as is needed."""
    with reading("the random generator of the replay buffer's file", REMEDY):
        replay.rng.bit_generator.state = header["rng"]
    replay.clear(_n_rows(header["expert"]))


def _finish(
    replay: SequenceReplayBuffer, header: dict[str, Any], opened: list[dict[str, Any]]
) -> None:
    """Let the buffer know what its rows are."""
    for name in STORES:
        getattr(replay, name).set_table(header[name])
    if len(opened) == len(replay.open_episodes):  # else all environments begin new episodes
        replay.open_episodes[:] = opened


@contextmanager
def _open_arrays(path: str | Path) -> Iterator[ArrayFile]:
    """Open a file of arrays by its path.

    :raises DamagedFileError: whatever is wrong with it
    """
    with expanded(path).open("rb") as file, open_arrays(file, path, REMEDY) as arrays:
        yield arrays


def _to_json(header: Mapping[str, Any]) -> str:
    """Write a header; numpy's whole numbers become Python's."""
    return json.dumps(header, default=int)


def _sum_of(table: Mapping[str, Any]) -> str:
    """Compute the checksum of a table, as JSON gives it back."""
    return hashlib.sha256(
        json.dumps(json.loads(_to_json(table)), sort_keys=True).encode()
    ).hexdigest()


def _read_header(arrays: ArrayFile) -> dict[str, Any]:
    """Read everything but rows from one file."""
    header: dict[str, Any] = parse_json(arrays.text("header"), dict, arrays.source, REMEDY)
    _check_header(header, arrays.source)
    return header


def _check_header(header: dict[str, Any], source: str) -> None:
    """Refuse a header that does not describe a buffer.

    :raises DamagedFileError: naming what is wrong
    """
    if header.get("format") != FORMAT:
        raise damaged(source, "it is no replay buffer of sb3_vdb", REMEDY)
    check_entries(header, HEADER, source, REMEDY)
    numbers = list(header["open"])
    for name in STORES:
        table = header[name]
        check_entries(table, STORE, f"{name} in {source}", REMEDY)
        if len(table["ids"]) != len(table["episodes"]):
            raise damaged(source, "an episode has no name", REMEDY)
        with reading(source, REMEDY):
            numbers += [n for begin, length in table["episodes"] for n in (begin, length)]
        numbers += [table["position"], table["capacity"]]
        if not all(re.fullmatch(r"[0-9a-f]{32}", str(each)) for each in table["ids"]):
            raise damaged(source, "an episode has another name than ours", REMEDY)
    if not all(type(n) is int and n >= 0 for n in numbers):
        raise damaged(source, "its table has other entries than numbers of rows", REMEDY)
    for name in STORES:
        table = header[name]
        if max(_n_rows(table), table["position"]) > table["capacity"]:
            raise damaged(source, f"episodes of {name} lie behind its end", REMEDY)


def _n_rows(table: Mapping[str, Any]) -> int:
    """Count the rows up to the last one that belongs to an episode."""
    return max((begin + length for begin, length in table["episodes"]), default=0)


def _headers(replay: SequenceReplayBuffer, n_rows: int) -> dict[str, ArrayHeader]:
    """Say what the arrays of so many rows have to be, by the name of the field."""
    return {
        name: ArrayHeader((n_rows, *shape), np.dtype(str(dtype).removeprefix("torch.")))
        for name, (shape, dtype) in replay.fields.items()
    }


def _read_open(
    arrays: ArrayFile, replay: SequenceReplayBuffer, header: dict[str, Any]
) -> list[dict[str, Any]]:
    """Read the rows of the episodes that were still going on, and beliefs into their place."""
    for name in STORES if replay.belief_dim else ():
        before = getattr(replay, name).before
        wanted_rows = ArrayHeader((_n_rows(header[name]), replay.belief_dim), np.dtype("float32"))
        _read_into(before, arrays, f"{name}/{BEFORE}", wanted_rows)
    opened = []
    for env, length in enumerate(header["open"]):
        wanted = _headers(replay, length) if length else {}
        opened.append(
            {field: list(arrays.read(f"open{env}/{field}", wanted[field])) for field in wanted}
        )
    return opened


def _read_into(rows: th.Tensor, arrays: ArrayFile, name: str, wanted: ArrayHeader) -> None:
    """Read an array into the first rows of a tensor, block by block."""
    begin = 0
    for block in arrays.blocks(name, wanted):
        rows[begin : begin + len(block)] = th.from_numpy(block)
        begin += len(block)
