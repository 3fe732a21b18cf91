"""Independent jobs on local processes, each with a line of progress; what a stopped job left behind
is its own to find again.
"""

from __future__ import annotations

import multiprocessing as mp
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, NamedTuple

import torch as th
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[int, str], None]  # units done, and a note


class Job(NamedTuple):
    """One piece of work.

    :param name: what the line of progress is called
    :param total: units of work
    :param work: does it, in a process of its own; can be pickled
    """

    name: str
    total: int
    work: Callable[[Report], None]


def run_jobs(jobs: Sequence[Job], workers: int) -> None:
    """Run all jobs; a job that fails does not stop the others.

    :param jobs: names are unique
    :param workers: processes at a time, each with one torch thread
    :raises RuntimeError: some failed, after all have ended
    """
    context = mp.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=th.set_num_threads, initargs=(1,))
    columns = (TextColumn("{task.description:<20}"), BarColumn(), TextColumn("{task.fields[note]}"))
    with context.Manager() as manager, pool, Progress(*columns, TimeRemainingColumn()) as bars:
        shared: Any = manager.dict()
        lines = {job.name: bars.add_task(job.name, total=job.total, note="") for job in jobs}
        futures = [pool.submit(_run, job, shared) for job in jobs]
        try:
            while not all(future.done() for future in futures):
                time.sleep(1.0)
                for name, (done, note) in dict(shared).items():
                    bars.update(lines[name], completed=done, note=note)
        except KeyboardInterrupt:  # checkpoints are on disk; start nothing else
            for worker in mp.active_children():
                if worker.name.startswith("SpawnProcess"):
                    worker.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        errors = [(job, _error(future)) for job, future in zip(jobs, futures, strict=True)]
    failed = [(job, error) for job, error in errors if error is not None]
    for job, error in failed:
        Console(stderr=True).print(f"{job.name}: {type(error).__name__}: {error}")
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(jobs)} jobs failed; run the command again")


def _error(future: Future[None]) -> BaseException | None:
    return future.exception()


def _run(job: Job, shared: Any) -> None:
    """Run one job in this process."""

    def report(done: int, note: str) -> None:
        shared[job.name] = (done, note)

    job.work(report)
