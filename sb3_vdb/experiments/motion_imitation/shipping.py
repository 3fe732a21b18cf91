"""Policies that learned from a clip alone and come with the package."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sb3_vdb.experiments.humanoid.shipping import LEAST_FULL_SHARE, Source, write_policy
from sb3_vdb.experiments.motion_imitation.table import best_runs, finished_runs, simulator_rows
from sb3_vdb.experiments.motion_imitation.training import MotionRun
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
    return ship_learned(out, MotionRun, SHIPPED_METHOD, SOURCE)


def ship_learned(out: Path, kind: type[MotionRun], label: str, source: Source) -> list[Path]:
    """Put the best policy of every skill that a method learned into the package.

    :param out: folder of the runs
    :param kind: class of the runs
    :param label: what tables call the method
    :param source: where the policies come from
    """
    runs = [run for run in finished_runs(out, kind) if run.label == label]
    table, paths = simulator_rows(runs), []
    for run in best_runs(table, runs):
        rows = table[(table["skill"] == run.skill) & (table["seed"] == run.seed)]
        if rows["full_share"].iloc[0] < LEAST_FULL_SHARE:
            Console(stderr=True).print(f"{run.skill}: the best seed falls; nothing ships")
            continue
        n_seeds = sum(other.skill == run.skill for other in runs)
        stem = run.env_id.removeprefix("sb3_vdb/").removesuffix("-v0")
        path = FOLDER / f"{stem}{SUFFIX}.pt"
        paths.append(write_policy(run.folder, run.env_id, rows, n_seeds, source, path))
    return paths
