"""The command that makes summaries, tables of pages and the page of results of the csv files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from sb3_vdb.experiments.framework.table import with_kept_rows
from sb3_vdb.experiments.humanoid.table import summarise_skills
from sb3_vdb.experiments.maze_transfer.ablation import summarise_variations
from sb3_vdb.experiments.maze_transfer.results import ROW_ORDER, summarise_methods
from sb3_vdb.experiments.results import markdown, page
from sb3_vdb.experiments.results.claims import SMALL_CLAIMS, VDB_CLAIMS, VMAIL_CLAIMS
from sb3_vdb.experiments.results.study_tables import STUDY_TABLES
from sb3_vdb.experiments.vmail.table import summarise_runs
from sb3_vdb.files import write_text

Summary = Callable[[pd.DataFrame], pd.DataFrame]
# by name of a file with one row a run: the file that sums it up, and how
SUMMARIES: Mapping[str, tuple[str, Summary]] = {
    "maze*/**/table.csv": ("summary.csv", summarise_methods),
    "demo/table.csv": ("summary.csv", summarise_methods),
    "humanoid/table.csv": ("summary.csv", summarise_skills),
    "vmail*/runs.csv": ("summary.csv", summarise_runs),
    "maze*/**/ablation_runs.csv": ("ablation.csv", summarise_variations),
}


def results(root: Path) -> list[Path]:
    """Make everything anew that follows from the committed csv files of a checkout.

    :param root: folder of the checkout
    :return: files that are different now
    :raises ValueError: it is no checkout, or a page marks a table that there is not
    """
    benchmarks = root / "docs" / "benchmarks"
    if not benchmarks.is_dir():
        raise ValueError(f"{root} has no docs/benchmarks; run it in a checkout, or give --root")
    changed = []
    for target, text in (*summaries(benchmarks), *pages(root)):
        if not target.exists() or target.read_text() != text:
            write_text(target, text)
            changed.append(target)
    return changed


def summaries(benchmarks: Path) -> list[tuple[Path, str]]:
    """Return the summaries of all files with one row a run: their paths and texts."""
    made = []
    for pattern, (name, summarise) in SUMMARIES.items():
        for path in sorted(benchmarks.glob(pattern)):
            rows = summarise(pd.read_csv(path))
            if name == "summary.csv" and "maze" in rows:  # experts of runs that did not note them
                rows = with_kept_rows(path.with_name(name), rows, ["maze", "method"], ROW_ORDER)
            made.append((path.with_name(name), rows.to_csv(index=False)))
    return made


def pages(root: Path) -> list[tuple[Path, str]]:
    """Return all pages with marked parts, with these made anew: their paths and texts."""
    tables = parts(root / "docs" / "benchmarks")
    candidates = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    texts = {path: path.read_text() for path in candidates}
    marked = {path: text for path, text in texts.items() if markdown.MARKED.search(text)}
    return [(path, markdown.filled(text, tables)) for path, text in marked.items()]


def parts(benchmarks: Path) -> dict[str, Callable[[], str]]:
    """Return what makes each marked part of a page, by name."""

    def study(name: str) -> str:
        return markdown.table(STUDY_TABLES[name](benchmarks))

    claims = {"vdb": VDB_CLAIMS, "vmail": VMAIL_CLAIMS, "small": SMALL_CLAIMS}
    return {
        **{name: partial(study, name) for name in STUDY_TABLES},
        **{
            f"claims-{name}": partial(page.claims_table, several, benchmarks)
            for name, several in claims.items()
        },
        "claims-short": partial(page.headlines, benchmarks),
        "claims-counted": partial(page.counts, benchmarks),
    }
