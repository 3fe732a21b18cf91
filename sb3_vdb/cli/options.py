"""Options that several commands have. Those of a study become arguments of its function, see
:func:`study_arguments`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from gymnasium.error import Error

from sb3_vdb.experiments.framework.job import BACKENDS, Workers
from sb3_vdb_envs.cores import available_cores

PATH = click.Path(path_type=Path)
# what the package refuses or misses, which the command line says without a traceback
REFUSALS = (ValueError, TypeError, RuntimeError, ImportError, OSError, Error)


def seed() -> click.Option:
    """Make ``--seed``."""
    return number("--seed", 0, "random seed", least=0)


def seeds(n: int) -> list[click.Option]:
    """Make ``--seeds``, so many by default, and ``--first-seed``: the argument ``seeds``."""
    return [
        number("--seeds", n, "how many random seeds"),
        number("--first-seed", 0, "the others follow", least=0),
    ]


def number(flag: str, default: int | None, text: str, least: int = 1) -> click.Option:
    """Make an option with a whole number."""
    shown = default is not None
    kind = click.IntRange(min=least)
    return click.Option([flag], type=kind, default=default, show_default=shown, help=text)


def several(flag: str, argument: str, text: str, kind: Any = None) -> click.Option:
    """Make an option that can be given several times.

    :param flag: as it is written
    :param argument: name of the argument, a tuple of different values
    :param text: for the help
    :param kind: click's type of a value; None for text
    """
    return click.Option([flag, argument], multiple=True, type=kind, help=text)


def out(folder: str | None, text: str = "run folder") -> click.Option:
    """Make ``--out``, this folder by default."""
    return click.Option(["--out"], type=PATH, default=folder, show_default=bool(folder), help=text)


def docs(text: str = "also write tables and figures here") -> click.Option:
    """Make ``--docs``."""
    return click.Option(["--docs"], type=PATH, help=text)


def share() -> click.Option:
    """Make ``--share``."""
    text = "share of every phase's iterations, to try the command out"
    kind = click.FloatRange(0.0, 1.0, min_open=True)
    return click.Option(["--share"], type=kind, default=1.0, show_default=True, help=text)


def flag(name: str, text: str) -> click.Option:
    """Make an option without a value."""
    return click.Option([name], is_flag=True, help=text)


def n_workers(default: int | None = None) -> click.Option:
    """Make ``--workers``, one a core by default."""
    return click.Option(
        ["--workers"],
        default=default or available_cores,
        show_default=True if default else "one a core",
        type=click.IntRange(min=1),
        help="jobs at a time, one thread each; a Ray cluster decides for itself",
    )


def workers(default: int | None = None) -> list[click.Option]:
    """Make ``--workers``, ``--backend`` and ``--address``: the argument ``workers``."""
    kind, text = click.Choice(BACKENDS), "where the jobs run"
    return [
        n_workers(default),
        click.Option(["--backend"], type=kind, default="local", show_default=True, help=text),
        click.Option(["--address"], help="of a Ray cluster: auto, ray://host:10001"),
    ]


def table(
    n_seeds: int, folder: str | None, text: str = "run folder", default_workers: int | None = None
) -> list[click.Option]:
    """Make the options of a study that trains over seeds and writes a table.

    :param n_seeds: by default
    :param folder: of the runs, by default
    :param text: for the help, about the folder
    :param default_workers: jobs at a time; None for one a core
    """
    return [
        *seeds(n_seeds),
        out(folder, text),
        docs(),
        *workers(default_workers),
        flag("--table-only", "train nothing, collect what is finished"),
    ]


def study_arguments(values: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a study's function: paths are absolute, since Ray's workers are
    elsewhere, what was given several times is there once, and options that belong together are one
    argument.

    :param values: of the options
    """
    arguments: dict[str, Any] = {
        name: tuple(dict.fromkeys(value)) if isinstance(value, tuple) else value
        for name, value in values.items()
    }
    for name, value in arguments.items():
        if isinstance(value, Path):
            arguments[name] = value.expanduser().resolve()
    if "first_seed" in arguments:
        first = arguments.pop("first_seed")
        arguments["seeds"] = range(first, first + arguments["seeds"])
    if "backend" in arguments:
        backend, address = arguments.pop("backend"), arguments.pop("address")
        arguments["workers"] = Workers(arguments["workers"], backend, address)
    return arguments
