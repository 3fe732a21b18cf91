"""Files of tensors and plain values, read without running code that a file might hold.

``torch.load`` ignores the checksums of the members, so that they are compared first.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import torch as th

from sb3_vdb.files import COPY_AGAIN, Kinds, check_entries, damaged, reading
from sb3_vdb.zip_files import sealed, unzip


def to_bytes(content: Mapping[str, Any], file_format: str, version: int) -> bytes:
    """Return the content of a file.

    :param content: tensors and plain values by name
    :param file_format: what its entry ``format`` says
    :param version: of the format
    """
    buffer = io.BytesIO()
    th.save({"format": file_format, "version": version, **content}, buffer)
    return sealed(buffer.getvalue())


def load_tensors(
    content: bytes,
    source: str,
    expected_format: str,
    version: int,
    device: th.device | str = "cpu",
    entries: Kinds | None = None,
    remedy: str = COPY_AGAIN,
) -> dict[str, Any]:
    """Dictionary that :func:`to_bytes` wrote, loaded with ``weights_only=True``.

    :param content: the file's content
    :param source: where it came from, for the messages
    :param expected_format: what its entry ``format`` must say
    :param version: of the format
    :param device: where the tensors go
    :param entries: what it has to hold
    :param remedy: what the reader of a message can do
    :raises DamagedFileError: truncated, changed, of another format or version, or without an entry
    """
    if "trainer.json" in unzip(content, source, remedy):
        raise damaged(
            source,
            "it holds a whole trainer",
            "load it with its class, for example VAIRL.load(path, venv).recovered_reward()",
        )
    with reading(source, remedy):
        try:
            data = th.load(io.BytesIO(content), map_location=device, weights_only=True)
        except pickle.UnpicklingError as error:  # its message advises to run them
            found = "it is damaged, or holds objects other than tensors and plain values"
            raise damaged(source, found, remedy) from error
    check_content(data, source, expected_format, version, entries, remedy)
    return dict(data)


def check_content(
    data: Any,
    source: str,
    expected_format: str,
    version: int,
    entries: Kinds | None = None,
    remedy: str = COPY_AGAIN,
) -> None:
    """See whether what a file holds is of a format, a version, and whole; see
    :func:`load_tensors`.

    :raises DamagedFileError: it is not
    """
    if not isinstance(data, dict) or data.get("format") != expected_format:
        kind = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise damaged(source, f"it is no {expected_format} file, but one of {kind!r}", remedy)
    if data.get("version") != version:
        raise damaged(
            source,
            f"it has format version {data.get('version')}, this sb3_vdb reads {version}",
            "use the sb3_vdb that wrote it",
        )
    check_entries(data, entries or {}, source, remedy)


def load_weights(module: th.nn.Module, weights: Mapping[str, Any], source: str) -> None:
    """Give a module the weights of a file.

    :param module: whose parameters are set
    :param weights: by name
    :param source: where they came from, for the messages
    :raises DamagedFileError: they are of other names or shapes
    """
    with reading(source):
        module.load_state_dict(weights)
