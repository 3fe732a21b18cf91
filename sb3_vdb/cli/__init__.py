"""The command line ``sb3-vdb``: to evaluate, record, convert, and to run what the papers did."""

from __future__ import annotations

import click

from sb3_vdb.cli.demonstrations import demos
from sb3_vdb.cli.evaluation import evaluate
from sb3_vdb.cli.installation import check_install
from sb3_vdb.cli.recording import record, record_demos
from sb3_vdb.cli.reproduce import bench_command, demo_command, maintain, reproduce
from sb3_vdb.cli.training import plot, train
from sb3_vdb.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Learning from demonstrations with Stable-Baselines3."""


@main.command("list")
def list_environments() -> None:
    """List the registered environments."""
    from sb3_vdb_envs import ENVIRONMENTS

    width = max(len(row.id) for row in ENVIRONMENTS)
    for row in ENVIRONMENTS:
        click.echo(f"{row.id:<{width}}  {row.summary}")


for command in (
    train,
    plot,
    evaluate,
    check_install,
    record,
    record_demos,
    demos,
    demo_command,
    bench_command,
    reproduce,
    maintain,
):
    main.add_command(command)
