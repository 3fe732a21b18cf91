"""The page of the documentation: what is promised, what was tried, what held."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from sb3_vdb.files import write_text

SHOWN = 12  # rows of failures of a part on the page


class Promise(NamedTuple):
    """What a part of the page is about.

    :param title: its heading
    :param promise: what is promised
    :param how: what is done
    """

    title: str
    promise: str
    how: str


PROMISES: Mapping[str, Promise] = {
    "kills": Promise(
        "Killed processes",
        "A process that is killed at any moment leaves a whole file, the old or the new one.",
        "Processes that save again and again are killed with `kill -9` at a random moment. Then "
        "the file is loaded, saved once more by another process, and loaded again; nothing may be "
        "left over.",
    ),
    "damage": Promise(
        "Damaged files",
        "A damaged file is refused with one kind of error, `DamagedFileError`, that names it; or "
        "it is read with the values that were written.",
        "Files of every kind are truncated, emptied or lengthened, one bit or some header bytes "
        "are changed, members change places, or a member becomes 300 MB of zeros.",
    ),
    "not finite": Promise(
        "Numbers that are not finite",
        "NaN and infinity stop a training with an error that says so, and what was saved before "
        "goes on.",
        "They come from a reset, a step, a last observation or a reward of one of two "
        "environments, from one number of a weight (the first and the last weight of each network "
        "of the policy), or from demonstrations. The tasks' rewards are not used by imitation.",
    ),
    "memory": Promise(
        "Memory",
        "A long training does not grow.",
        "The resident size of a training with logs is measured after every round; the second half "
        "may grow by 2 MB in 100,000 steps.",
    ),
    "drawn": Promise(
        "Drawn arguments and demonstrations",
        "An argument is accepted, and what it makes can be saved and loaded, or it is refused with "
        "a `ValueError` that names it.",
        "[Hypothesis](https://hypothesis.readthedocs.io) draws arguments, most of which do not "
        "fit, and arrays that are given as demonstrations.",
    ),
    "seeds": Promise(
        "Seeds",
        "The same seed gives the same weights in another process, bit for bit.",
        "Every learner is trained in two new processes that hash strings differently.",
    ),
}


def write_page(table: pd.DataFrame, made_with: Mapping[str, str], path: Path) -> None:
    """Write the page.

    :param table: of :func:`~sb3_vdb.experiments.reliability.trials.table_of`
    :param made_with: versions
    :param path: of the Markdown file
    """
    parts = [
        _part(promise, table[table["part"] == name])
        for name, promise in PROMISES.items()
        if (table["part"] == name).any()
    ]
    tried, held = int(table["tried"].sum()), int(table["held"].sum())
    seconds = sum(each["seconds"] for each in parts)
    template = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    text = jinja2.Template(template, keep_trailing_newline=True).render(
        parts=parts,
        summary=f"**{held} of {tried} trials held**, in {seconds / 60:.1f} minutes.",
        versions=", ".join(f"{name} {version}" for name, version in made_with.items()),
    )
    write_text(path, text)


def _part(promise: Promise, rows: pd.DataFrame) -> dict[str, Any]:
    records: list[Any] = rows.map(_in_cell).to_dict("records")
    return {
        **promise._asdict(),
        "anchor": promise.title.lower().replace(" ", "-"),
        "tried": int(rows["tried"].sum()),
        "held": int(rows["held"].sum()),
        "seconds": float(rows["seconds of the part"].iloc[0]),
        "rows": records,
        "failures": [each for each in records if each["failures"]][:SHOWN],
    }


def _in_cell(value: Any) -> Any:
    """Return text as a cell of a Markdown table holds it."""
    return value.replace("|", "\\|").replace("<", "&lt;") if isinstance(value, str) else value
