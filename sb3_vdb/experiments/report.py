"""The report page of a run: one HTML file beside its pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from sb3_vdb.experiments import pictures
from sb3_vdb.experiments.demo import result_rows, row_in_words
from sb3_vdb.files import write_text


def write_report(folder: Path, methods: Sequence[str]) -> Path:
    """Draw the pictures of a run and write ``report.html``; methods without a result are named as
    missing.

    :param folder: run folder
    :param methods: methods of the run
    :return: path of the page
    """
    config = json.loads((folder / "config.json").read_text())
    finished = [method for method in methods if (folder / method / "result.json").exists()]
    pictures.transfer_pictures(
        folder, finished, config["train_env"], config["test_env"], folder / "pictures"
    )
    results = {
        method: json.loads((folder / method / "result.json").read_text()) for method in finished
    }
    environment = Environment(
        loader=PackageLoader("sb3_vdb.experiments", "."), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html").render(
        config=config,
        rows=[row_in_words(row) for row in result_rows(folder, methods)],
        results=results,
        missing=[method for method in methods if method not in finished],
        files=_files(folder, finished),
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _files(folder: Path, methods: Sequence[str]) -> list[str]:
    """Files a reader may want, relative to the page."""
    names = ["config.json", "expert/progress.csv", "expert/demonstrations.npz"]
    for method in methods:
        names += [f"{method}/result.json", f"{method}/irl/progress.csv", f"{method}/irl/reward.pt"]
    return [name for name in names if (folder / name).exists()]
