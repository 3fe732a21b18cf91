"""Files of numpy arrays (``.npz``), without pickle: of each array, size, type and checksum are
checked, and nothing is inflated that says another size than it has.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import psutil

from sb3_vdb.files import COPY_AGAIN, damaged
from sb3_vdb.zip_files import COMPRESSED, open_zip, seal, sealed

SUFFIX = ".npy"  # of the members
KINDS = "biufU"  # of the arrays: booleans, numbers, text
BLOCK = 2**24  # bytes that are read at a time
MAX_TEXT = 2**26  # bytes of a string, and of a list of counts

Arrays = Mapping[str, npt.NDArray[Any]]


def to_bytes(arrays: Arrays) -> bytes:
    """Return the content of a compressed file of arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return sealed(buffer.getvalue())


def write_arrays(file: BinaryIO, arrays: Arrays, compress: bool) -> None:
    """Write arrays.

    :param file: open for reading and writing
    :param arrays: by name
    :param compress: whether they are compressed
    """
    (np.savez_compressed if compress else np.savez)(file, **arrays)  # type: ignore[arg-type]
    seal(file)


class ArrayHeader(NamedTuple):
    """What an array's member says of it before its values.

    :param shape: shape
    :param dtype: type
    :param is_fortran: whether the first index changes fastest
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool = False

    @property
    def n_bytes(self) -> int:
        """Size of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


class ArrayFile:
    """Arrays of an open file, whose headers have been checked; the values are checked as they are
    read.

    :param archive: of :func:`open_arrays`
    :param source: what it is, for the messages
    :param remedy: what the reader of a message can do
    :raises DamagedFileError: a member is no array, or says two sizes
    """

    def __init__(self, archive: zipfile.ZipFile, source: str, remedy: str) -> None:
        self._archive, self.source, self.remedy = archive, source, remedy
        self.headers: dict[str, ArrayHeader] = {}
        for member in archive.infolist():
            name = member.filename.removesuffix(SUFFIX)
            if not member.filename.endswith(SUFFIX):
                raise damaged(source, f"{name} is no array", remedy)
            with archive.open(member) as file:
                self.headers[name] = _read_header(file, member.file_size)

    def __contains__(self, name: str) -> bool:
        """Say whether there is an array of this name."""
        return name in self.headers

    def check_rows(self, name: str, n_rows: int) -> None:
        """Refuse an array of another length, before its values are read.

        :raises DamagedFileError: it is missing, or has another length
        """
        shape = self._header(name).shape
        if shape[:1] != (n_rows,):
            raise self.damaged(f"{name} has shape {shape}, {n_rows} rows belong there")

    def read(self, name: str, header: ArrayHeader | None = None) -> npt.NDArray[Any]:
        """Read an array.

        :param name: of the array
        :param header: what it has to be; None for anything
        :raises DamagedFileError: it is missing, of another kind, or its checksum is wrong
        """
        here = self._header(name, header)
        with self._open(name) as file:
            values = _read_values(file, here.dtype, math.prod(here.shape))
        return values.reshape(here.shape, order="F" if here.is_fortran else "C")

    def blocks(self, name: str, header: ArrayHeader) -> Iterator[npt.NDArray[Any]]:
        """Read an array some rows at a time, for one larger than memory; the checksum has been
        compared when the last ones come.

        :param name: of the array
        :param header: what it has to be
        :return: rows
        :raises DamagedFileError: see :meth:`read`
        """
        here = self._header(name, header)
        n_rows, n_of_row = here.shape[0], math.prod(here.shape[1:])
        n_block = max(1, BLOCK // max(1, n_of_row * here.dtype.itemsize))
        with self._open(name) as file:
            for begin in range(0, n_rows, n_block):
                n = min(n_block, n_rows - begin)
                yield _read_values(file, here.dtype, n * n_of_row).reshape(n, *here.shape[1:])

    def text(self, name: str) -> str:
        """Read an array that is a string."""
        header = self._header(name)
        if header.shape or header.dtype.kind != "U" or header.n_bytes > MAX_TEXT:
            raise self.damaged(f"{name} is no text")
        return str(self.read(name))

    def whole(self, name: str) -> int:
        """Read an array that is a whole number."""
        header = self._header(name)
        if header.shape or header.dtype.kind not in "iu":
            raise self.damaged(f"{name} is no whole number")
        return int(self.read(name))

    def counts(self, name: str) -> npt.NDArray[np.int64]:
        """Read an array of whole numbers from 0 on, shape (n,)."""
        header = self._header(name)
        if len(header.shape) != 1 or header.dtype.kind not in "iu" or header.n_bytes > MAX_TEXT:
            raise self.damaged(f"{name} is no list of whole numbers")
        values = self.read(name).astype(np.int64)
        if (values < 0).any() or (values > np.iinfo(np.int32).max).any():
            raise self.damaged(f"{name} has entries that are out of range")
        return values

    def damaged(self, problem: str) -> Exception:
        """Make the error that names this file."""
        return damaged(self.source, problem, self.remedy)

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a member behind what it says of its array."""
        member = self._archive.getinfo(name + SUFFIX)
        with self._archive.open(member) as file:
            _read_header(file, member.file_size)
            yield file

    def _header(self, name: str, wanted: ArrayHeader | None = None) -> ArrayHeader:
        """Return what an array says of itself, where it is what it has to be."""
        if name not in self.headers:
            raise self.damaged(f"it lacks {name}")
        here = self.headers[name]
        if wanted is not None and here != wanted:
            raise self.damaged(
                f"{name} is {here.dtype} of shape {here.shape}, {wanted.dtype} of shape "
                f"{wanted.shape} belongs there"
            )
        return here


@contextmanager
def open_arrays(
    file: BinaryIO, source: str | Path, remedy: str = COPY_AGAIN
) -> Iterator[ArrayFile]:
    """Open a file of arrays.

    :param file: open for reading
    :param source: what it is, for the messages
    :param remedy: what the reader of a message can do
    :raises DamagedFileError: whatever is wrong with it, here or in the block
    """
    with open_zip(file, source, remedy, COMPRESSED) as archive:
        yield ArrayFile(archive, str(source), remedy)


def check_fits_memory(arrays: ArrayFile) -> None:
    """Refuse arrays that are larger than the memory that is free.

    :raises DamagedFileError: they are
    """
    n_bytes = sum(each.n_bytes for each in arrays.headers.values())
    if n_bytes > psutil.virtual_memory().available:
        raise arrays.damaged(f"its arrays need {n_bytes / 1e9:.1f} GB of memory")


def _read_header(file: IO[bytes], member_size: int) -> ArrayHeader:
    """Read what stands before the values of an array.

    :param file: the member, at its start
    :param member_size: bytes of the member
    :raises ValueError: it is no array of ours, or says another size than the member has
    """
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"an array of version {version}")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    header = ArrayHeader(shape, dtype, is_fortran and len(shape) > 1)
    if dtype.hasobject or dtype.kind not in KINDS or min(shape, default=0) < 0:
        raise ValueError(f"an array of {dtype} and shape {shape}")
    if file.tell() + header.n_bytes != member_size:
        raise ValueError(f"an array of {header.n_bytes} bytes in a member of {member_size}")
    return header


def _read_values(file: IO[bytes], dtype: np.dtype[Any], n: int) -> npt.NDArray[Any]:
    """Read so many values, shape (n,), that can be written to."""
    if n * dtype.itemsize == 0:
        return np.empty(n, dtype)
    return np.frombuffer(bytearray(file.read(n * dtype.itemsize)), dtype, count=n)
