"""What the command line runs of the humanoid's motions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.humanoid.shipping import ship as ship_best
from sb3_vdb.experiments.humanoid.table import run_table, write_table
from sb3_vdb.experiments.humanoid.training import MocapSettings
from sb3_vdb.pretrained import FOLDER


def motions(
    skills: Sequence[str],
    seeds: range,
    samples: int,
    out: Path,
    docs: Path | None,
    workers: Workers,
    table_only: bool,
    ship: bool,
) -> list[Path]:
    """Train skills, or only collect what is finished.

    :return: policies that were put into the package
    """
    if table_only:
        write_table(out, docs)
    else:
        settings = MocapSettings(samples=samples)
        run_table(out, skills or ("Run", "Walk"), seeds, settings, workers, docs)
    return ship_best(out, FOLDER) if ship else []
