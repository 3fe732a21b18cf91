"""Arrow's columns as NumPy arrays and back, without a change of the data type."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sb3_vdb.integrations.extras import needed
from sb3_vdb.transitions import Array


def to_arrow(array: Array) -> Any:
    """Make a pyarrow array with one entry a row; further axes become lists of fixed size.

    :param array: shape (n, ...)
    """
    pa = needed("pyarrow")
    arrow = pa.array(np.ascontiguousarray(array).reshape(-1))
    for size in reversed(array.shape[1:]):
        arrow = pa.FixedSizeListArray.from_arrays(arrow, size)
    return arrow


def with_gaps(array: Array, valid: npt.NDArray[np.bool_]) -> Any:
    """Make a pyarrow array with nulls.

    :param array: shape (n_valid, ...)
    :param valid: where it has a value, shape (n,)
    """
    pa = needed("pyarrow")
    rows = np.where(valid, np.cumsum(valid) - 1, 0)
    return to_arrow(array).take(pa.array(rows, mask=~valid))


def from_arrow(column: Any, name: str) -> Array:
    """Make an array of a pyarrow array or column without nulls.

    :param column: of numbers, of lists of one size, lists of such, or of encoded pictures
    :param name: for the messages
    :return: shape (n, ...)
    :raises ValueError: lists have several sizes, or the entries are no numbers
    """
    pa = needed("pyarrow")
    if isinstance(column, pa.ChunkedArray):
        parts = [from_arrow(chunk, name) for chunk in column.chunks if len(chunk)]
        if len({part.shape[1:] for part in parts}) > 1:
            raise ValueError(f"column {name} has rows of several shapes; give all of them one")
        if not parts:
            raise ValueError(f"column {name} is empty; demonstrations need at least one step")
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.null_count:
        raise ValueError(f"column {name} has empty entries; fill them, or leave the rows out")
    kind = column.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return _pictures(column, name)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        size = _list_size(column, name)
        inner = from_arrow(column.flatten(), name)
        return inner.reshape(len(column), size, *inner.shape[1:])
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise ValueError(f"column {name} holds {kind}, no numbers; leave it out with `keys`")
    values: Array = column.to_numpy(zero_copy_only=False)
    return values


def _list_size(column: Any, name: str) -> int:
    """Give the one size that all lists have.

    :raises ValueError: they have several
    """
    sizes = np.unique(needed("pyarrow.compute").list_value_length(column).to_numpy())
    if len(sizes) > 1:
        raise ValueError(
            f"column {name} has lists of {sizes[0]} to {sizes[-1]} entries; each step needs as many"
        )
    return int(sizes[0]) if len(sizes) else 0


def _pictures(column: Any, name: str) -> Array:
    """Decode pictures that are stored as files.

    :return: shape (n, height, width, channels), uint8
    :raises ValueError: a picture is not in the table, or their sizes differ
    """
    decoded = []
    for each in column.field("bytes"):
        if not each.is_valid:
            raise ValueError(f"column {name} names picture files that are not in the table")
        with Image.open(io.BytesIO(each.as_py())) as picture:
            decoded.append(np.asarray(picture))
    if len({each.shape for each in decoded}) > 1:
        raise ValueError(f"column {name} has pictures of several sizes; give all of them one")
    return np.stack(decoded)


def valid_rows(column: Any) -> npt.NDArray[np.bool_]:
    """Say which rows of a pyarrow column have a value, shape (n,)."""
    valid: npt.NDArray[np.bool_] = column.is_valid().to_numpy()
    return valid
