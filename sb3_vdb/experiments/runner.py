"""Independent jobs, on this machine's cores or on a Ray cluster, with a line of progress each.

A job writes into a folder of its own and finds there what it had finished when it is run again: the
runner keeps no state. A worker that is killed has its job started again; a job that fails does not
stop the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Report = Callable[[int, str], None]  # units done, and a note
EngineName = Literal["local", "ray"]
ENGINES: tuple[EngineName, ...] = ("local", "ray")
POLL_SECONDS = 0.5
MAX_RESTARTS = 5  # of a job whose worker was killed, without getting any further


class Job(NamedTuple):
    """One piece of work.

    :param name: what the line of progress is called
    :param total: units of work
    :param work: does it, in a process of its own; can be pickled
    """

    name: str
    total: int
    work: Callable[[Report], None]


class JobState(NamedTuple):
    """Where a job is.

    :param status: ``"waiting"``, ``"running"``, ``"done"`` or ``"failed"``
    :param done: units of work done
    :param note: what it says beside its bar
    :param restarts: how often its worker was killed
    :param error: why it failed
    """

    status: Literal["waiting", "running", "done", "failed"] = "waiting"
    done: int = 0
    note: str = ""
    restarts: int = 0
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ("done", "failed")


class Engine(Protocol):
    """Where jobs run."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Take the jobs on."""

    def poll(self) -> dict[str, JobState]:
        """State of every job by name."""

    def stop(self) -> None:
        """End all workers; what runs is lost from its last checkpoint on."""


class JobsFailedError(RuntimeError):
    """Some jobs failed; the others have ended well."""


def make_engine(name: EngineName, workers: int, address: str | None = None) -> Engine:
    """An engine.

    :param name: ``"local"`` processes or ``"ray"``
    :param workers: jobs at a time; with a Ray cluster by address, the cluster decides
    :param address: of a Ray cluster; None starts Ray on this machine
    :raises ValueError: unknown name, or an address without Ray
    :raises ImportError: Ray is not installed, with the remedy
    """
    if name == "ray":
        from sb3_vdb.experiments.ray_engine import RayEngine

        return RayEngine(workers, address)
    if name != "local":
        raise ValueError(f"`engine` must be one of {', '.join(ENGINES)}, got {name!r}")
    if address is not None:
        raise ValueError(f'`address` {address!r} is a Ray cluster\'s; it needs engine "ray"')
    from sb3_vdb.experiments.local_engine import LocalEngine

    return LocalEngine(workers)


def run_jobs(
    jobs: Sequence[Job],
    workers: int,
    engine: EngineName = "local",
    address: str | None = None,
    console: Console | None = None,
) -> None:
    """Run all jobs and show how they go.

    :param jobs: names are unique
    :param workers: jobs at a time, each with one torch thread
    :param engine: ``"local"`` or ``"ray"``
    :param address: of a Ray cluster
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
    runs_on = make_engine(engine, workers, address)
    try:
        runs_on.start(jobs)
        with _Display(jobs, console) as display:
            states = runs_on.poll()
            while not all(state.has_ended for state in states.values()):
                display.show(states)
                time.sleep(POLL_SECONDS)
                states = runs_on.poll()
            display.show(states)
    finally:
        runs_on.stop()
    failed = {name: state.error for name, state in states.items() if state.status == "failed"}
    for name, error in failed.items():
        console.print(f"{name}: {error}", markup=False)
    if failed:
        first = next(iter(failed.values())).strip().splitlines()[-1]
        raise JobsFailedError(
            f"{len(failed)} of {len(jobs)} jobs failed ({first}); run the command again"
        )


def try_jobs(
    jobs: Sequence[Job], workers: int, engine: EngineName = "local", address: str | None = None
) -> list[str]:
    """Run all jobs like :func:`run_jobs`; failures are returned in words, for a caller that goes on
    with what it has.
    """
    try:
        run_jobs(jobs, workers, engine, address)
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
        """Draw the states."""
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
