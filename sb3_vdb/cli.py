"""The command line: ``sb3-vdb demo | list | record | bench | reproduce``."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import click
import gymnasium as gym

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
@click.option(
    "--workers",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="processes at a time, one thread each",
)
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
        _known_id(f"sb3_vdb/Humanoid{skill}-v0", "--skill")
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


def _known_id(env_id: str, hint: str) -> None:
    """Refuse an id that is not registered, with the nearest that are."""
    from sb3_vdb_envs import ENVIRONMENTS

    known = [row.id for row in ENVIRONMENTS]
    if env_id not in known:
        near = difflib.get_close_matches(env_id, known, n=3)
        wanted = f"; did you mean {' or '.join(near)}?" if near else ""
        raise click.BadParameter(
            f"{env_id} is not registered{wanted} (sb3-vdb list shows all)", param_hint=hint
        )


@main.command()
@click.argument("env_id")
@click.option("--pretrained", is_flag=True, help="play the policy that comes with the package")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="play a model saved by SB3",
)
@click.option("--algo", default="PPO", show_default=True, help="class of --model")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="mp4 or gif; by default <environment>.gif",
)
@click.option("--clip", default=None, help="name or path of a motion clip (HumanoidMocap)")
@click.option("--seconds", default=6.0, show_default=True, type=click.FloatRange(0, min_open=True))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--every",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="rendered frames: every n-th",
)
def record(
    env_id: str,
    pretrained: bool,
    model: Path | None,
    algo: str,
    out: Path | None,
    clip: str | None,
    seconds: float,
    seed: int,
    every: int,
) -> None:
    """Write a video of a policy at work; of random actions without --pretrained or --model."""
    from sb3_vdb.evaluation.videos import check_video_path, record_video

    _known_id(env_id, "ENV_ID")
    env_kwargs = {} if clip is None else {"clip": clip}
    path = out or Path(f"{env_id.split('/')[1]}.gif")
    try:
        check_video_path(path)
        policy = _policy(env_id, pretrained, model, algo)
        click.echo(record_video(env_id, policy, path, seconds, seed, env_kwargs, every))
    except (ValueError, TypeError, ImportError, gym.error.DependencyNotInstalled) as error:
        raise click.ClickException(str(error)) from error


@main.command("record-demos")
@click.argument("env_id")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="expert saved by SB3",
)
@click.option("--algo", default="SAC", show_default=True, help="class of --model")
@click.option("--episodes", default=10, show_default=True, type=click.IntRange(min=1))
@click.option("--least-return", default=None, type=float, help="drop episodes below it")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    help="argument of the environment, for example preset=shadow; several times",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="npz file")
def record_demos(
    env_id: str,
    model: Path,
    algo: str,
    episodes: int,
    least_return: float | None,
    seed: int,
    arguments: tuple[str, ...],
    out: Path,
) -> None:
    """Record an expert as seeds and actions. An expert that observes states can record for a pixel
    id of the same task.
    """
    from sb3_vdb.demonstrations import recording

    _known_id(env_id, "ENV_ID")
    kwargs = dict(_argument(each) for each in arguments)
    try:
        expert = _policy(env_id, False, model, algo)
        acting_env = _acting_env(env_id, kwargs, expert.observation_space)
        made = recording.record(
            expert, env_id, episodes, seed, kwargs, acting_env, least_return=least_return
        )
        path = recording.save(made, out)
    except (ValueError, TypeError, gym.error.DependencyNotInstalled) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{path}: {episodes} episodes, mean return {made.returns.mean():.1f}")


def _argument(text: str) -> tuple[str, Any]:
    """``name=value`` with the value as JSON where it is such."""
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--arg")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _acting_env(env_id: str, kwargs: dict[str, Any], observed: Any) -> Any:
    """Environment that an expert with these observations acts in, physics and frames those of
    ``env_id``.
    """
    env = gym.make(env_id, **kwargs)
    if env.observation_space == observed:
        return env
    state_id = env_id.replace("Pixels-v", "State-v")
    if state_id != env_id:
        repeat = env.get_wrapper_attr("action_repeat")
        env.close()
        env = gym.make(state_id, action_repeat=repeat)
        if env.observation_space == observed:
            return env
    raise ValueError(
        f"the model observes {observed}, {env_id} gives {env.observation_space}; "
        "record with a model of this environment or of its state id"
    )


def _policy(env_id: str, pretrained: bool, model: Path | None, algo: str) -> Any:
    """What acts in a recording; None for random actions."""
    if pretrained and model is not None:
        raise ValueError("give either --pretrained or --model, not both")
    if pretrained:
        from sb3_vdb.pretrained import load_pretrained

        return load_pretrained(env_id)
    if model is None:
        return None
    import sb3_contrib
    import stable_baselines3
    from stable_baselines3.common.base_class import BaseAlgorithm

    from sb3_vdb import baselines

    for package in (stable_baselines3, sb3_contrib, baselines):
        found = getattr(package, algo, None)
        if isinstance(found, type) and issubclass(found, BaseAlgorithm):
            return found.load(model, device="cpu")
    raise ValueError(f"`--algo` {algo} is no algorithm of SB3, sb3-contrib or sb3_vdb.baselines")


@reproduce.command("experts")
@click.option("--task", "tasks", multiple=True, help="WalkerWalk, CheetahRun, ... as in the ids")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/experts"), show_default=True
)
@click.option(
    "--demos", type=click.Path(path_type=Path), default=None, help="record demonstrations here"
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(min=1))
def experts(tasks: tuple[str, ...], seed: int, out: Path, demos: Path | None, workers: int) -> None:
    """SAC experts of dm_control tasks on states. Running it again continues what is missing."""
    from sb3_vdb.experiments.experts import AIMS, train_experts

    chosen = list(tasks or AIMS)
    for task in chosen:
        _known_id(f"sb3_vdb/{task}State-v0", "--task")
    try:
        train_experts(out, chosen, seed, workers, demos)
    except (ValueError, RuntimeError) as error:
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
    from sb3_vdb.experiments.pictures import mazes
    from sb3_vdb_envs import ENVIRONMENTS

    out.mkdir(parents=True, exist_ok=True)
    mazes([row.id for row in ENVIRONMENTS if "Maze" in row.name], out / "mazes.png")


@main.command()
@click.option(
    "--only",
    type=click.Choice(["mazes", "humanoid", "humanoid-split", "pixels", "trainers", "imitation"]),
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
