"""Small trainings that several tests look at."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sb3_vdb.experiments.maze_transfer import runs
from sb3_vdb.experiments.maze_transfer.presets import preset
from sb3_vdb.experiments.maze_transfer.runs import Cell

SHORT = replace(
    preset("demo", "C"),
    expert=replace(preset("demo", "C").expert, iterations=3, mazes=10),
    irl=replace(preset("demo", "C").irl, iterations=4, mazes=4),
    retraining=replace(preset("demo", "C").retraining, iterations=2, mazes=4),
    demo_policies=2,
    demos_per_policy=5,
    n_disc_updates_per_round=3,
    snapshot_every=1,
    max_retrainings=1,
)


def quiet(done: int, note: str) -> None:
    """Report to nobody."""


def run_here(jobs, workers=None) -> list[str]:
    """Do jobs in this process, in place of :func:`try_jobs`."""
    for job in jobs:
        job.work(quiet)
    return []


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory) -> Path:
    """A very small cell with an expert and finished runs of AIRL and VAIL."""
    cell = Cell(tmp_path_factory.mktemp("cell"), SHORT, 0)
    runs.run_expert(cell, quiet)
    for method in ("AIRL", "VAIL"):
        runs.run_method(cell, method, quiet)
    return cell.folder


@pytest.fixture
def trained_cell(trained_folder, tmp_path) -> Cell:
    """A copy of the very small cell, to write into."""
    cell = Cell(tmp_path, SHORT, 0)
    shutil.copytree(trained_folder, cell.folder)
    return cell


@pytest.fixture
def cell(trained_folder, tmp_path) -> Cell:
    """A copy of the very small cell with its expert alone."""
    cell = Cell(tmp_path, SHORT, 0)
    shutil.copytree(trained_folder / "expert", cell.folder / "expert")
    return cell
