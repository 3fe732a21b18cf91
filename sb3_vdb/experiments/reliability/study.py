"""The command: everything that is tried, its table and its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch as th

from sb3_vdb.experiments.framework.table import (
    show,
    with_kept_rows,
    with_kept_versions,
    write_tables,
)
from sb3_vdb.experiments.framework.versions import present_versions
from sb3_vdb.experiments.reliability.damage import damage
from sb3_vdb.experiments.reliability.drawn import drawn
from sb3_vdb.experiments.reliability.faults import faults
from sb3_vdb.experiments.reliability.growth import growth
from sb3_vdb.experiments.reliability.kills import kills
from sb3_vdb.experiments.reliability.page import PROMISES, write_page
from sb3_vdb.experiments.reliability.seeds import seeds
from sb3_vdb.experiments.reliability.trials import Trial, table_of, timed

TEXTS = ("outcomes", "failures")  # columns that may be empty
N_KILLS, N_DAMAGED, N_DRAWN, N_STEPS = 50, 200, 500, 500_000
# what is tried for a share of the whole, in the order of the page; kills first, since they fork
PARTS: Mapping[str, Callable[[float], Iterator[Trial]]] = {
    "kills": lambda share: kills(_at_least_one(N_KILLS * share)),
    "damage": lambda share: damage(_at_least_one(N_DAMAGED * share)),
    "not-finite": faults,
    "memory": lambda share: growth(_at_least_one(N_STEPS * share)),
    "drawn": lambda share: drawn(_at_least_one(N_DRAWN * share)),
    "seeds": lambda share: seeds(),
}


def reliability(
    out: Path, docs: Path | None, share: float = 1.0, parts: tuple[str, ...] = ()
) -> list[Path]:
    """Try everything; write ``reliability.csv``, and the page with ``docs``. Rows of parts that are
    not tried now are kept.

    :param out: folder of the table
    :param docs: folder of the documentation
    :param share: of the trials
    :param parts: names of :data:`PARTS`; none for all
    :return: the tables
    """
    th.set_num_threads(1)
    made_with = present_versions()
    rows = table_of(timed(PARTS[name](share)) for name in parts or PARTS)
    show(rows.drop(columns=["seconds of the part"]))
    folders = [out] if docs is None else [out, docs / "benchmarks" / "reliability"]
    for folder in folders:
        table = with_kept_rows(folder / "reliability.csv", rows, ["part"], {"part": [*PROMISES]})
        table = table.astype(dict.fromkeys(TEXTS, object)).fillna(dict.fromkeys(TEXTS, ""))
        versions = made_with
        if len(parts or PARTS) < len(PARTS):
            versions = with_kept_versions(folder / "versions.json", made_with)
        write_tables(folder, {"reliability": table}, versions)
        if folder is not out and docs is not None:
            write_page(table, versions, docs / "reliability.md")
    return [folder / "reliability.csv" for folder in folders]


def _at_least_one(n: float) -> int:
    return max(1, round(n))
