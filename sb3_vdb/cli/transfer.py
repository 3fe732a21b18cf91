"""``sb3-vdb reproduce maze-transfer`` and ``maze-ablation``: rewards that transfer."""

from __future__ import annotations

from pathlib import Path

import click

from sb3_vdb.cli.options import (
    docs_option,
    engine_options,
    first_seed_option,
    out_option,
    seeds_option,
    share_option,
    table_only_option,
)

maze_option = click.option(
    "--maze", "mazes", multiple=True, type=click.Choice(["C", "S"]), help="both by default"
)


@click.command("maze-transfer")
@click.option(
    "--preset",
    default="paper",
    show_default=True,
    help="demo, paper, authors-code or best, see the documentation",
)
@maze_option
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="GAIL, VAIL, AIRL, AIRL-GP, VAIRL-beta0, VAIRL, VAIRL-GP; all by default",
)
@seeds_option(5)
@first_seed_option
@click.option(
    "--snapshot-seeds",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="seeds that also retrain on snapshots of the reward",
)
@share_option
@out_option(None, "run folder  [default: runs/maze-transfer-<preset>]")
@docs_option
@engine_options()
@table_only_option
def maze_transfer(
    preset: str,
    mazes: tuple[str, ...],
    methods: tuple[str, ...],
    seeds: int,
    first_seed: int,
    snapshot_seeds: int,
    share: float,
    out: Path | None,
    docs: Path | None,
    workers: int,
    engine: str,
    address: str | None,
    table_only: bool,
) -> None:
    """The paper's table of inverse RL: a reward learned in one maze trains policies in its flip.
    Running it again continues what is missing.
    """
    from sb3_vdb.experiments.transfer import settings
    from sb3_vdb.experiments.transfer.results import Experiment
    from sb3_vdb.experiments.transfer.table import run_table, write_results

    for method in methods:
        if method not in settings.METHODS:
            names = ", ".join(settings.METHODS)
            raise click.BadParameter(f"{method} is none of {names}", param_hint="--method")
    try:
        experiment = Experiment(
            (out or Path("runs") / f"maze-transfer-{preset}").resolve(),  # Ray's are elsewhere
            [
                settings.preset(preset, each).shortened(share)  # type: ignore[arg-type]
                for each in dict.fromkeys(mazes or settings.MAZES)
            ],
            tuple(dict.fromkeys(methods or settings.METHODS)),
            range(first_seed, first_seed + seeds),
            snapshot_seeds,
        )
        if table_only:
            write_results(experiment, docs)
        else:
            run_table(experiment, workers, engine, address, docs)  # type: ignore[arg-type]
    except (ValueError, RuntimeError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"pictures and curves: {experiment.out / 'report.html'}")


@click.command("maze-ablation")
@click.option(
    "--preset",
    "name",
    default="best",
    show_default=True,
    type=click.Choice(["best", "paper", "authors-code"]),
    help="best: what of it matters; paper: what its text leaves open; authors-code: what AIRL "
    "fails by",
)
@maze_option
@click.option(
    "--variation",
    "variations",
    multiple=True,
    help="only those whose names contain this; all by default",
)
@seeds_option(5)
@first_seed_option
@share_option
@out_option(None, "run folder  [default: runs/maze-ablation-<preset>]")
@docs_option
@engine_options()
@table_only_option
def maze_ablation(
    name: str,
    mazes: tuple[str, ...],
    variations: tuple[str, ...],
    seeds: int,
    first_seed: int,
    share: float,
    out: Path | None,
    docs: Path | None,
    workers: int,
    engine: str,
    address: str | None,
    table_only: bool,
) -> None:
    """What of a preset matters: one thing changed at a time. Running it again continues what is
    missing.
    """
    from sb3_vdb.experiments.transfer.ablation import Ablation, run_ablation, write_tables
    from sb3_vdb.experiments.transfer.settings import MAZES

    experiment = Ablation(
        name,
        (out or Path("runs") / f"maze-ablation-{name}").resolve(),
        tuple(dict.fromkeys(mazes or MAZES)),  # type: ignore[arg-type]
        range(first_seed, first_seed + seeds),
        share,
        variations,
    )
    try:
        if table_only and write_tables(experiment, docs).empty:
            raise ValueError(
                f"{experiment.out} holds no finished run of these variations and seeds"
            )
        if not table_only:
            run_ablation(experiment, workers, engine, address, docs)  # type: ignore[arg-type]
    except (ValueError, RuntimeError, ImportError) as error:
        raise click.ClickException(str(error)) from error
