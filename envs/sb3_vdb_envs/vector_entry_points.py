"""Vector entry points by name of the id, for example ``CMaze``.

Gymnasium 0.29 passes no arguments of an id to its vector entry point, so that each id needs one of
its own; 1.x would take the class. Names in place of objects keep specs printable and JSON-able.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from gymnasium.envs.registration import load_env_creator

from sb3_vdb_envs.registration import environment
from sb3_vdb_envs.table import id_of


def __getattr__(name: str) -> Any:
    """Return what makes the batch of the row of that name, with the row's arguments."""
    row = environment(id_of(name))
    if row is None or row.vector_entry_point is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(load_env_creator(row.vector_entry_point), **row.kwargs)
