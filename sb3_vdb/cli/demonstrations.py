"""``sb3-vdb demos``: what is in files of demonstrations, and the same in other formats."""

from __future__ import annotations

from pathlib import Path

import click

from sb3_vdb.cli.ids import ids_that_begin
from sb3_vdb.cli.options import REFUSALS
from sb3_vdb.integrations.files import (
    FORMATS,
    MINARI,
    read_demonstrations,
    write_demonstrations,
)

FORMAT = click.Choice(list(FORMATS))
CHECKED_ENVS = 8


@click.group()
def demos() -> None:
    """Look at demonstrations, and convert them: npz, csv, parquet, folders of imitation, `datasets`
    and LeRobot, and minari:<dataset id>.
    """


@demos.command()
@click.argument("path")
@click.option("--from", "source_format", type=FORMAT, help="by default what the file says")
def info(path: str, source_format: str | None) -> None:
    """Count and measure what is in PATH."""
    try:
        click.echo(read_demonstrations(path, source_format).summary())
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error


@demos.command()
@click.argument("source")
@click.argument("target")
@click.option("--from", "source_format", type=FORMAT, help="by default what the file says")
@click.option("--to", "target_format", type=FORMAT, help="by default what the name says")
@click.option("--force", is_flag=True, help="write over what is there")
def convert(
    source: str, target: str, source_format: str | None, target_format: str | None, force: bool
) -> None:
    """Read SOURCE and write TARGET."""
    try:
        if not force and not target.startswith(MINARI) and Path(target).expanduser().exists():
            raise ValueError(f"{target} exists; give another name, or --force")
        read = read_demonstrations(source, source_format)
        write_demonstrations(read, target, target_format)
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{target}: {len(read)} episodes, {read.n_steps} steps")


@demos.command()
@click.argument("path")
@click.option("--from", "source_format", type=FORMAT, help="by default what the file says")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="demos.png",
    show_default=True,
    help="figure of lengths, returns and values; pictures go to <name>-pictures.png",
)
def view(path: str, source_format: str | None, out: Path) -> None:
    """Draw what is in PATH, with a sheet of frames where there are pictures."""
    from sb3_vdb.demonstrations.pictures import picture_part, write_sheet

    try:
        read = read_demonstrations(path, source_format)
        click.echo(read.plot(out))
        if picture_part(read[0]) is not None:
            click.echo(write_sheet(read, out.with_name(f"{out.stem}-pictures.png")))
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error


@demos.command()
@click.argument("path")
@click.argument("env_id", shell_complete=ids_that_begin)
@click.option("--from", "source_format", type=FORMAT, help="by default what the file says")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def check(path: str, env_id: str, source_format: str | None, seed: int) -> None:
    """Look for what tells PATH from steps in ENV_ID for a reason that is no behaviour:
    normalisation, rounding, compression, stacks, frame rates. Ends with 1 where there is something.
    """
    from sb3_vdb.demonstrations.leaks import find_leaks
    from sb3_vdb.vec_env import make_vec_env

    try:
        venv = make_vec_env(env_id, CHECKED_ENVS, seed=seed)
        found = find_leaks(read_demonstrations(path, source_format), venv, seed=seed)
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error
    for leak in found:
        click.echo(str(leak))
    if found:
        raise click.exceptions.Exit(1)
    click.echo("nothing found: it looks like steps of this environment")
