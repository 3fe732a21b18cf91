"""Speed as ratios within one run: the table of benchmarks, and how they are run."""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch as th

from sb3_vdb.experiments.framework.table import show
from sb3_vdb.files import write_text

# the function of each, imported when it is run
BENCHMARKS: Mapping[str, str] = {
    "mazes": "mazes:bench_mazes",
    "humanoid": "humanoid:bench_humanoid",
    "humanoid-split": "humanoid:bench_humanoid_split",
    "motions": "motions:bench_motions",
    "frames": "frames:bench_frames",
    "pixels": "pixels:bench_pixels",
    "racing": "racing:bench_racing",
    "trainers": "trainers:bench_trainers",
    "transfer": "maze_transfer:bench_transfer",
    "transfer-split": "maze_transfer:bench_transfer_split",
    "vmail": "vmail:bench_vmail",
    "vmail-gpu": "vmail:bench_vmail_gpu",
    "imitation": "imitation:bench_imitation",
}


def run_benchmarks(only: str | None, docs: Path | None) -> pd.DataFrame:
    """Measure, print and optionally write ``speed_<benchmark>.csv``.

    :param only: one benchmark by its name; None for all that the installed packages allow
    :param docs: folder for the csv files
    :raises ImportError: the benchmark needs ``imitation``, or a GPU, and there is none
    """
    th.set_num_threads(1)
    has_imitation = importlib.util.find_spec("imitation") is not None
    if only == "imitation" and not has_imitation:
        raise ImportError(
            'the benchmark "imitation" needs the package: pip install "sb3-vdb[imitation]"'
        )
    can_run = {"imitation": has_imitation, "vmail-gpu": th.cuda.is_available()}
    chosen = [only] if only else [name for name in BENCHMARKS if can_run.get(name, True)]
    tables = []
    for name in chosen:
        table = pkgutil.resolve_name(f"{__package__}.{BENCHMARKS[name]}")()
        show(table)
        if docs is not None:
            write_text(docs / f"speed_{name}.csv", table.to_csv(index=False))
        tables.append(table)
    return pd.concat(tables)
