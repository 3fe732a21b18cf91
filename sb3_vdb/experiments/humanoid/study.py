"""What the command line runs of the humanoid's motions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.humanoid.shipping import ship
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
) -> None:
    """Train skills, or only collect what is finished."""
    if table_only:
        write_table(out, docs)
    else:
        settings = MocapSettings(samples=samples)
        run_table(out, skills or ("Run", "Walk"), seeds, settings, workers, docs)


def ship_policies(out: Path) -> list[Path]:
    """Put the best policy of every skill into the package.

    :param out: folder of the runs
    :return: the files
    """
    return ship(out, FOLDER)
