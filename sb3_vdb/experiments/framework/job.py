"""A piece of work of a study, how far it is, and what a backend that runs it has to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

Report = Callable[[int, str], None]  # units done, and a note
BackendName = Literal["local", "ray"]
BACKENDS: tuple[BackendName, ...] = ("local", "ray")
MAX_RESTARTS = 5  # of a job whose worker was killed, without getting any further


class Workers(NamedTuple):
    """Where jobs run.

    :param n: jobs at a time, one thread each; a Ray cluster with an address decides for itself
    :param backend: ``"local"`` processes or ``"ray"``
    :param address: of a Ray cluster; None starts Ray on this machine
    """

    n: int
    backend: BackendName = "local"
    address: str | None = None


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
    """How far a job is.

    :param status: ``"waiting"``, ``"running"``, ``"done"`` or ``"failed"``
    :param done: units of work done
    :param note: what is shown next to its bar
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


class Backend(Protocol):
    """Runs jobs."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Take the jobs on."""

    def poll(self) -> dict[str, JobState]:
        """Return the state of every job by name."""

    def stop(self) -> None:
        """End all workers; what runs is lost from its last checkpoint on."""
