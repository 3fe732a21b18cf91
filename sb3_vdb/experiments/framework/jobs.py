"""Independent jobs, on this machine's cores or on a Ray cluster, with a line of progress each.

A job writes into a folder of its own and finds there what it had finished when it is run again: the
runner keeps no state. A worker that is killed has its job started again; a job that fails does not
stop the others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sb3_vdb.experiments.framework.job import BACKENDS, Backend, Job, JobState, Workers
from sb3_vdb.experiments.framework.local_backend import LocalBackend

POLL_SECONDS = 0.5


class JobsFailedError(RuntimeError):
    """Some jobs failed; the others have ended well."""


def make_backend(workers: Workers) -> Backend:
    """Make what runs the jobs.

    :param workers: how many, and where
    :raises ValueError: unknown backend, or an address without Ray
    :raises ImportError: Ray is not installed, with the remedy
    """
    if workers.backend == "ray":
        from sb3_vdb.experiments.framework.ray_backend import RayBackend

        return RayBackend(workers.n, workers.address)
    if workers.backend != "local":
        raise ValueError(f"`backend` must be one of {', '.join(BACKENDS)}, got {workers.backend!r}")
    if workers.address is not None:
        raise ValueError(
            f'`address` {workers.address!r} is a Ray cluster\'s; it needs backend "ray"'
        )
    return LocalBackend(workers.n)


def run_jobs(jobs: Sequence[Job], workers: Workers, console: Console | None = None) -> None:
    """Run all jobs and show how they go.

    :param jobs: names are unique
    :param workers: how many, and where
    :param console: where progress is shown
    :raises ValueError: two jobs of one name
    :raises JobsFailedError: some failed, after all have ended
    :raises KeyboardInterrupt: the user stopped it; checkpoints are on disk
    """
    names = [job.name for job in jobs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names of jobs must be unique, got {', '.join(repeated)} more than once")
    if not jobs:
        return
    console = console or Console()
    backend = make_backend(workers)
    try:
        backend.start(jobs)
        with _Display(jobs, console) as display:
            states = backend.poll()
            while not all(state.has_ended for state in states.values()):
                display.show(states)
                time.sleep(POLL_SECONDS)
                states = backend.poll()
            display.show(states)
    finally:
        backend.stop()
    failed = {name: state.error for name, state in states.items() if state.status == "failed"}
    for name, error in failed.items():
        console.print(f"{name}: {error}", markup=False)
    if failed:
        first = next(iter(failed.values())).strip().splitlines()[-1]
        raise JobsFailedError(
            f"{len(failed)} of {len(jobs)} jobs failed ({first}); run the command again"
        )


def try_jobs(jobs: Sequence[Job], workers: Workers) -> list[str]:
    """Run all jobs like :func:`run_jobs`; failures are returned in words, for a caller that goes on
    with what it has.
    """
    try:
        run_jobs(jobs, workers)
    except JobsFailedError as error:
        return [str(error)]
    return []


class _Display:
    """One bar for everything, and one for each job that runs."""

    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        columns = (TextColumn("{task.description:<24}"), BarColumn())
        notes = TextColumn("{task.fields[note]}")
        self.jobs = {job.name: job for job in jobs}
        self.bars = Progress(*columns, notes, TimeRemainingColumn(), console=console)
        self.all = self.bars.add_task("all", total=sum(job.total for job in jobs), note="")
        self.lines: dict[str, TaskID] = {}
        self.restarts: dict[str, int] = {}

    def __enter__(self) -> _Display:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def show(self, states: dict[str, JobState]) -> None:
        """Bring the bars up to date."""
        counts = {name: 0 for name in ("done", "running", "waiting", "failed")}
        done = 0
        for name, state in states.items():
            counts[state.status] += 1
            total = self.jobs[name].total
            done += total if state.has_ended else min(state.done, total)
            self._show_one(name, state)
        note = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
        self.bars.update(self.all, completed=done, note=note)

    def _show_one(self, name: str, state: JobState) -> None:
        if state.restarts > self.restarts.get(name, 0):
            self.restarts[name] = state.restarts
            self.bars.console.print(f"{name}: its worker was killed; started again", markup=False)
        if state.status == "waiting":
            return
        if name not in self.lines:
            self.lines[name] = self.bars.add_task(name, total=self.jobs[name].total, note="")
        shown = self.jobs[name].total if state.status == "done" else state.done
        self.bars.update(self.lines[name], completed=shown, note=state.note)
        if state.has_ended and len(self.jobs) > 12:  # else the screen overflows
            self.bars.update(self.lines[name], visible=False)
