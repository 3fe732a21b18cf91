"""Reading files of tensors and plain values, without running code that a file might hold."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import torch as th


def load_tensors(
    content: bytes, source: str, expected_format: str, version: int, device: th.device | str = "cpu"
) -> dict[str, Any]:
    """Dictionary that was written with :func:`torch.save`, loaded with ``weights_only=True``.

    :param content: the file's content
    :param source: where it came from, for the messages
    :param expected_format: what its entry ``format`` must say
    :param version: of the format
    :raises ValueError: truncated, of another format, or of another version
    """
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if "trainer.json" in archive.namelist():
                raise ValueError(
                    f"{source} holds a whole trainer; load it with its class, for example "
                    "VAIRL.load(path, venv).recovered_reward()"
                )
    try:
        data = th.load(io.BytesIO(content), map_location=device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{source} is truncated or no file of sb3_vdb; save or copy it again"
        ) from error
    if not isinstance(data, dict) or data.get("format") != expected_format:
        kind = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{source} is no {expected_format} file, but one of {kind!r}")
    if data["version"] != version:
        raise ValueError(
            f"{source} has format version {data['version']}, this sb3_vdb reads {version}; use the "
            "sb3_vdb that wrote it"
        )
    return data
