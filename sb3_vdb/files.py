"""Files: written so that an interruption leaves the old content or the new, never a part of it."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path``, which is renamed into place when the block ends well;
    parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content``, all of it or nothing."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Write text as UTF-8, like :func:`write_bytes`."""
    write_bytes(path, content.encode("utf-8"))


def read_zip(path: str | Path) -> dict[str, bytes]:
    """Read the members of a zip file by name.

    :raises ValueError: it is truncated or no zip file; a truncated file whose last whole part is a
        zip file of its own is not taken for it
    """
    try:
        with zipfile.ZipFile(io.BytesIO(Path(path).read_bytes())) as archive:
            # the directory of a zip inside a truncated one can be taken for the whole's
            if min((each.header_offset for each in archive.infolist()), default=0) > 0:
                raise zipfile.BadZipFile("its end is missing")
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is truncated or no zip file ({error})") from error


def with_default_suffix(path: str | Path, suffix: str) -> Path:
    """Give the path a suffix if it has none: what is saved as ``name`` is loaded as ``name``.

    :param path: a path
    :param suffix: with its dot
    """
    path = Path(path)
    return path if path.suffix else path.with_suffix(suffix)


def _umask() -> int:
    """Read the permissions that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
