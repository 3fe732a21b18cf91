"""Report pages: one HTML file next to its pictures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.experiments.framework.page import write_page
from sb3_vdb.experiments.framework.run import read_result, versions_of
from sb3_vdb.experiments.maze_transfer import curves, pictures
from sb3_vdb.experiments.maze_transfer.phases import scripted_return
from sb3_vdb.experiments.maze_transfer.runs import Cell
from sb3_vdb.experiments.maze_transfer.settings import SOLVED, STUCK_RETURNS, TransferSettings


def write_demo_report(
    out: Path,
    cells: Sequence[Cell],
    methods: Sequence[str],
    tables: Sequence[Sequence[Mapping[str, str]]],
) -> Path:
    """Make the pictures of a demonstration job and write its page, ``report.html``; methods without
    a result are named as missing.

    :param out: folder of the job
    :param cells: of the job, one a maze
    :param methods: of the job
    :param tables: rows of each maze, in words
    :return: path of the page
    """
    mazes = [
        {**_demo_maze(cell, methods), "rows": rows}
        for cell, rows in zip(cells, tables, strict=True)
    ]
    shown = {
        f"{cell.settings.maze}, {method}": (cell, method)
        for cell in cells
        for method in methods
        if cell.has_finished(method)
    }
    if shown:
        pictures.heat_maps(shown, out / "rewards.png")
    return write_page(
        out / "report.html",
        "maze_transfer/demo.html",
        seed=cells[0].seed,
        mazes=mazes,
        has_rewards=bool(shown),
        versions=versions_of(cells),
    )


def _demo_maze(cell: Cell, methods: Sequence[str]) -> dict[str, Any]:
    """Make the pictures of one maze; return what the page says of it."""
    finished = [method for method in methods if cell.has_finished(method)]
    folder, maze = cell.folder / "pictures", cell.settings.maze
    rows_of_curves = curves.curve_table({method: [cell] for method in finished}, [cell])
    curves.learning_curves(rows_of_curves, folder / "curves.png")
    limit = cell.settings.information_limit
    curves.bottleneck_curves(rows_of_curves, limit, folder / "bottleneck.png")
    if finished:
        pictures.animation(cell, finished, folder / "policies.gif")
    return {
        "settings": cell.settings,
        "folder": cell.name,
        "scripted": scripted_return(cell.settings),
        "stuck_at": STUCK_RETURNS[maze],
        "results": {method: read_result(cell.folder / method) for method in finished},
        "missing": [method for method in methods if method not in finished],
        "files": _files(cell.folder, finished),
    }


def _files(folder: Path, methods: Sequence[str]) -> list[str]:
    """List the files that a reader may want, relative to the page."""
    names = ["config.json", "expert/progress.csv", "expert/demonstrations.npz"]
    for method in methods:
        names += [f"{method}/result.json", f"{method}/irl/progress.csv", f"{method}/irl/reward.pt"]
    return [name for name in names if (folder / name).exists()]


def write_table_report(
    out: Path,
    settings: Sequence[TransferSettings],
    table: pd.DataFrame,
    summary: pd.DataFrame,
    with_snapshots: Collection[str],
    versions: Mapping[str, str],
) -> Path:
    """Write the page of the table, ``report.html``.

    :param out: folder of the study, with ``pictures``
    :param settings: of each maze
    :param table: one row a maze, method and seed
    :param summary: one row a maze and method
    :param with_snapshots: mazes with a picture of retrainings on snapshots
    :param versions: what the runs were made with
    :return: path of the page
    """
    mazes = [
        {
            "name": each.maze,
            "scripted": scripted_return(each),
            "solved": SOLVED[each.maze],
            "summary": _records(summary[summary["maze"] == each.maze]),
            "runs": _records(table[table["maze"] == each.maze]),
            "has_snapshots": each.maze in with_snapshots,
        }
        for each in settings
    ]
    page = out / "report.html"
    return write_page(page, "maze_transfer/table.html", mazes=mazes, versions=versions)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows, with None where nothing is."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
