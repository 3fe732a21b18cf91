"""Tables in csv and parquet files as demonstrations, and the other way round: one row a step, a
column an entry (``observation_0``, ``action_1``), and a row without actions at each episode's end.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.demonstrations.flat_steps import LastStep
from sb3_vdb.files import expanded, read_text, replacing
from sb3_vdb.integrations.arrow_arrays import from_arrow, valid_rows, with_gaps
from sb3_vdb.integrations.extras import needed
from sb3_vdb.integrations.step_rows import DTypes, Rows, cast, episodes_of, filled
from sb3_vdb.transitions import Array, parts_of

Columns = Mapping[str, str | Sequence[str]]
INDEX = re.compile(r"((?:_\d+)+)$")  # of an entry, at the end of a column's name
MAX_ENTRIES = 4096  # of a step's observation in one column each
DTYPES = "dtypes"  # column of a csv file, which says data types in its first row
WORDS = {"true": "1", "false": "0"}


class Column(NamedTuple):
    """A column: where it has values, and these.

    :param values: shape (n_valid,)
    :param valid: shape (n,)
    """

    values: Array
    valid: npt.NDArray[np.bool_]


Reader = Callable[[str, Any], Column]  # of a column's name and a data type, or None


def from_csv(
    path: str | Path,
    columns: Columns | None = None,
    last_step: LastStep = "error",
    dtypes: DTypes | None = None,
) -> Demonstrations:
    """Make demonstrations of a csv file with one row a step.

    The file says by itself which data types it has if :func:`to_csv` wrote it. Of any other, whole
    numbers become 64-bit integers, and other numbers 64-bit floats.

    :param path: of the file, with names in its first row
    :param columns: the file's own names: of ``"episode"``, ``"reward"`` and ``"terminal"`` one
        each; of ``"observation"``, ``"observation.<part>"`` and ``"action"`` one, or a list
    :param last_step: ``"drop"`` leaves out the last step of an episode that has no row with the
        observation after it
    :param dtypes: by ``"observations"``, ``"observations/<part>"``, ``"actions"`` and ``"rewards"``
    :raises ValueError: naming the column or row, what is wrong and the remedy
    """
    rows = list(csv.reader(io.StringIO(read_text(path))))
    names = [each.strip() for each in rows[0]] if rows else []
    body = [row for row in rows[1:] if row]
    bad = next((i for i, row in enumerate(body) if len(row) != len(names)), None)
    if bad is not None:
        raise ValueError(
            f"{path} has rows of another length than its {len(names)} names, the first is row {bad}"
        )
    cells = {name: np.array([row[i] for row in body], dtype=str) for i, name in enumerate(names)}
    notes = cells.pop(DTYPES, np.array([""]))
    said = dict(each.split("=", 1) for each in str(notes[0]).split()) if len(body) else {}

    def read(name: str, dtype: Any) -> Column:
        valid = np.char.strip(cells[name]) != ""
        return Column(_numbers(cells[name][valid], dtype, name), valid)

    return _demonstrations(list(cells), columns or {}, read, said, last_step, dtypes)


def from_parquet(
    path: str | Path,
    columns: Columns | None = None,
    last_step: LastStep = "error",
    dtypes: DTypes | None = None,
) -> Demonstrations:
    """Make demonstrations of a parquet file with one row a step, in the data types that it has.

    :param path: of the file
    :param columns: the file's own names, see :func:`from_csv`
    :param last_step: see :func:`from_csv`
    :param dtypes: see :func:`from_csv`
    :raises ImportError: pyarrow is not installed
    :raises ValueError: naming the column or row, what is wrong and the remedy
    """
    table = needed("pyarrow.parquet").read_table(expanded(path))

    def read(name: str, dtype: Any) -> Column:
        column = table.column(name)
        if name == "episode" or name == (columns or {}).get("episode"):
            return Column(np.asarray(column.to_pylist()), valid_rows(column))
        return Column(from_arrow(column.drop_null(), name), valid_rows(column))

    return _demonstrations(list(table.column_names), columns or {}, read, {}, last_step, dtypes)


def _numbers(texts: npt.NDArray[np.str_], dtype: Any, name: str) -> Array:
    """Read numbers; truth values count as 1 and 0."""
    if dtype is str:
        return texts
    plain = np.array([WORDS.get(each.strip().lower(), each) for each in texts.tolist()])
    try:
        if dtype is not None:
            kind = np.dtype(dtype)
            whole = plain.astype(np.int64) if kind.kind == "b" else plain
            return whole.astype(kind)
        try:
            return plain.astype(np.int64)
        except ValueError:
            return plain.astype(np.float64)
    except ValueError as error:
        raise ValueError(f"column {name} holds something else than numbers ({error})") from error


def _demonstrations(
    names: list[str],
    columns: Columns,
    read: Reader,
    said: Mapping[str, str],
    last_step: LastStep,
    dtypes: DTypes | None,
) -> Demonstrations:
    """Make demonstrations of columns."""
    groups = _groups(names, columns)
    lists = {name for name, each in columns.items() if not isinstance(each, str)}
    arrays = {
        name: _joined([read(each, said.get(name)) for each in group], group, name in lists)
        for name, group in groups.items()
        if name != "episode"
    }
    episodes = read(groups["episode"][0], str).values
    n = len(episodes)
    observed = {name: each for name, each in arrays.items() if name.startswith("observation")}
    for name, column in observed.items():
        if not column.valid.all():
            row = int(np.argmin(column.valid))
            raise ValueError(f"row {row} has no {name}; fill it, or leave the row out")
    parts = {name.removeprefix("observation."): each.values for name, each in observed.items()}
    driving = arrays.get("action") or arrays.get("reward")
    optional = {
        name: filled(each.values, each.valid)
        for name, each in arrays.items()
        if name not in observed
    }
    terminals = optional.get("terminal")
    same = np.append(episodes[1:] == episodes[:-1], np.zeros(min(n, 1), bool))
    rows = Rows(
        episodes=episodes,
        observations=parts.get("observation", parts),
        acted=same if driving is None else driving.valid,
        actions=optional.get("action"),
        rewards=optional.get("reward"),
        terminals=None if terminals is None else terminals.astype(bool),
        action_repeats=optional.get("action_repeat"),
    )
    return Demonstrations(cast(each, dtypes) for each in episodes_of(rows, last_step))


def _groups(names: list[str], columns: Columns) -> dict[str, list[str]]:
    """Find the columns of each array.

    :param names: of all columns
    :param columns: what the caller has said
    :return: columns by ``episode``, ``observation`` or ``observation.<part>``, ``action``, ...
    :raises ValueError: one is missing, or there are no observations or episodes
    """
    groups = {
        name: [each] if isinstance(each, str) else list(each) for name, each in columns.items()
    }
    known = ("episode", "observation", "action", "reward", "terminal", "action_repeat")
    for name in groups:
        if name not in known and not name.startswith("observation."):
            raise ValueError(
                f"`columns` has {name!r}; it may have {', '.join(known)}, and observation.<part>"
            )
    has_observations = any(name.startswith("observation") for name in groups)
    for name in names:
        stem = INDEX.sub("", name)
        is_observed = stem == "observation" or stem.startswith("observation.")
        usual = not has_observations if is_observed else stem in known and stem not in columns
        if usual:
            groups.setdefault(stem, []).append(name)
    missing = [each for group in groups.values() for each in group if each not in names]
    if missing:
        raise ValueError(f"there is no column {', '.join(missing)}; there are {', '.join(names)}")
    if "episode" not in groups or not any(each.startswith("observation") for each in groups):
        raise ValueError(
            "nothing says which columns are the episode and the observations; give `columns`, of "
            f"{', '.join(names)}"
        )
    return groups


def _joined(columns: list[Column], names: list[str], is_list: bool) -> Column:
    """Join the entries of an array, whose indices are at the ends of the columns' names; those of a
    list stay in its order.

    :raises ValueError: a row has some of them only, or they do not fill an array
    """
    valid = columns[0].valid
    for column, name in zip(columns, names, strict=True):
        if not np.array_equal(column.valid, valid):
            row = int(np.argmax(column.valid != valid))
            raise ValueError(f"row {row} has only some of {names[0]} to {names[-1]} ({name})")
    found = [INDEX.search(name) for name in names]
    if len(columns) == 1 and found[0] is None and not is_list:
        return columns[0]
    stacked = np.stack([column.values for column in columns], axis=-1)
    if is_list or not all(found):
        return Column(stacked, valid)
    places = [tuple(map(int, each[1].split("_")[1:])) for each in found if each]
    if len({len(place) for place in places}) > 1:
        return Column(stacked, valid)
    shape = tuple(1 + max(axis) for axis in zip(*places, strict=True))
    if sorted(places) != list(np.ndindex(*shape)):
        return Column(stacked, valid)
    order = sorted(range(len(places)), key=places.__getitem__)
    return Column(stacked[:, order].reshape(-1, *shape), valid)


def to_csv(demonstrations: Demonstrations, path: str | Path) -> Path:
    """Write a csv file with one row a step, without loss: each number has as many digits as it
    takes, and the column ``dtypes`` says data types in its first row.

    :param demonstrations: without pictures
    :param path: of the file
    :return: the path
    :raises ValueError: a step has too many entries for a table
    """
    arrays = _arrays(demonstrations[0])
    note = " ".join(f"{name}={each.dtype}" for name, each in arrays.items())
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*_column_names(demonstrations[0]), DTYPES])
        for i, trajectory in enumerate(demonstrations):
            columns = [_texts(*column) for column in _entries(trajectory, i).values()]
            for row in zip(*columns, strict=True):
                writer.writerow([*row, note])
                note = ""
        text.flush()
        text.detach()
    return expanded(path)


def to_parquet(demonstrations: Demonstrations, path: str | Path) -> Path:
    """Write a parquet file with one row a step, without loss.

    :param demonstrations: without pictures
    :param path: of the file
    :return: the path
    :raises ImportError: pyarrow is not installed
    :raises ValueError: a step has too many entries for a table
    """
    pa, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    _column_names(demonstrations[0])
    tables = [
        pa.table({name: with_gaps(*column) for name, column in _entries(each, i).items()})
        for i, each in enumerate(demonstrations)
    ]
    with replacing(path) as file:
        parquet.write_table(pa.concat_tables(tables), file)
    return expanded(path)


def _arrays(trajectory: Trajectory) -> dict[str, Array]:
    """Give arrays by the beginnings of their columns' names."""
    parts = parts_of(trajectory.observations)
    plain = parts is not trajectory.observations
    arrays = {
        "observation" if plain else f"observation.{name}": part for name, part in parts.items()
    }
    for name, values in (("action", trajectory.actions), ("reward", trajectory.rewards)):
        if values is not None:
            arrays[name] = values
    return arrays


