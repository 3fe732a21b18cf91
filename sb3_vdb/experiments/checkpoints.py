"""Checkpoints of SB3 algorithms that an interruption cannot damage."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from sb3_vdb.files import write_bytes


def save_model(model: Any, path: Path) -> None:
    """Write an SB3 algorithm, atomically.

    :param model: whatever has SB3's ``save``
    :param path: of the zip file
    """
    buffer = io.BytesIO()
    model.save(buffer)
    write_bytes(path, buffer.getvalue())
