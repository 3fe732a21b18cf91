"""Jobs on Ray: this machine's, or a cluster's by its address. The only file that imports Ray.

The machines of a cluster need this package installed and the run folder on a shared disk.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import torch as th

from sb3_vdb.experiments.framework.job import Job, JobState

try:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:  # pragma: no cover - depends on the installation
    raise ImportError('the backend "ray" needs Ray: pip install "sb3-vdb[ray]"') from error

MAX_RETRIES = 100  # of a task whose worker or machine died: Ray does not see how far it got


class RayBackend:
    """A Ray task for each job; Ray runs a task again whose worker or machine died.

    :param workers: tasks at a time where Ray is started here
    :param address: of a running cluster (``"auto"``, ``"ray://host:10001"``), which then decides
        how many tasks run at a time; None starts Ray on this machine
    :raises ValueError: no cluster at the address
    """

    def __init__(self, workers: int, address: str | None) -> None:
        if workers < 1:
            raise ValueError(f"`workers` must be at least 1, got {workers}")
        os.environ.setdefault("RAY_worker_niceness", "0")  # else Ray's workers yield to everything
        own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False}
        try:
            ray.init(
                address or "local",  # not a cluster that happens to run here
                log_to_driver=False,
                logging_level=logging.WARNING,
                **(own if address is None else {}),
            )
        except (ConnectionError, RuntimeError) as error:
            if address is None:
                raise ValueError(
                    f"Ray did not start on this machine ({error}); use --backend local, or join a "
                    "cluster with --address"
                ) from error
            raise ValueError(
                f"no Ray cluster answers at {address!r} ({error}); start one with `ray start "
                "--head`, or leave the address out to start Ray on this machine"
            ) from error
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        board = ray.remote(_Board).options(num_cpus=0, scheduling_strategy=here)
        self._board: Any = board.remote()  # on this machine: others may be lost
        self._tasks: dict[Any, str] = {}
        self._ended: dict[str, JobState] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """See :class:`Backend`."""
        environment = {"env_vars": {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}}
        work = ray.remote(num_cpus=1, max_retries=MAX_RETRIES, max_calls=1)(_work).options(
            runtime_env=environment
        )
        self._tasks = {work.remote(job, self._board): job.name for job in jobs}

    def poll(self) -> dict[str, JobState]:
        """See :class:`Backend`."""
        running = [task for task, name in self._tasks.items() if name not in self._ended]
        ready, _ = ray.wait(running, num_returns=len(running), timeout=0) if running else ([], [])
        said = ray.get(self._board.read.remote())
        for task in ready:
            state = JobState(**said.get(self._tasks[task], {}))
            self._ended[self._tasks[task]] = _ending(task, state)
        states = {}
        for name in self._tasks.values():
            state = JobState(**said.get(name, {}))
            states[name] = self._ended.get(name, state)
        return states

    def stop(self) -> None:
        """See :class:`Backend`."""
        for task, name in self._tasks.items():
            if name not in self._ended:
                ray.cancel(task, force=True)
        ray.shutdown()


def _ending(task: Any, state: JobState) -> JobState:
    try:
        ray.get(task)
    except ray.exceptions.RayError as error:
        return state._replace(status="failed", error=str(error))
    return state._replace(status="done")


class _Board:
    """Where running jobs write how far they are."""

    def __init__(self) -> None:
        self._said: dict[str, dict[str, Any]] = {}

    def begin(self, name: str) -> None:
        """Note that a worker has taken the job."""
        restarts = self._said[name]["restarts"] + 1 if name in self._said else 0
        said = self._said.get(name, {"done": 0, "note": "starting"})
        self._said[name] = {**said, "status": "running", "restarts": restarts}

    def write(self, name: str, done: int, note: str) -> None:
        """Note how far the job is."""
        self._said[name] = {**self._said[name], "done": done, "note": note}

    def read(self) -> dict[str, dict[str, Any]]:
        """Return what was written."""
        return self._said


def _work(job: Job, board: Any) -> None:
    """Do a job, as the body of a task."""
    th.set_num_threads(1)
    ray.get(board.begin.remote(job.name))
    job.work(lambda done, note: board.write.remote(job.name, done, note))
