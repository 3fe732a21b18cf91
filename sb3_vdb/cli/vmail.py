"""``sb3-vdb reproduce vmail`` and ``vmail-dmc``: V-MAIL on two cores, and on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sb3_vdb.cli.options import (
    Decorator,
    docs_option,
    engine_options,
    first_seed_option,
    out_option,
    seeds_option,
    table_only_option,
)
from sb3_vdb_envs.cores import available_cores


def add_commands(group: click.Group) -> None:
    """Put both commands into a group."""
    for name, suite, text in (
        (
            "vmail",
            "laptop",
            "V-MAIL from demonstrations in pixels on two cores, behavioural cloning beside it.",
        ),
        (
            "vmail-dmc",
            "dmc",
            "V-MAIL on the paper's dm_control tasks, on a GPU: the shipped demonstrations are all "
            "it needs.",
        ),
    ):
        group.command(name, help=f"{text} Running it again continues what is missing.")(
            _command(suite)
        )


def _command(suite: str) -> Callable[..., None]:
    options: list[Decorator] = [
        click.option("--task", "tasks", multiple=True, help="as in the ids; all by default"),
        click.option(
            "--method",
            "methods",
            multiple=True,
            help="VMAIL, BC, VMAIL-bottleneck, ...  [default: VMAIL and BC]",
        ),
        click.option(
            "--demonstrations",
            "n_demonstrations",
            multiple=True,
            type=click.IntRange(1, 10),
            help="can be given several times  [default: 10]",
        ),
        seeds_option(3),
        first_seed_option,
        click.option(
            "--frames",
            type=click.IntRange(min=1000),
            default=None,
            help="environment frames of a run  [default: the task's]",
        ),
        click.option("--device", default=None, help="of the networks  [default: the task's]"),
        out_option(f"runs/vmail-{suite}"),
        docs_option,
        engine_options(available_cores if suite == "laptop" else 1),
        table_only_option,
    ]

    def command(**arguments: Any) -> None:
        _run(suite, **arguments)

    for option in reversed(options):
        command = option(command)
    return command


def _run(
    suite: str,
    tasks: tuple[str, ...],
    methods: tuple[str, ...],
    n_demonstrations: tuple[int, ...],
    seeds: int,
    first_seed: int,
    frames: int | None,
    device: str | None,
    out: Path,
    docs: Path | None,
    workers: int,
    engine: str,
    address: str | None,
    table_only: bool,
) -> None:
    from sb3_vdb.experiments.vmail.settings import METHODS, SUITES
    from sb3_vdb.experiments.vmail.table import plan, run_table

    known = SUITES[suite]
    for given, names, option in ((tasks, known, "--task"), (methods, METHODS, "--method")):
        for name in given:
            if name not in names:
                raise click.BadParameter(f"{name} is none of {', '.join(names)}", param_hint=option)
    changes: dict[str, Any] = {"frames": frames, "device": device}
    changes = {name: value for name, value in changes.items() if value is not None}
    settings = [known[task]._replace(**changes) for task in tasks or known]
    chosen = range(first_seed, first_seed + seeds)
    runs = plan(out, settings, methods or ("VMAIL", "BC"), n_demonstrations or (10,), list(chosen))
    try:
        run_table(runs, workers, engine, address, docs, table_only)  # type: ignore[arg-type]
    except (ValueError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error
    click.echo((out / "report.html").resolve())
