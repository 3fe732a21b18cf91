"""The command line: ``sb3-vdb demo | list | bench | reproduce``."""

from __future__ import annotations

from pathlib import Path

import click

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
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="run folder",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="random seed"
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="VAIRL-GP, VAIRL, AIRL-GP or AIRL; can be given several times",
)
@click.option(
    "--share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=1.0,
    show_default=True,
    help="share of every phase's iterations, to try the command out",
)
def demo(out: Path, seed: int, methods: tuple[str, ...], share: float) -> None:
    """Recover a reward in the C-maze and solve the flipped maze with it; about three minutes on two
    cores.
    """
    from sb3_vdb.experiments import maze_transfer
    from sb3_vdb.experiments.demo import METHODS, run_demo

    for method in methods:
        if method not in maze_transfer.METHODS:
            raise click.BadParameter(
                f"{method} is none of {', '.join(maze_transfer.METHODS)}", param_hint="--method"
            )
    try:
        run_demo(out, seed, maze_transfer.TransferSettings().shortened(share), methods or METHODS)
    except (ValueError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error


@main.group()
def reproduce() -> None:
    """Run an experiment over seeds and write its table and figures."""


@reproduce.command("demo-seeds")
@click.option(
    "--seeds", default=10, show_default=True, type=click.IntRange(min=1), help="number of seeds"
)
@click.option("--first-seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/demo-seeds"), show_default=True
)
@click.option(
    "--docs",
    type=click.Path(path_type=Path),
    default=None,
    help="also write the table and figure here",
)
@click.option(
    "--workers",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="processes at a time",
)
def demo_seeds(seeds: int, first_seed: int, out: Path, docs: Path | None, workers: int) -> None:
    """The demonstration job over many seeds: how reliably does the reward transfer?"""
    from sb3_vdb.experiments.demo_seeds import run_seeds

    run_seeds(out, range(first_seed, first_seed + seeds), workers, docs)


@reproduce.command("maze-pictures")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("docs/images"), show_default=True
)
def maze_pictures(out: Path) -> None:
    """Top views of all mazes, for the documentation."""
    from sb3_vdb.experiments.pictures import mazes
    from sb3_vdb_envs import ENVIRONMENTS

    out.mkdir(parents=True, exist_ok=True)
    mazes([row.id for row in ENVIRONMENTS if "Maze" in row.name], out / "mazes.png")


@main.command()
@click.option(
    "--only",
    type=click.Choice(["mazes", "trainers", "imitation"]),
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


if __name__ == "__main__":
    main()