def _column_names(trajectory: Trajectory) -> list[str]:
    """Give the names of the columns.

    :raises ValueError: there are too many, or a part's name looks like that of an entry
    """
    for name, values in _arrays(trajectory).items():
        if values[0].size > MAX_ENTRIES:
            raise ValueError(
                f"{name} has {values[0].size} entries a step, which is no table any more (at most "
                f"{MAX_ENTRIES}); write pictures with .save() or to_hugging_face"
            )
        if name.startswith("observation.") and (INDEX.search(name) or " " in name or "=" in name):
            raise ValueError(
                f"the part {name.removeprefix('observation.')!r} cannot be told from an entry of "
                "a part; give it a name that does not end in _<number>, without spaces"
            )
    return list(_entries(trajectory, 0))


def _entries(trajectory: Trajectory, number: int) -> dict[str, tuple[Array, Any]]:
    """Give the columns of an episode: their values, and which rows have one."""
    n = len(trajectory)
    everywhere, acted = np.ones(n + 1, bool), np.arange(n + 1) < n
    columns: dict[str, tuple[Array, Any]] = {"episode": (np.full(n + 1, number), everywhere)}
    for name, values in _arrays(trajectory).items():
        valid = everywhere if name.startswith("observation") else acted
        entries = values.reshape(len(values), -1)
        for i, place in enumerate(np.ndindex(*values.shape[1:])):
            suffix = "".join(f"_{index}" for index in place)
            columns[name + suffix] = (entries[:, i], valid)
    columns["terminal"] = ((np.arange(n) == n - 1) & trajectory.terminal, acted)
    columns["action_repeat"] = (np.full(n + 1, trajectory.action_repeat or 0), everywhere)
    return columns


def _texts(values: Array, valid: npt.NDArray[np.bool_]) -> Iterable[str]:
    """Write numbers with the fewest digits that give them back."""
    texts: Iterator[str] = iter(values.astype(str).tolist())
    return [next(texts) if each else "" for each in valid]
