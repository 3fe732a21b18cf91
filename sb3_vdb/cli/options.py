"""Options that several experiments have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sb3_vdb_envs.cores import available_cores

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

first_seed_option = click.option(
    "--first-seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="the others follow",
)
docs_option = click.option(
    "--docs",
    type=click.Path(path_type=Path),
    default=None,
    help="also write tables and figures here",
)
share_option = click.option(
    "--share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=1.0,
    show_default=True,
    help="share of every phase's iterations, to try the command out",
)
table_only_option = click.option(
    "--table-only", is_flag=True, help="train nothing, collect what is finished"
)


def seeds_option(n: int) -> Decorator:
    """``--seeds``, so many by default."""
    return click.option(
        "--seeds",
        default=n,
        show_default=True,
        type=click.IntRange(min=1),
        help="how many random seeds",
    )


def out_option(folder: str | None, text: str = "run folder") -> Decorator:
    """``--out``, this folder by default."""
    default = None if folder is None else Path(folder)
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=default,
        show_default=default is not None,
        help=text,
    )


def workers_option(default: int | Callable[[], int] = available_cores) -> Decorator:
    """``--workers``, one a core by default."""
    return click.option(
        "--workers",
        default=default,
        show_default="one a core" if callable(default) else True,
        type=click.IntRange(min=1),
        help="jobs at a time, one thread each; a Ray cluster decides for itself",
    )


def engine_options(workers: int | Callable[[], int] = available_cores) -> Decorator:
    """``--workers``, ``--engine`` and ``--address``: where the jobs run.

    :param workers: by default
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(
                "--address", default=None, help="of a Ray cluster: auto, ray://host:10001"
            ),
            click.option(
                "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True
            ),
            workers_option(workers),
        ):
            function = option(function)
        return function

    return decorate
