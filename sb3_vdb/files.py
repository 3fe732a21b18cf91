"""Files: written so that an interruption leaves the old content or the new, never a part of it, and
read so that whatever is wrong with them becomes a :class:`~sb3_vdb.errors.DamagedFileError`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import psutil

from sb3_vdb.errors import DamagedFileError

COPY_AGAIN = "save or copy it again"
MAX_PROBLEM = 200  # characters of another library's message
JsonKind = TypeVar("JsonKind")
Kinds = Mapping[str, Any]  # type of each entry, or several
# of temporary files: whose process is dead, and ran on this machine, is left over from a kill
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_MAX_PREFIX = 100  # characters of the file's own name in that of a temporary one


def expanded(path: str | Path) -> Path:
    """Return a path with ``~`` in place."""
    return Path(path).expanduser()


def with_default_suffix(path: str | Path, suffix: str) -> Path:
    """Give the path a suffix if it has none: what is saved as ``name`` is loaded as ``name``. A
    ``~`` at its start becomes the user's folder.

    :param path: a path
    :param suffix: with its dot
    """
    path = expanded(path)
    return path if path.suffix else path.with_suffix(suffix)


# ---------------------------------------------------------------------- writing


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path``, which is renamed into place when the block ends well;
    parent folders are made, and what killed processes left of earlier ones is removed.
    """
    path = expanded(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = make_temporary(path.parent, path.name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_temporary(folder: Path, name: str) -> tuple[int, Path]:
    """Make a temporary file that says whose it is, and remove those in the same folder that killed
    processes left behind.

    :param folder: where
    :param name: what it is for
    :return: an open descriptor and the path
    """
    for each in folder.iterdir():
        owner = re.fullmatch(rf"\..+\.{_HOST}-(\d+)\.\w+", each.name)
        if owner and not _is_alive(int(owner[1])):
            each.unlink(missing_ok=True)
    prefix = f".{name[:_MAX_PREFIX]}.{_HOST}-{os.getpid()}."
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=prefix)
    return descriptor, Path(temporary)


def _is_alive(pid: int) -> bool:
    """Say whether a process of this machine runs; one that its parent has not buried yet does
    not.
    """
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content``, all of it or nothing."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Write text as UTF-8, like :func:`write_bytes`."""
    write_bytes(path, content.encode("utf-8"))


def _umask() -> int:
    """Read the permissions that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ---------------------------------------------------------------------- reading


@contextmanager
def reading(source: str | Path, remedy: str = COPY_AGAIN) -> Iterator[None]:
    """Turn whatever a parser raises in the block into one kind of error.

    Changed bytes make parsers raise nearly anything (``zlib.error``, ``RecursionError``,
    ``KeyError``, ``MemoryError``, ...), so every exception counts as damage, but for a file that is
    missing or may not be read.

    :param source: what is read, for the message
    :param remedy: what the reader of the message can do
    :raises DamagedFileError: naming the source, what is wrong and the remedy
    """
    try:
        yield
    except (DamagedFileError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0][:MAX_PROBLEM]
        problem = f"it is truncated, damaged or of another kind ({type(error).__name__}: {first})"
        raise damaged(source, problem, remedy) from error


def damaged(source: str | Path, problem: str, remedy: str = COPY_AGAIN) -> DamagedFileError:
    """Make the error of a file that cannot be used.

    :param source: the file
    :param problem: what is wrong with it
    :param remedy: what the reader of the message can do
    """
    return DamagedFileError(f"{source} cannot be read: {problem}; {remedy}")


def read_text(path: str | Path, remedy: str = COPY_AGAIN) -> str:
    """Read a file of UTF-8 text.

    :raises DamagedFileError: it is no text
    """
    content = expanded(path).read_bytes()
    with reading(path, remedy):
        return content.decode("utf-8-sig")


def parse_json(text: str | bytes, kind: type[JsonKind], source: str, remedy: str) -> JsonKind:
    """Parse JSON.

    :param text: what is parsed
    :param kind: ``dict`` or ``list``
    :param source: of the text
    :param remedy: what the reader of a message can do
    :raises DamagedFileError: it is no JSON, or of another kind
    """
    with reading(source, remedy):
        content = json.loads(text)
    if not isinstance(content, kind):
        raise damaged(source, f"it holds a {type(content).__name__}, no {kind.__name__}", remedy)
    return content


def read_json(path: str | Path, kind: type[JsonKind], remedy: str = COPY_AGAIN) -> JsonKind:
    """Read a file of JSON; see :func:`parse_json`.

    :raises DamagedFileError: it is no JSON, or of another kind
    """
    return parse_json(read_text(path, remedy), kind, str(path), remedy)


def read_number(path: str | Path, remedy: str = COPY_AGAIN) -> float:
    """Read a file that holds one finite number, as text.

    :raises DamagedFileError: it holds something else
    """
    text = read_text(path, remedy)
    with reading(path, remedy):
        number = float(text)
    if not abs(number) < float("inf"):
        raise damaged(path, f"it holds {number}", remedy)
    return number


def check_entries(values: Any, kinds: Kinds, source: str, remedy: str = COPY_AGAIN) -> None:
    """Refuse a dictionary of a file that lacks entries, or has others in their place.

    :param values: of the file
    :param kinds: what the entries are, by their names
    :param source: of the dictionary
    :param remedy: what the reader of a message can do
    :raises DamagedFileError: naming the entry
    """
    for name, kind in kinds.items():
        if name not in values:
            raise damaged(source, f"it lacks {name}", remedy)
        if not isinstance(values[name], kind):
            what = type(values[name]).__name__
            raise damaged(source, f"its entry {name} is a {what}", remedy)
