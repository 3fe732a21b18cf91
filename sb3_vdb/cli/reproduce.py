"""``sb3-vdb reproduce``: experiments over seeds, with their tables and figures."""

from __future__ import annotations

from pathlib import Path

import click

from sb3_vdb.cli.ids import known_id
from sb3_vdb.cli.vmail import add_commands as add_vmail_commands
from sb3_vdb_envs.cores import available_cores

workers_option = click.option(
    "--workers",
    default=available_cores,
    show_default="one a core",
    type=click.IntRange(min=1),
    help="jobs at a time, one thread each; a Ray cluster decides for itself",
)


@click.group()
def reproduce() -> None:
    """Run an experiment over seeds and write its table and figures."""


@reproduce.command("maze-transfer")
@click.option(
    "--preset",
    default="paper",
    show_default=True,
    help="demo, paper, authors-code or best, see the documentation",
)
@click.option("--maze", "mazes", multiple=True, help="C or S; both by default")
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="GAIL, VAIL, AIRL, AIRL-GP, VAIRL-beta0, VAIRL, VAIRL-GP; all by default",
)
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--first-seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--snapshot-seeds",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="seeds that also retrain on snapshots of the reward",
)
@click.option(
    "--share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=1.0,
    show_default=True,
    help="share of every phase's iterations, to try the command out",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="run folder  [default: runs/maze-transfer-<preset>]",
)
@click.option(
    "--docs", type=click.Path(path_type=Path), default=None, help="also write tables and figures"
)
@workers_option
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--address", default=None, help="of a Ray cluster, e.g. auto or ray://host:10001")
@click.option("--table-only", is_flag=True, help="train nothing, collect what is finished")
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
    from sb3_vdb.experiments.transfer.table import Experiment, run_table, write_results

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


@reproduce.command("maze-ablation")
@click.option("--maze", "mazes", multiple=True, type=click.Choice(["C", "S"]))
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--first-seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--share",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=1.0,
    show_default=True,
    help="share of every phase's iterations, to try the command out",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/maze-ablation"),
    show_default=True,
)
@click.option(
    "--docs", type=click.Path(path_type=Path), default=None, help="also write the table here"
)
@workers_option
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--address", default=None, help="of a Ray cluster, e.g. auto or ray://host:10001")
def maze_ablation(
    mazes: tuple[str, ...],
    seeds: int,
    first_seed: int,
    share: float,
    out: Path,
    docs: Path | None,
    workers: int,
    engine: str,
    address: str | None,
) -> None:
    """What of the preset "best" matters: one thing changed at a time. Running it again continues
    what is missing.
    """
    from sb3_vdb.experiments.transfer.ablation import VARIATIONS, run_ablation

    chosen = tuple(dict.fromkeys(mazes or VARIATIONS))
    try:
        run_ablation(
            out.resolve(),
            chosen,  # type: ignore[arg-type]
            range(first_seed, first_seed + seeds),
            workers,
            engine,  # type: ignore[arg-type]
            address,
            docs,
            share,
        )
    except (ValueError, RuntimeError, ImportError) as error:
        raise click.ClickException(str(error)) from error


@reproduce.command("humanoid")
@click.option(
    "--skill",
    "skills",
    multiple=True,
    help="Run, Walk, Backflip, ... as in the ids; can be given several times",
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--first-seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--samples",
    default=4_000_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="environment steps of a run",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/humanoid"), show_default=True
)
@click.option(
    "--docs",
    type=click.Path(path_type=Path),
    default=None,
    help="also write tables, curves and videos here",
)
@workers_option
@click.option("--table-only", is_flag=True, help="train nothing, collect what is finished")
@click.option("--ship", is_flag=True, help="put the best policies into the package")
def humanoid(
    skills: tuple[str, ...],
    seeds: int,
    first_seed: int,
    samples: int,
    out: Path,
    docs: Path | None,
    workers: int,
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
            mocap_table.run_table(out, chosen, numbers, workers, settings, docs)
        if ship:
            for path in mocap_table.ship(out, FOLDER):
                click.echo(path)
    except (ValueError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error


@reproduce.command("experts")
@click.option("--task", "tasks", multiple=True, help="WalkerWalk, CheetahRun, ... as in the ids")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/experts"), show_default=True
)
@click.option(
    "--demos", type=click.Path(path_type=Path), default=None, help="record demonstrations here"
)
@click.option("--docs", type=click.Path(path_type=Path), default=None, help="also write here")
@workers_option
def experts(
    tasks: tuple[str, ...],
    seed: int,
    out: Path,
    demos: Path | None,
    docs: Path | None,
    workers: int,
) -> None:
    """SAC experts of dm_control tasks on states. Running it again continues what is missing."""
    from sb3_vdb.experiments.experts import AIMS, train_experts

    chosen = list(tasks or AIMS)
    for task in chosen:
        known_id(f"sb3_vdb/{task}State-v0", "--task")
    try:
        train_experts(out, chosen, seed, workers, demos, docs)
    except (ValueError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error


@reproduce.command("two-gaussians")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/two-gaussians"), show_default=True
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def two_gaussians(out: Path, seed: int) -> None:
    """Discriminators between two Gaussians under different information limits (figure 2)."""
    from sb3_vdb.experiments.two_gaussians import run

    run(out, seed)
    click.echo((out / "two_gaussians.png").resolve())


@reproduce.command("killed-workers")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(["local", "ray"]),
    help="both by default",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/killed-workers"), show_default=True
)
@click.option("--docs", type=click.Path(path_type=Path), default=None, help="also write here")
@workers_option
def killed_workers(engines: tuple[str, ...], out: Path, docs: Path | None, workers: int) -> None:
    """What experiments lose when their workers are killed."""
    from sb3_vdb.experiments.killed_workers import run

    try:
        run(out.resolve(), docs, engines or ("local", "ray"), workers=workers)  # type: ignore[arg-type]
    except (ValueError, RuntimeError, ImportError) as error:
        raise click.ClickException(str(error)) from error


@reproduce.command("humanoid-pictures")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("docs/images"), show_default=True
)
def humanoid_pictures(out: Path) -> None:
    """Joints and clips of the humanoid, for the documentation."""
    from sb3_vdb.experiments.humanoid_pictures import draw

    for path in draw(out):
        click.echo(path)


@reproduce.command("pixel-pictures")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("docs/images"), show_default=True
)
def pixel_pictures(out: Path) -> None:
    """Rendering presets of the pixel environments, for the documentation."""
    from sb3_vdb.experiments.pixel_pictures import draw

    click.echo(draw(out))


@reproduce.command("maze-pictures")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("docs/images"), show_default=True
)
def maze_pictures(out: Path) -> None:
    """Top views of all mazes, for the documentation."""
    from sb3_vdb.experiments.transfer.maze_pictures import mazes
    from sb3_vdb_envs import ENVIRONMENTS

    out.mkdir(parents=True, exist_ok=True)
    mazes([row.id for row in ENVIRONMENTS if "Maze" in row.name], out / "mazes.png")


add_vmail_commands(reproduce)
