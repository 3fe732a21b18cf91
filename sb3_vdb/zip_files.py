"""Zip files: ``.zip``, ``.npz`` and ``.pt`` are all of this kind, and are checked here before
anything of them is used.

Their members have checksums, which neither numpy nor torch always look at. What this package writes
has a seal as well, a checksum over the names, sizes and checksums of all members, so that members
that changed places are noticed. It protects from accidents, not from somebody who makes another.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sb3_vdb.files import COPY_AGAIN, expanded, reading

SEAL = b"sb3_vdb seal "
STORED = (zipfile.ZIP_STORED,)  # members of their own size: nothing can grow when it is read
COMPRESSED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END, _END_SIZE = b"PK\5\6", 22  # the record that ends a zip file, but for its comment
_MAX_COMMENT = 2**16
_ENCRYPTED = 0x1  # bit of a member's flags
_BLOCK = 2**20  # bytes that are read at a time


def seal(file: Any) -> None:
    """Seal a zip file that has just been written.

    :param file: open for reading and writing
    """
    file.seek(0)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = _seal_of(archive)
    file.seek(0, os.SEEK_END)


def sealed(content: bytes) -> bytes:
    """Return the content of a zip file with a seal."""
    buffer = io.BytesIO(content)
    seal(buffer)
    return buffer.getvalue()


def _seal_of(archive: zipfile.ZipFile) -> bytes:
    members = sorted((each.filename, each.file_size, each.CRC) for each in archive.infolist())
    return SEAL + hashlib.sha256(repr(members).encode()).hexdigest().encode()


@contextmanager
def open_zip(
    file: BinaryIO,
    source: str | Path,
    remedy: str = COPY_AGAIN,
    methods: Collection[int] = STORED,
) -> Iterator[zipfile.ZipFile]:
    """Open a zip file, whose directory is checked first; a member is checked when it is read to its
    end.

    :param file: open for reading
    :param source: what it is, for the messages
    :param remedy: what the reader of a message can do
    :param methods: ways of compression that its members may have
    :raises DamagedFileError: whatever is wrong with it, here or in the block
    """
    with reading(source, remedy):
        size = file.seek(0, os.SEEK_END)
        _check_end(file, size)
        with zipfile.ZipFile(file) as archive:
            _check_directory(archive, size, methods)
            yield archive


def _check_end(file: BinaryIO, size: int) -> None:
    """Refuse a file that goes on behind its last record, or ends within it."""
    file.seek(max(0, size - _END_SIZE - _MAX_COMMENT))
    tail = file.read()
    begin = tail.rfind(_END)
    comment = tail[begin + _END_SIZE :]
    declared = int.from_bytes(tail[begin + 20 : begin + _END_SIZE], "little")
    if begin < 0 or len(tail) - begin < _END_SIZE or declared != len(comment):
        raise zipfile.BadZipFile("its end is missing")


def _check_directory(archive: zipfile.ZipFile, size: int, methods: Collection[int]) -> None:
    """Refuse what no writer of ours or of the libraries below makes."""
    members = archive.infolist()
    # the directory of a zip inside a truncated one can be taken for that of the outer one
    if min((each.header_offset for each in members), default=0) > 0:
        raise zipfile.BadZipFile("its end is missing")
    if len({each.filename for each in members}) < len(members):
        raise zipfile.BadZipFile("two members have one name")
    for each in members:
        if each.compress_type not in methods or each.flag_bits & _ENCRYPTED:
            raise zipfile.BadZipFile(f"{each.filename} is compressed or encrypted in another way")
        if each.header_offset + each.compress_size > size:
            raise zipfile.BadZipFile(f"{each.filename} ends behind the file's end")
        if each.compress_type == zipfile.ZIP_STORED and each.compress_size != each.file_size:
            raise zipfile.BadZipFile(f"{each.filename} says two sizes")
    if archive.comment.startswith(SEAL) and archive.comment != _seal_of(archive):
        raise zipfile.BadZipFile("its seal is broken")


def check_zip(file: BinaryIO, source: str | Path, remedy: str = COPY_AGAIN) -> None:
    """Read every member of a zip file to its end, for its checksum; nothing is compressed.

    :param file: open for reading, afterwards at its start
    :param source: what it is, for the messages
    :param remedy: what the reader of a message can do
    :raises DamagedFileError: whatever is wrong with it
    """
    with open_zip(file, source, remedy) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                while member.read(_BLOCK):
                    pass
    file.seek(0)


def unzip(content: bytes, source: str | Path, remedy: str = COPY_AGAIN) -> dict[str, bytes]:
    """Return the members of a zip file by name; nothing is compressed.

    :param content: of the file
    :param source: what it is, for the messages
    :param remedy: what the reader of a message can do
    :raises DamagedFileError: whatever is wrong with it
    """
    with open_zip(io.BytesIO(content), source, remedy) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read_zip(path: str | Path, remedy: str = COPY_AGAIN) -> dict[str, bytes]:
    """Read a zip file; see :func:`unzip`.

    :raises DamagedFileError: whatever is wrong with it
    """
    return unzip(expanded(path).read_bytes(), path, remedy)


def zipped(members: dict[str, bytes]) -> bytes:
    """Return the content of a zip file of these members, sealed and not compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = _seal_of(archive)
    return buffer.getvalue()
