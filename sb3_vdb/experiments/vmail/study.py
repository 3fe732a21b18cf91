"""What the command line runs of V-MAIL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.vmail.settings import SUITES
from sb3_vdb.experiments.vmail.table import plan, run_table, write_results


def train_suite(
    suite: str,
    tasks: Sequence[str],
    methods: Sequence[str],
    n_demonstrations: Sequence[int],
    seeds: range,
    frames: int | None,
    device: str | None,
    out: Path,
    docs: Path | None,
    workers: Workers,
    table_only: bool,
) -> list[Path]:
    """Train methods on the tasks of a suite, or only collect what is finished.

    :return: the report
    """
    asked: dict[str, Any] = {"frames": frames, "device": device}
    changes = {name: value for name, value in asked.items() if value is not None}
    settings = [SUITES[suite][task]._replace(**changes) for task in tasks or SUITES[suite]]
    runs = plan(out, settings, methods or ("VMAIL", "BC"), n_demonstrations or (10,), seeds)
    if table_only:
        write_results(runs, docs)
    else:
        run_table(runs, workers, docs)
    return [out / "report.html"]


laptop = partial(train_suite, "laptop")
dmc = partial(train_suite, "dmc")
