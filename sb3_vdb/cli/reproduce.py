"""``sb3-vdb reproduce``, ``maintain``, ``demo`` and ``bench``: what `sb3_vdb.experiments` runs."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click

from sb3_vdb.cli import options
from sb3_vdb.cli.maintenance import TOOLS
from sb3_vdb.cli.studies import MAZE_OPTION, STUDIES, Study
from sb3_vdb.experiments.maze_transfer.settings import MAZE_METHODS
from sb3_vdb.experiments.speed.benchmarks import BENCHMARKS, run_benchmarks

DEMO = Study(
    "maze_transfer.study:demo",
    "Recover rewards in both mazes and solve their flips with them; about three minutes on two "
    "cores.",
    [
        options.out("runs/demo"),
        options.seed(),
        MAZE_OPTION,
        options.several(
            "--method", "methods", "can be given several times", click.Choice([*MAZE_METHODS])
        ),
        options.share(),
    ],
)


def errors_in_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what a study refuses or misses into an error of the command line."""

    @wraps(function)
    def wrapper(**values: Any) -> Any:
        try:
            return function(**values)
        except options.REFUSALS as error:
            raise click.ClickException(str(error)) from error

    return wrapper


def study_command(name: str, study: Study) -> click.Command:
    """Make the command of a study."""

    @errors_in_words
    def run(**arguments: Any) -> Any:
        return pkgutil.resolve_name(f"sb3_vdb.experiments.{study.run}")(**arguments)

    def command(**values: Any) -> None:
        for path in run(**study.arguments(values)) or []:
            click.echo(path)

    return click.Command(name, callback=command, params=[*study.options], help=study.help)


def study_group(name: str, text: str, studies: Mapping[str, Study]) -> click.Group:
    """Make the group of a table of studies.

    :param name: of the group
    :param text: for the help
    :param studies: each by the name of its command
    """
    commands = {row: study_command(row, study) for row, study in studies.items()}
    return click.Group(name, commands, help=text)


def bench(only: str | None, docs: Path | None) -> None:
    """Measure speed as ratios within one run."""
    errors_in_words(run_benchmarks)(only=only, docs=docs)


reproduce = study_group(
    "reproduce", "Run a study over seeds; write its table and figures.", STUDIES
)
maintain = study_group("maintain", "Tools for developers of this package.", TOOLS)
demo_command = study_command("demo", DEMO)
bench_command = click.Command(
    "bench",
    callback=bench,
    help=bench.__doc__,
    params=[
        click.Option(["--only"], type=click.Choice(list(BENCHMARKS)), help="one benchmark alone"),
        options.docs("also write the figures here, as csv"),
    ],
)
