"""Tables: rows by groups of runs with their spread, kept rows of earlier tables, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from scipy.stats import bootstrap  # type: ignore[import-untyped]

from sb3_vdb.experiments.framework.versions import combined_versions
from sb3_vdb.files import read_json, reading, write_text

LEVEL = 0.95  # of the interval
RESAMPLES, RESAMPLING_SEED = 10_000, 0
WIDTH = 160  # characters of a printed table


def bootstrap_interval(values: npt.ArrayLike) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the mean (percentiles, always the same resamples).

    :param values: one per seed, shape (n,)
    :return: its ends; None for less than two values
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        return None
    rng = np.random.default_rng(RESAMPLING_SEED)
    interval = bootstrap(
        (sample,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        random_state=rng,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def spread(values: pd.Series[Any], digits: int) -> dict[str, float | None]:
    """Return the median over seeds, and the ends of the interval of the mean, for a row of a table.

    :param values: one per seed
    :param digits: decimal places
    """
    low, high = bootstrap_interval(values) or (None, None)
    ends = {"95 % from": low, "95 % to": high}
    rounded = {name: None if end is None else round(end, digits) for name, end in ends.items()}
    return {"median": round(float(values.median()), digits), **rounded}


def mean_and_std(values: pd.Series[Any], digits: int) -> tuple[float, float]:
    """Return mean and standard deviation (of the seeds themselves, ddof = 0), rounded."""
    return round(float(values.mean()), digits), round(float(values.std(ddof=0)), digits)


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
