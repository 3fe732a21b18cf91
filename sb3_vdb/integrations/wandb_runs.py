"""Trainings in Weights & Biases, through the TensorBoard files that SB3 writes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sb3_vdb.integrations.extras import needed


@contextmanager
def wandb_run(project: str, name: str, folder: Path, config: Mapping[str, Any]) -> Iterator[Any]:
    """Follow what is written to TensorBoard while the block runs. A run that goes on in the same
    folder is the same run there.

    :param project: in Weights & Biases
    :param name: of the run
    :param folder: of the run's files; `wandb` puts its own there
    :param config: what the run was made with
    :raises ImportError: `wandb` is missing
    """
    run = needed("wandb").init(
        project=project,
        name=name,
        id=hashlib.sha256(str(folder).encode()).hexdigest()[:16],
        resume="allow",
        dir=str(folder),
        config=dict(config),
        sync_tensorboard=True,
    )
    try:
        yield run
    finally:
        run.finish()
