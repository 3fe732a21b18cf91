"""Policies that learned from a clip alone and come with the package."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sb3_vdb.experiments.humanoid.shipping import LEAST_FULL_SHARE, Source, write_policy
from sb3_vdb.experiments.motion_imitation.table import best_runs, finished_runs, simulator_rows
from sb3_vdb.pretrained import FOLDER

SHIPPED_METHOD, SUFFIX = "VAIL-difference", "-VAIL"
SOURCE = Source(
    "VAIL's reward for differences to the clip, without a hand-made one",
    "motion-imitation",
    "ship-motions",
)


def ship_motions(out: Path) -> list[Path]:
    """Put the best policy of every skill that VAIL learned into the package.

    :param out: folder of the runs
    :return: the files
    """
    runs = [run for run in finished_runs(out) if run.method == SHIPPED_METHOD]
    table, paths = simulator_rows(runs), []
    for run in best_runs(table, runs):
        rows = table[(table["skill"] == run.skill) & (table["seed"] == run.seed)]
        if rows["full_share"].iloc[0] < LEAST_FULL_SHARE:
            Console(stderr=True).print(f"{run.skill}: the best seed falls; nothing ships")
            continue
        n_seeds = sum(other.skill == run.skill for other in runs)
        path = FOLDER / f"Humanoid{run.skill}{SUFFIX}.pt"
        paths.append(write_policy(run.folder, rows, n_seeds, SOURCE, path))
    return paths
