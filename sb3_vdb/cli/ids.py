"""Environment ids on the command line."""

from __future__ import annotations

import difflib

import click

from sb3_vdb.environments import ENVIRONMENTS


def known_id(env_id: str, hint: str) -> None:
    """Refuse an id that is not registered, and name the nearest ones that are."""
    known = [row.id for row in ENVIRONMENTS]
    if env_id not in known:
        near = difflib.get_close_matches(env_id, known, n=3)
        wanted = f"; did you mean {' or '.join(near)}?" if near else ""
        raise click.BadParameter(
            f"{env_id} is not registered{wanted} (sb3-vdb list shows all)", param_hint=hint
        )
