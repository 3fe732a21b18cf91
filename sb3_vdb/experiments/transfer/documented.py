"""Tables in a documentation folder, which keep what a run has nothing of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from sb3_vdb.experiments.transfer.settings import EXPERT, MAZES, METHODS

ORDER = {"maze": (*MAZES,), "method": (*METHODS, EXPERT)}


def with_kept_rows(path: Path, rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A table with the rows of an earlier one that it does not replace.

    :param path: csv file of the earlier table; perhaps there is none
    :param rows: the new ones; perhaps none
    :param keys: columns; a row is replaced by new ones that have the same in all of them
    :return: by maze and method, if it has such columns, in the order of the paper's table; kept
        rows before new ones
    """
    if not path.exists():
        return rows
    earlier = pd.read_csv(path, dtype_backend="numpy_nullable")
    if rows.empty:
        return earlier
    replaced = pd.MultiIndex.from_frame(rows[list(keys)])
    is_kept = ~pd.MultiIndex.from_frame(earlier[list(keys)]).isin(replaced)
    both = pd.concat([earlier[is_kept], rows.convert_dtypes()], ignore_index=True)
    by = [name for name in ORDER if name in both]
    if not by:
        return both
    return both.sort_values(by, key=_place, kind="stable", ignore_index=True)


def _place(column: pd.Series[str]) -> pd.Series[int]:
    """Of each maze or method in the paper's table."""
    names = ORDER[str(column.name)]
    return column.map({name: i for i, name in enumerate(names)})


def combined_versions(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What several runs were made with; where they differ, all of it, each once."""
    found: dict[str, set[str]] = {}
    for made_with in several:
        for name, value in made_with.items():
            found.setdefault(name, set()).update(str(value).split(", "))
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def with_kept_versions(path: Path, made_with: Mapping[str, str]) -> dict[str, str]:
    """Versions, and those of a file beside a table of which rows are kept, if there is one."""
    kept = [json.loads(path.read_text())] if path.exists() else []
    return combined_versions([made_with, *kept])
