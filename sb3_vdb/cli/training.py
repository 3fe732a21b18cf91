"""``sb3-vdb train`` and ``sb3-vdb plot``: a policy from demonstrations, or from a motion clip."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

import click

from sb3_vdb.cli import options
from sb3_vdb.cli.ids import ids_that_begin, known_id
from sb3_vdb.cli.options import REFUSALS
from sb3_vdb.cli.policies import env_arguments

if TYPE_CHECKING:
    from typing_extensions import Unpack

CLIP_METHODS = ("vail", "gail", "deepmimic")
METHOD_NAMES = (
    *("gail", "gail-noise", "gail-noise-z", "gail-gp", "vail", "vail-gp", "airl", "airl-gp"),
    *("vairl-b0", "vairl", "vairl-gp", "dac", "sqil", "bc", "deepmimic"),
)
HUMANOID = re.compile(r"sb3_vdb/Humanoid(\w+)-v0")
ANY_CLIP = "Mocap"
OF_ALGORITHM = "algo."
COPY = "demonstrations.npz"  # of demonstrations in another format
SAMPLES, CLIP_SAMPLES = 100_000, 3_000_000


class Given(TypedDict):
    """Values of the options."""

    algo: str | None
    settings: tuple[str, ...]
    env_args: tuple[str, ...]
    module: str | None
    n_envs: int
    normalize: bool
    absorbing: bool
    see: tuple[str, ...]
    wandb: str | None
    samples: int | None
    seed: int
    seeds: int
    out: Path
    workers: int | None
    backend: Literal["local", "ray"]
    address: str | None


@click.command()
@click.argument("method", type=click.Choice(METHOD_NAMES))
@click.argument("env_id", shell_complete=ids_that_begin)
@click.option(
    "--demos", default=None, help="demonstrations in any format of `sb3-vdb demos`; else a clip"
)
@click.option("--algo", default=None, help="that generates: SAC, or module:Class [default: PPO]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="argument of the method; algo.NAME=VALUE of the algorithm; several times",
)
@click.option(
    "--arg",
    "env_args",
    multiple=True,
    metavar="NAME=VALUE",
    help="argument of the environment; several times",
)
@click.option("--import", "module", default=None, help="module that registers the environment")
@click.option("--n-envs", default=8, show_default=True, type=click.IntRange(min=1))
@click.option("--normalize", is_flag=True, help="normalise what the policy sees (VecNormalize)")
@click.option(
    "--absorbing", is_flag=True, help="absorbing states where episodes end by themselves, as in DAC"
)
@click.option(
    "--see",
    multiple=True,
    metavar="PART",
    help="part of a Dict observation that the discriminator sees; several times [default: all]",
)
@click.option(
    "--wandb", default=None, metavar="PROJECT", help="also log to a project of Weights & Biases"
)
@click.option(
    "--clip",
    default=None,
    help="for sb3_vdb/HumanoidMocap-v0: a known clip, or a file (DeepMimic's format, csv, npz)",
)
@click.option(
    "--samples",
    default=None,
    type=click.IntRange(min=1),
    help="environment steps; of cloning, updates  [default: 100,000; of a clip 3,000,000, of which "
    "a million takes 10 to 20 minutes of one core]",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--out", default="runs/train", show_default=True, type=options.PATH)
@click.option("--workers", default=None, type=click.IntRange(min=1), help="jobs at a time")
@click.option("--backend", type=click.Choice(("local", "ray")), default="local", show_default=True)
@click.option("--address", default=None, help="of a Ray cluster: auto, ray://host:10001")
def train(
    method: str, env_id: str, demos: str | None, clip: str | None, **given: Unpack[Given]
) -> None:
    """Learn ENV_ID from demonstrations, by any method; or a motion clip, by VAIL or GAIL on
    differences to it or by DeepMimic's hand-made reward. Running it again continues a training that
    was stopped, and ends with a page of its curves.
    """
    if given["module"] is not None:
        env_id = f"{given['module']}:{env_id}"
    known = known_id(env_id, "ENV_ID")
    try:
        if demos is None:
            _train_clip(method, known, clip, given)
        elif method == "deepmimic" or clip is not None:
            raise click.UsageError("a clip and deepmimic need no demonstrations; leave --demos out")
        else:
            _train_demos(method, env_id if ":" in env_id else known, demos, given)
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error


def _train_demos(method: str, env_id: str, demos: str, given: Given) -> None:
    from sb3_vdb.experiments.framework.job import Workers
    from sb3_vdb.experiments.training.run import TrainingRun, TrainingSettings
    from sb3_vdb.experiments.training.study import train_all
    from sb3_vdb_envs.cores import available_cores

    chosen = env_arguments(given["settings"], "--set")
    generator = {n: v for n, v in chosen.items() if n.startswith(OF_ALGORITHM)}
    out = given["out"].expanduser().absolute()
    settings = TrainingSettings(
        demos=str(_as_npz(demos, out)),
        steps=given["samples"] or SAMPLES,
        n_envs=given["n_envs"],
        algorithm=given["algo"],
        normalize=given["normalize"],
        absorbing=given["absorbing"],
        parts=given["see"],
        env_kwargs=env_arguments(given["env_args"]),
        arguments={n: v for n, v in chosen.items() if n not in generator},
        algorithm_arguments={n.removeprefix(OF_ALGORITHM): v for n, v in generator.items()},
    )
    seeds = range(given["seed"], given["seed"] + given["seeds"])
    runs = [TrainingRun(out, method, env_id, seed, settings) for seed in seeds]
    workers = Workers(given["workers"] or available_cores(), given["backend"], given["address"])
    follow = None
    if given["wandb"] is not None:
        from sb3_vdb.integrations.extras import needed
        from sb3_vdb.integrations.wandb_runs import wandb_run

        needed("wandb")  # before anything is made
        follow = partial(wandb_run, given["wandb"])
    report = train_all(runs, workers, follow)
    for run in runs:
        click.echo(f"{run.name}: {run.result()}\n{run.folder}")
    click.echo(report)


def _as_npz(demos: str, out: Path) -> Path:
    """Give the file of demonstrations that a run reads; those of another format are copied into
    its folder.
    """
    from sb3_vdb.integrations.files import guessed_format, read_demonstrations

    if guessed_format(demos) == "npz" and Path(demos).expanduser().is_file():
        return Path(demos).expanduser().absolute()
    read = read_demonstrations(demos)
    out.mkdir(parents=True, exist_ok=True)
    return read.save(out / COPY)


def _train_clip(method: str, env_id: str, clip: str | None, given: Given) -> None:
    from sb3_vdb.experiments.motion_imitation.study import train_one

    found = HUMANOID.fullmatch(env_id)
    if found is None:
        raise click.BadParameter(
            f"{env_id} has no motion clip to learn from in MuJoCo; give demonstrations with "
            "--demos, or choose sb3_vdb/HumanoidRun-v0 or another of its kind, or "
            "sb3_vdb/HumanoidMocap-v0 with --clip",
            param_hint="ENV_ID",
        )
    names = ("settings", "env_args", "algo", "normalize", "absorbing", "see", "wandb")
    others = any(dict(given)[name] for name in names)
    if method not in CLIP_METHODS or others or given["seeds"] > 1:
        raise click.UsageError(
            f"from a clip, the methods are {', '.join(CLIP_METHODS)}, of one seed, with the "
            "study's settings; give --demos for the others"
        )
    skill = found.group(1)
    if (skill == ANY_CLIP) != (clip is not None):
        raise click.BadParameter(
            f"{env_id} {'needs a clip' if skill == ANY_CLIP else 'has its own clip'}; give "
            "--clip with sb3_vdb/HumanoidMocap-v0, and only there",
            param_hint="--clip",
        )
    samples = given["samples"] or CLIP_SAMPLES
    click.echo(train_one(method, skill, clip, given["seed"], samples, given["out"].absolute()))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def plot(folder: Path) -> None:
    """Make the page of a folder of `sb3-vdb train --demos` anew, also while runs go on."""
    from sb3_vdb.experiments.training.study import write_report

    try:
        click.echo(write_report(folder.absolute()))
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error
