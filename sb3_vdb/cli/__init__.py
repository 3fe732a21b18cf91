"""The command line: ``sb3-vdb demo | list | record | record-demos | bench | reproduce``."""

from __future__ import annotations

from pathlib import Path

import click

from sb3_vdb.cli.options import out_option, share_option
from sb3_vdb.cli.recording import record, record_demos
from sb3_vdb.cli.reproduce import reproduce
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


@main.command()
@out_option("runs/demo")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="random seed"
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="VAIRL-GP, AIRL, ...; can be given several times",
)
@share_option
def demo(out: Path, seed: int, methods: tuple[str, ...], share: float) -> None:
    """Recover a reward in the C-maze and solve the flipped maze with it; about three minutes on two
    cores.
    """
    from sb3_vdb.experiments.transfer.demo import DEMO_METHODS, run_demo
    from sb3_vdb.experiments.transfer.settings import METHODS, preset

    for method in methods:
        if method not in METHODS:
            names = ", ".join(METHODS)
            raise click.BadParameter(f"{method} is none of {names}", param_hint="--method")
    try:
        run_demo(out.resolve(), seed, preset("demo", "C").shortened(share), methods or DEMO_METHODS)
    except (ValueError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option(
    "--only",
    type=click.Choice(
        [
            "mazes",
            "humanoid",
            "humanoid-split",
            "pixels",
            "trainers",
            "transfer",
            "transfer-split",
            "vmail",
            "imitation",
        ]
    ),
    default=None,
    help="one benchmark alone",
)
@click.option(
    "--docs",
    type=click.Path(path_type=Path),
    default=None,
    help="also write the figures here, as csv",
)
def bench(only: str | None, docs: Path | None) -> None:
    """Measure speed as ratios within one run."""
    from sb3_vdb.experiments.benchmarks import run_benchmarks

    run_benchmarks(only, docs)


for command in (record, record_demos, reproduce):
    main.add_command(command)
