"""``sb3-vdb reproduce vmail`` and ``vmail-dmc``: V-MAIL on two cores, and on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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
    options = [
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
        click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1)),
        click.option("--first-seed", default=0, show_default=True, type=click.IntRange(min=0)),
        click.option(
            "--frames",
            type=click.IntRange(min=1000),
            default=None,
            help="environment frames of a run  [default: the task's]",
        ),
        click.option("--device", default=None, help="of the networks  [default: the task's]"),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path(f"runs/vmail-{suite}"),
            show_default=True,
        ),
        click.option(
            "--docs",
            type=click.Path(path_type=Path),
            default=None,
            help="also write tables and figures here",
        ),
        click.option(
            "--workers",
            default=available_cores if suite == "laptop" else 1,
            show_default="one a core" if suite == "laptop" else True,
            type=click.IntRange(min=1),
            help="jobs at a time, one thread each",
        ),
        click.option(
            "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True
        ),
        click.option("--address", default=None, help="of a Ray cluster, e.g. auto"),
        click.option("--table-only", is_flag=True, help="train nothing, collect what is finished"),
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
