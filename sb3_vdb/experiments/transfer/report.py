"""Report pages: one HTML file beside its pictures."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_vdb.experiments.pages import template
from sb3_vdb.experiments.transfer import curves, maze_pictures
from sb3_vdb.experiments.transfer.phases import scripted_return
from sb3_vdb.experiments.transfer.runs import Cell
from sb3_vdb.experiments.transfer.settings import SOLVED, TransferSettings
from sb3_vdb.files import write_text


def write_demo_report(
    cell: Cell, methods: Sequence[str], rows: Sequence[Mapping[str, str]]
) -> Path:
    """Draw the pictures of a demonstration job and write its page; methods without a result are
    named as missing.

    :param cell: of the job
    :param methods: of the job
    :param rows: of the table, in words
    :return: path of the page
    """
    finished = [each for each in methods if (cell.folder / each / "result.json").exists()]
    pictures = cell.folder / "pictures"
    pictures.mkdir(exist_ok=True)
    cells = {method: [cell] for method in finished}
    found = curves.curve_table(cells, [cell])
    curves.learning_curves(found, pictures / "curves.png")
    curves.bottleneck_curves(found, cell.settings.information_limit, pictures / "bottleneck.png")
    if finished:
        maze_pictures.heat_maps({each: cell for each in finished}, pictures / "rewards.png")
        maze_pictures.animation(cell, finished, pictures / "policies.gif")
    page = template("transfer/demo.html").render(
        config=json.loads((cell.folder / "config.json").read_text()),
        settings=cell.settings,
        rows=rows,
        results={method: _result(cell, method) for method in finished},
        missing=[method for method in methods if method not in finished],
        files=_files(cell.folder, finished),
    )
    write_text(cell.folder / "report.html", page)
    return cell.folder / "report.html"


def _result(cell: Cell, method: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((cell.folder / method / "result.json").read_text())
    return result


def _files(folder: Path, methods: Sequence[str]) -> list[str]:
    """Files a reader may want, relative to the page."""
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
    """Write the page of the whole table, ``report.html``.

    :param out: folder of the experiment, with ``pictures``
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
    page = template("transfer/table.html").render(mazes=mazes, versions=versions)
    write_text(out / "report.html", page)
    return out / "report.html"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None where nothing is."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
