"""Rows of tables with what several seeds say together, and every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from sb3_vdb.experiments.results.markdown import estimate, every

ESTIMATE = "interquartile mean [95 %]"


def by_seed(
    runs: pd.DataFrame,
    keys: Mapping[str, str],
    value: str,
    others: Callable[[pd.DataFrame], Mapping[str, Any]] = lambda group: {},
    before: Callable[[pd.DataFrame], Mapping[str, Any]] = lambda group: {},
    digits: int | None = None,
) -> pd.DataFrame:
    """Return one row a group of runs: what its seeds say together, and every one of them.

    :param runs: one row a run
    :param keys: columns that tell groups apart, and what the page calls them
    :param value: column of the result
    :param others: columns after it
    :param before: columns before it
    :param digits: decimal places of the result
    """
    groups = [group for _, group in runs.groupby(list(keys), sort=False)]
    return pd.DataFrame(
        [
            {
                **{shown: group[key].iloc[0] for key, shown in keys.items()},
                **before(group),
                ESTIMATE: estimate(group[value], digits),
                "every seed": every(group[value], digits),
                **others(group),
            }
            for group in groups
        ]
    )
