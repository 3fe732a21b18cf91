"""Folders of Hugging Face's ``datasets`` as demonstrations, and the other way round.

Two layouts: one row an episode, as ``imitation`` has it (``obs``, ``acts``, ``rews``, ``terminal``,
``infos``), and one row a step with an ``episode_index``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.demonstrations.flat_steps import LastStep
from sb3_vdb.files import expanded
from sb3_vdb.integrations.arrow_arrays import from_arrow, to_arrow, valid_rows, with_gaps
from sb3_vdb.integrations.extras import needed
from sb3_vdb.integrations.step_rows import DTypes, Rows, cast, episodes_of, filled
from sb3_vdb.transitions import map_parts, parts_of

Layout = Literal["episodes", "steps"]
Keys = Mapping[str, str | Mapping[str, str]]
# columns that are taken for what their names say, the first one that is there
USUAL = {
    "actions": ("action", "actions"),
    "rewards": ("reward", "next.reward", "rewards"),
    "terminals": ("terminal", "next.terminal", "terminals"),
    "episodes": ("episode_index", "episode"),
    "action_repeats": ("action_repeat",),
}


def from_hugging_face(
    source: Any,
    keys: Keys | None = None,
    last_step: LastStep = "error",
    dtypes: DTypes | None = None,
) -> Demonstrations:
    """Make demonstrations of a ``datasets.Dataset``, in the data types that it has.

    :param source: a ``Dataset``, or the folder of one that ``save_to_disk`` wrote
    :param keys: of one row a step: the column of ``"observations"`` (or one column a part, by
        name), ``"actions"``, ``"rewards"``, ``"terminals"`` and ``"episodes"``, where it is not
        ``observation`` (or ``observation.<part>``), ``action``, ``reward``, ``terminal`` and
        ``episode_index``
    :param last_step: of one row a step: ``"drop"`` leaves out the last step of an episode that has
        no row with the observation after it
    :param dtypes: data types where the writer has changed them, by ``"observations"`` (or
        ``"observations/<part>"``), ``"actions"`` and ``"rewards"``
    :raises ImportError: ``datasets`` is not installed
    :raises ValueError: it is no such dataset, naming what and the remedy
    """
    dataset = _opened(source)
    columns = set(dataset.column_names)
    if "acts" in columns or "obs" in columns:
        episodes: Any = _episodes(dataset)
    else:
        table = dataset.with_format("arrow")[:]
        episodes = episodes_of(read_rows(table, keys or {}), last_step)
    return Demonstrations(cast(each, dtypes) for each in episodes)


def _opened(source: Any) -> Any:
    """Open a dataset.

    :raises ValueError: it is none, or several splits
    """
    datasets = needed("datasets")
    if isinstance(source, (str, Path)):
        path = expanded(source)
        try:
            source = datasets.load_from_disk(str(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ValueError(
                f"{path} is no folder that datasets' save_to_disk wrote ({error})"
            ) from error
    if isinstance(source, Mapping):
        raise ValueError(
            f"the dataset has splits {', '.join(source)}; pass one of them: "
            f"from_hugging_face(dataset[{next(iter(source))!r}])"
        )
    if not isinstance(source, datasets.Dataset):
        raise ValueError(
            f"`source` is a {type(source).__name__}; give a datasets.Dataset or the path of one"
        )
    return source


def _episodes(dataset: Any) -> Iterator[Trajectory]:
    """Read one row an episode."""
    rows = dataset.with_format("arrow")
    names = dataset.column_names
    parts = [name for name in names if name.startswith("obs.")]
    for i in range(len(dataset)):
        row = rows[i : i + 1]
        read = {name: _cell(row, name) for name in [*parts, "obs", "acts", "rews"] if name in names}
        info = row.column("infos")[0].as_py() if "infos" in names else None
        observed = {name.removeprefix("obs."): read[name] for name in parts}
        yield Trajectory(
            observed or read["obs"],
            read.get("acts"),
            read.get("rews"),
            bool(row.column("terminal")[0].as_py()),
            _repeat(info),
        )


def _cell(row: Any, name: str) -> Any:
    """Read the array in the single row of a table."""
    return from_arrow(row.column(name).combine_chunks().flatten(), name)


def _repeat(infos: Any) -> int | None:
    """Read how long an action lasted from the infos that :func:`to_hugging_face` writes."""
    if not infos or not isinstance(infos[0], str):
        return None
    info = json.loads(infos[0])
    repeat = info.get("action_repeat") if isinstance(info, dict) else None
    return repeat if isinstance(repeat, int) else None


def read_rows(table: Any, keys: Keys) -> Rows:
    """Read one row a step from a pyarrow table.

    :param table: of all episodes
    :param keys: see :func:`from_hugging_face`
    :raises ValueError: a column is missing or has no numbers
    """
    names = table.column_names
    for key in keys:
        if key not in ("observations", *USUAL):
            raise ValueError(f"`keys` has {key!r}; it may have observations, {', '.join(USUAL)}")
    column: dict[str, Any] = {
        name: keys.get(name) or next((each for each in usual if each in names), None)
        for name, usual in USUAL.items()
    }
    observed: Any = keys.get("observations") or _observed(names)
    wanted: list[Any] = [*parts_of(observed).values(), *(each for each in column.values() if each)]
    if missing := [each for each in wanted if each not in names]:
        raise ValueError(f"there is no column {', '.join(missing)}; there are {', '.join(names)}")
    if not observed or column["episodes"] is None:
        raise ValueError(
            "nothing says which columns are the observations and the number of the episode; give "
            f"`keys`, of the columns {', '.join(names)}"
        )
    read = _optional(table, column)
    return Rows(
        episodes=np.asarray(table.column(column["episodes"]).to_pylist()),
        observations=map_parts(lambda each: from_arrow(table.column(each), each), observed),
        acted=_acted(table, column),
        actions=read.get("actions"),
        rewards=read.get("rewards"),
        terminals=read.get("terminals"),
        action_repeats=read.get("action_repeats"),
    )


def _observed(names: list[str]) -> str | dict[str, str] | None:
    """Find the columns of observations by their usual names."""
    plain = next((name for name in ("observation", "observations") if name in names), None)
    if plain is not None:
        return plain
    parts = [name for name in names if name.startswith("observation.")]
    return {name.removeprefix("observation."): name for name in parts} or None


def _optional(table: Any, column: Mapping[str, str | None]) -> dict[str, Any]:
    """Read the columns that a table may lack, with zeros where they are empty."""
    read: dict[str, Any] = {}
    for name in ("actions", "rewards", "terminals", "action_repeats"):
        key = column[name]
        if key is None:
            continue
        values = table.column(key)
        filled_up = filled(from_arrow(values.drop_null(), key), valid_rows(values))
        is_row = filled_up.ndim == 2 and filled_up.shape[1] == 1 and name != "actions"
        read[name] = filled_up[:, 0] if is_row else filled_up
    if "terminals" in read:
        read["terminals"] = read["terminals"].astype(bool)
    return read


def _acted(table: Any, column: Mapping[str, Any]) -> Any:
    """Say which rows have an action, or a reward where there are no actions; all but the last of an
    episode, where there are neither.
    """
    for name in ("actions", "rewards"):
        if column[name] is not None:
            return valid_rows(table.column(column[name]))
    episodes = np.asarray(table.column(column["episodes"]).to_pylist())
    return np.append(episodes[1:] == episodes[:-1], False)


def to_hugging_face(
    demonstrations: Demonstrations, path: str | Path, layout: Layout = "episodes"
) -> Path:
    """Write a folder that ``datasets.load_from_disk`` reads, without loss.

    :param demonstrations: any; ``imitation`` reads those with actions and observations of one part
    :param path: of the folder
    :param layout: ``"episodes"`` for one row an episode (``imitation``'s), ``"steps"`` for one row
        a step, where the last row of each episode has an observation alone
    :return: the folder
    :raises ImportError: ``datasets`` is not installed
    """
    datasets, pa = needed("datasets"), needed("pyarrow")
    if layout not in get_args(Layout):
        raise ValueError(f'`layout` must be "episodes" or "steps", got {layout!r}')
    make_row = _episode_row if layout == "episodes" else step_table
    tables = [make_row(each, i) for i, each in enumerate(demonstrations)]
    path = expanded(path)
    datasets.Dataset(datasets.table.InMemoryTable(pa.concat_tables(tables))).save_to_disk(str(path))
    return path


def _episode_row(trajectory: Trajectory, _: int) -> Any:
    """Make the row of an episode."""
    pa = needed("pyarrow")
    arrays = dict(_named(trajectory, "obs"))
    for name, values in (("acts", trajectory.actions), ("rews", trajectory.rewards)):
        if values is not None:
            arrays[name] = values
    repeat = trajectory.action_repeat
    info = json.dumps({} if repeat is None else {"action_repeat": int(repeat)})
    row = {
        name: pa.ListArray.from_arrays([0, len(values)], to_arrow(values))
        for name, values in arrays.items()
    }
    row["infos"] = pa.array([[info] * len(trajectory)])
    row["terminal"] = pa.array([trajectory.terminal])
    return pa.table(row)


def step_table(trajectory: Trajectory, number: int) -> Any:
    """Make the pyarrow table of an episode with one row a step, and one for its last observation.

    :param trajectory: the episode
    :param number: of the episode
    """
    pa = needed("pyarrow")
    n = len(trajectory)
    acted = np.arange(n + 1) < n
    columns: dict[str, Any] = {"episode_index": pa.array(np.full(n + 1, number))}
    columns["frame_index"] = pa.array(np.arange(n + 1))
    columns |= {name: to_arrow(values) for name, values in _named(trajectory, "observation")}
    for name, values in (("action", trajectory.actions), ("reward", trajectory.rewards)):
        if values is not None:
            columns[name] = with_gaps(values, acted)
    ends = np.arange(n) == n - 1
    columns["terminal"] = with_gaps(ends & trajectory.terminal, acted)
    columns["action_repeat"] = pa.array(np.full(n + 1, trajectory.action_repeat or 0))
    return pa.table(columns)


def _named(trajectory: Trajectory, prefix: str) -> Iterator[tuple[str, Any]]:
    """Give the parts of observations under the names of columns."""
    parts = parts_of(trajectory.observations)
    for name, part in parts.items():
        yield (prefix if parts is not trajectory.observations else f"{prefix}.{name}"), part
