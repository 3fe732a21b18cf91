"""Tables: rows by groups of runs with their spread, kept rows of earlier tables, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from sb3_vdb.evaluation.intervals import bootstrap_interval, interquartile_mean
from sb3_vdb.experiments.framework.versions import combined_versions
from sb3_vdb.files import read_json, reading, write_text

WIDTH = 160  # characters of a printed table


def spread(values: pd.Series[Any], digits: int) -> dict[str, float | None]:
    """Return what several seeds say together: interquartile mean, the ends of its 95 % bootstrap
    interval (none for one seed), smallest and largest value.

    :param values: one per seed
    :param digits: decimal places
    """
    low, high = bootstrap_interval(values) or (None, None)
    figures = {
        "IQM": float(interquartile_mean(values)),
        "95 % from": low,
        "95 % to": high,
        "smallest": float(values.min()),
        "largest": float(values.max()),
    }
    return {name: None if x is None else round(x, digits) for name, x in figures.items()}


def summarise(
    table: pd.DataFrame, keys: Sequence[str], row: Callable[[pd.DataFrame], Mapping[str, Any]]
) -> pd.DataFrame:
    """Return one row for each group of runs: its keys, the number of seeds, and what ``row`` says.

    :param table: one row a run
    :param keys: columns that tell groups apart; groups keep their order
    :param row: the other columns of a group
    """
    return pd.DataFrame(
        [
            {**{key: group[key].iloc[0] for key in keys}, "seeds": len(group), **row(group)}
            for _, group in table.groupby(list(keys), sort=False)
        ]
    )


def with_kept_rows(
    path: Path,
    rows: pd.DataFrame,
    keys: Sequence[str],
    order: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Return a table with the rows of an earlier one that it does not replace.

    :param path: csv file of the earlier table; perhaps there is none
    :param rows: the new ones; perhaps none
    :param keys: columns; a row is replaced by new ones that have the same in all of them
    :param order: by column, its values in the order of the rows; columns may be missing
    :return: kept rows before new ones, but for the order
    """
    if not path.exists():
        return rows
    with reading(path, "restore it, or delete it with the rows that it keeps"):
        earlier = pd.read_csv(path, dtype_backend="numpy_nullable")
    if rows.empty:
        return earlier
    replaced = pd.MultiIndex.from_frame(rows[list(keys)])
    is_kept = ~pd.MultiIndex.from_frame(earlier[list(keys)]).isin(replaced)
    both = pd.concat([earlier[is_kept], rows.convert_dtypes()], ignore_index=True)
    by = {name: names for name, names in (order or {}).items() if name in both}
    if not by:
        return both

    def place(column: pd.Series[str]) -> pd.Series[int]:
        names = by[str(column.name)]
        return column.map({name: i for i, name in enumerate(names)})

    return both.sort_values(list(by), key=place, kind="stable", ignore_index=True)


def with_kept_versions(path: Path, made_with: Mapping[str, str]) -> dict[str, str]:
    """Return versions together with those of a file next to a table of which rows are kept."""
    kept = [read_json(path, dict, "restore it, or delete it")] if path.exists() else []
    return combined_versions([made_with, *kept])


def write_tables(
    folder: Path,
    tables: Mapping[str, pd.DataFrame],
    made_with: Mapping[str, str],
    versions: str = "versions",
) -> None:
    """Write tables as csv files, and the versions that made the runs.

    :param folder: where they go
    :param tables: by name of the file
    :param made_with: versions of the runs, not of whoever collects them
    :param versions: name of their json file
    """
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    write_text(folder / f"{versions}.json", json.dumps(made_with, indent=1))


def show(table: pd.DataFrame) -> None:
    """Print a table."""
    Console(width=WIDTH).print(table.to_string(index=False))
