"""Markdown: numbers and tables as pages show them, and the marked parts of a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sb3_vdb.evaluation.intervals import bootstrap_interval, interquartile_mean

MINUS, SPACE = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
NUMBER_COLUMN = re.compile(rf"^[\s{MINUS}\d.,%\[\]/]*$")
BEGIN, END = "<!-- table: {} -->", "<!-- end of table -->"
MARKED = re.compile(r"<!-- table: (?P<name>[\w-]+) -->\n.*?<!-- end of table -->", re.DOTALL)


def number(value: Any, digits: int | None = None) -> str:
    """Return a number as a page shows it, with a real minus sign; nothing for a gap.

    :param value: it, or a text, which stays as it is
    :param digits: decimal places; None for about three digits
    """
    if isinstance(value, str):
        return value
    if value is None or pd.isna(value):
        return ""
    if digits is None:
        is_whole = isinstance(value, int | np.integer)
        digits = 0 if is_whole or abs(value) >= 100 else 1 if abs(value) >= 1 else 2
    text = f"{value:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0.0 else text
    return text.replace("-", MINUS)


def estimate(values: Iterable[float], digits: int | None = None) -> str:
    """Return the interquartile mean of seeds, with its 95 % interval in brackets if there is one.

    :param values: one per seed
    :param digits: decimal places; None for about three digits
    """
    sample = list(values)
    middle = number(float(interquartile_mean(sample)), digits)
    ends = bootstrap_interval(sample)
    if ends is None:
        return middle
    interval = f"[{number(ends[0], digits)}, {number(ends[1], digits)}]"
    return f"{middle} {interval}".replace(" ", SPACE)


def mean_and_std(mean: float, std: float) -> str:
    """Return a value of a paper as it stands there, with its spread where it gives one."""
    text = f"{mean:g} ± {std:g}" if std else f"{mean:g}"
    return text.replace("-", MINUS).replace(" ", SPACE)


def every(values: Iterable[float], digits: int | None = None) -> str:
    """Return all values in their order of size."""
    return ", ".join(number(value, digits) for value in sorted(values))


def table(rows: pd.DataFrame) -> str:
    """Return a Markdown table; columns of numbers are set to the right, empty ones left out.

    :param rows: texts and numbers, under the names that the page shows
    """
    texts = rows.astype(object).map(number)
    texts = texts.loc[:, (texts != "").any()]
    rules = [
        "---:" if all(NUMBER_COLUMN.match(cell) for cell in texts[name]) else "---"
        for name in texts
    ]
    lines = [list(map(str, texts.columns)), rules, *texts.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def filled(page: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with every marked part made anew.

    :param page: its text
    :param tables: what makes each part, by the name in its mark
    :raises ValueError: a mark names no table
    """

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in tables:
            raise ValueError(f"no table is called {name!r}; there are {', '.join(sorted(tables))}")
        return f"{BEGIN.format(name)}\n\n{tables[name]()}\n\n{END}"

    return MARKED.sub(fill, page)
