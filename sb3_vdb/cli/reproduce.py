"""``sb3-vdb reproduce``: experiments over seeds, with their tables and figures."""

from __future__ import annotations

from pathlib import Path

import click

from sb3_vdb.cli.ids import known_id
from sb3_vdb.cli.options import (
    docs_option,
    engine_options,
    first_seed_option,
    out_option,
    seeds_option,
    table_only_option,
    workers_option,
)
from sb3_vdb.cli.transfer import maze_ablation, maze_transfer
from sb3_vdb.cli.vmail import add_commands as add_vmail_commands


@click.group()
def reproduce() -> None:
    """Run an experiment over seeds and write its table and figures."""


@reproduce.command("humanoid")
@click.option(
    "--skill",
    "skills",
    multiple=True,
    help="Run, Walk, Backflip, ... as in the ids; can be given several times",
)
@seeds_option(3)
@first_seed_option
@click.option(
    "--samples",
    default=4_000_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="environment steps of a run",
)
@out_option("runs/humanoid")
@docs_option
@engine_options()
@table_only_option
@click.option("--ship", is_flag=True, help="put the best policies into the package")
def humanoid(
    skills: tuple[str, ...],
    seeds: int,
    first_seed: int,
    samples: int,
    out: Path,
    docs: Path | None,
    workers: int,
    engine: str,
    address: str | None,
    table_only: bool,
    ship: bool,
) -> None:
    """Motions from DeepMimic's hand-made reward: joint rotation errors in both engines. Running it
    again continues what is missing.
    """
    from sb3_vdb.experiments import mocap_table
    from sb3_vdb.experiments.mocap import MocapSettings
    from sb3_vdb.pretrained import FOLDER

    chosen = skills or ("Run", "Walk")
    for skill in chosen:
        known_id(f"sb3_vdb/Humanoid{skill}-v0", "--skill")
    try:
        if table_only:
            mocap_table.write_table(out, docs)
        else:
            settings = MocapSettings(samples=samples)
            numbers = range(first_seed, first_seed + seeds)
            mocap_table.run_table(
                out.resolve(),  # Ray's workers are elsewhere
                chosen,
                numbers,
                workers,
                settings,
                docs,
                engine,  # type: ignore[arg-type]
                address,
            )
        if ship:
            for path in mocap_table.ship(out, FOLDER):
                click.echo(path)
    except (ValueError, RuntimeError, ImportError) as error:
        raise click.ClickException(str(error)) from error


@reproduce.command("experts")
@click.option("--task", "tasks", multiple=True, help="WalkerWalk, CheetahRun, ... as in the ids")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--action-repeat",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="frames that an action lasts",
)
@out_option("runs/experts")
@click.option(
    "--demos", type=click.Path(path_type=Path), default=None, help="record demonstrations here"
)
@click.option("--stochastic", is_flag=True, help="record the policy with its noise")
@docs_option
@engine_options()
def experts(
    tasks: tuple[str, ...],
    seed: int,
    action_repeat: int,
    out: Path,
    demos: Path | None,
    stochastic: bool,
    docs: Path | None,
    workers: int,
    engine: str,
    address: str | None,
) -> None:
    """SAC experts of dm_control tasks on states. Running it again continues what is missing."""
    from sb3_vdb.experiments.experts import AIMS, ExpertSettings, train_experts

    chosen = list(tasks or AIMS)
    for task in chosen:
        known_id(f"sb3_vdb/{task}State-v0", "--task")
    try:
        train_experts(
            out.resolve(),
            chosen,
            seed,
            workers,
            demos,
            docs,
            engine,  # type: ignore[arg-type]
            address,
            ExpertSettings(action_repeat=action_repeat),
            stochastic,
        )
    except (ValueError, RuntimeError, ImportError) as error:
        raise click.ClickException(str(error)) from error


@reproduce.command("two-gaussians")
@out_option("runs/two-gaussians")
@docs_option
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def two_gaussians(out: Path, docs: Path | None, seed: int) -> None:
    """Discriminators between two Gaussians under different information limits (figure 2)."""
    from sb3_vdb.experiments.two_gaussians import run

    run(out, seed, docs)
    click.echo((out / "two_gaussians.png").resolve())


@reproduce.command("killed-workers")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(["local", "ray"]),
    help="both by default",
)
@out_option("runs/killed-workers")
@docs_option
@workers_option()
def killed_workers(engines: tuple[str, ...], out: Path, docs: Path | None, workers: int) -> None:
    """What experiments lose when their workers are killed."""
    from sb3_vdb.experiments.killed_workers import run

    try:
        run(out.resolve(), docs, engines or ("local", "ray"), workers=workers)  # type: ignore[arg-type]
    except (ValueError, RuntimeError, ImportError) as error:
        raise click.ClickException(str(error)) from error


@reproduce.command("humanoid-pictures")
@out_option("docs/images", "folder of the pictures")
def humanoid_pictures(out: Path) -> None:
    """Joints and clips of the humanoid, for the documentation."""
    from sb3_vdb.experiments.humanoid_pictures import draw

    for path in draw(out):
        click.echo(path)


@reproduce.command("pixel-pictures")
@out_option("docs/images", "folder of the pictures")
def pixel_pictures(out: Path) -> None:
    """Rendering presets of the pixel environments, for the documentation."""
    from sb3_vdb.experiments.pixel_pictures import draw

    click.echo(draw(out))


@reproduce.command("maze-pictures")
@out_option("docs/images", "folder of the pictures")
def maze_pictures(out: Path) -> None:
    """Top views of all mazes, for the documentation."""
    from sb3_vdb.experiments.transfer.maze_pictures import mazes
    from sb3_vdb_envs import ENVIRONMENTS

    out.mkdir(parents=True, exist_ok=True)
    mazes(
        [row.id for row in ENVIRONMENTS if row.name.endswith(("Maze", "MazeFlipped"))],
        out / "mazes.png",
    )


for command in (maze_transfer, maze_ablation):
    reproduce.add_command(command)
add_vmail_commands(reproduce)
