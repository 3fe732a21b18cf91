"""Small trainings that several tests look at."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sb3_vdb.experiments.framework import jobs
from sb3_vdb.experiments.framework.job import JobState
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
    reward_top="map",
    n_disc_updates_per_round=3,
    snapshot_every=1,
    max_retrainings=1,
)


def quiet(done: int, note: str) -> None:
    """Report to nobody."""


class SameProcess:
    """A backend that does one job after the other in this process; `framework/test_jobs.py` tests
    those with processes.
    """

    def __init__(self, n_workers: int) -> None:
        self.jobs, self.states = {}, {}

    def start(self, jobs) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.states = dict.fromkeys(self.jobs, JobState())

    def poll(self) -> dict[str, JobState]:
        waiting = [name for name, state in self.states.items() if not state.has_ended]
        if waiting:
            try:
                self.jobs[waiting[0]].work(quiet)
                self.states[waiting[0]] = JobState("done")
            except Exception as error:
                self.states[waiting[0]] = JobState("failed", error=str(error))
        return self.states

    def stop(self) -> None:
        """Nothing runs on."""


def do_jobs_here(patch: pytest.MonkeyPatch) -> None:
    """Let :func:`run_jobs` do its work in this process."""
    patch.setattr(jobs, "LocalBackend", SameProcess)
    patch.setattr(jobs, "POLL_SECONDS", 0.0)


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
