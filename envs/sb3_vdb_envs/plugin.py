"""Entry point by which Gymnasium 0.29 registers the environments when it is itself imported."""

from __future__ import annotations

import sys


def register_envs() -> None:
    """Register the environments, unless :mod:`sb3_vdb_envs` is being imported and will do so
    itself.
    """
    if "sb3_vdb_envs.registration" not in sys.modules:
        import sb3_vdb_envs  # noqa: F401
