"""Jobs in processes of this machine, one torch thread each."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

import torch as th

from sb3_vdb.experiments.framework.job import MAX_RESTARTS, Job, JobState

# A server imports what this process has imported, once, and is forked for each job: a job's process
# begins at once, where a new Python takes seconds to import PyTorch.
START_METHOD = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"


class LocalBackend:
    """A fresh process for each job.

    :param workers: processes at a time, positive
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"`workers` must be at least 1, got {workers}")
        self.workers = workers
        self._context: Any = mp.get_context(START_METHOD)
        if START_METHOD == "forkserver":
            self._context.set_forkserver_preload(_imported_here())
        self._jobs: dict[str, Job] = {}
        self._states: dict[str, JobState] = {}
        self._running: dict[str, tuple[Any, Connection]] = {}
        self._furthest: dict[str, tuple[int, int]] = {}  # units done, deaths since then

    def start(self, jobs: Sequence[Job]) -> None:
        """See :class:`Backend`."""
        self._jobs = {job.name: job for job in jobs}
        self._states = {job.name: JobState() for job in jobs}

    def poll(self) -> dict[str, JobState]:
        """See :class:`Backend`."""
        for name, (process, inbox) in list(self._running.items()):
            has_exited = not process.is_alive()  # asked first: what it said last is still read
            self._read(name, inbox)
            if self._states[name].has_ended or has_exited:
                self._end(name, process, inbox)
        waiting = [name for name, state in self._states.items() if state.status == "waiting"]
        for name in waiting[: self.workers - len(self._running)]:
            self._launch(name)
        return dict(self._states)

    def stop(self) -> None:
        """See :class:`Backend`."""
        for process, inbox in self._running.values():
            process.terminate()
            process.join()
            inbox.close()
        self._running.clear()

    def _launch(self, name: str) -> None:
        inbox, outbox = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(self._jobs[name], outbox), name=name, daemon=True
        )
        with _interrupts_blocked():
            process.start()
        outbox.close()
        self._running[name] = (process, inbox)
        self._states[name] = self._states[name]._replace(status="running", note="starting")

    def _read(self, name: str, inbox: Connection) -> None:
        try:
            while inbox.poll():
                self._states[name] = self._states[name]._replace(**inbox.recv())
        except (EOFError, OSError):  # the worker was killed, perhaps within a message
            pass

    def _end(self, name: str, process: Any, inbox: Connection) -> None:
        process.join()
        inbox.close()
        del self._running[name]
        state = self._states[name]
        if state.has_ended:
            return
        furthest, fruitless = self._furthest.get(name, (0, 0))
        fruitless = 0 if state.done > furthest else fruitless + 1
        self._furthest[name] = (max(state.done, furthest), fruitless)
        if fruitless <= MAX_RESTARTS:
            again = state._replace(status="waiting", restarts=state.restarts + 1)
            self._states[name] = again
            return
        why = f"its worker died {fruitless} times on end, at last with exit code {process.exitcode}"
        self._states[name] = state._replace(status="failed", error=why)


def _imported_here() -> list[str]:
    """Name the modules of the package that this process has imported."""
    return sorted(name for name in sys.modules if name.partition(".")[0] == "sb3_vdb")


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes that never hear of Ctrl-C, which is the parent's to handle: not while they
    import either, before :func:`_work` can ignore it. Where something else has started the server
    that they are forked from (SB3's ``SubprocVecEnv`` does), they ignore it from :func:`_work` on.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # else the first start makes it, which unblocks Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """End this process when its parent is killed: the same command may be run again, and two would
    write into one folder.
    """
    parent = mp.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _work(job: Job, outbox: Connection) -> None:
    """Do a job, as the body of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    th.set_num_threads(1)

    def report(done: int, note: str) -> None:
        outbox.send({"done": done, "note": note})

    try:
        job.work(report)
        outbox.send({"status": "done"})
    except Exception:
        outbox.send({"status": "failed", "error": traceback.format_exc()})
