"""One command at a time in the folder of a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Keep other commands out of a folder while the block runs: two would find the same jobs
    missing and write into the same files. The lock ends with the process, however it ends; across
    machines it holds as far as their shared disk has locks.

    :param folder: made where there is none
    :raises ValueError: another command has it
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"another command is at work in {folder}; wait for it or stop it, or choose another "
            "folder with --out"
        ) from error
    try:
        yield
    finally:
        lock.release()
