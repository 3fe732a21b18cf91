"""``sb3-vdb results``: what follows from the committed csv files, for maintainers."""

from __future__ import annotations

from pathlib import Path

import click

from sb3_vdb.cli.options import PATH, REFUSALS


@click.command("results", hidden=True)
@click.option("--root", type=PATH, default=Path(), help="folder of the checkout")
def results_command(root: Path) -> None:
    """Make summaries, tables of pages and the page of results anew of the committed csv files."""
    from sb3_vdb.experiments.results.command import results

    try:
        changed = results(root)
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error
    for path in changed:
        click.echo(path)
