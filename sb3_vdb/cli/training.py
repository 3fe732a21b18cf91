"""``sb3-vdb train``: a policy from a motion clip."""

from __future__ import annotations

import re
from pathlib import Path

import click

from sb3_vdb.cli import options
from sb3_vdb.cli.ids import known_id
from sb3_vdb.cli.options import REFUSALS

ALGORITHMS = ("vail", "gail", "deepmimic")
HUMANOID = re.compile(r"sb3_vdb/Humanoid(\w+)-v0")
ANY_CLIP = "Mocap"


@click.command()
@click.argument("algorithm", type=click.Choice(ALGORITHMS))
@click.argument("env_id")
@click.option(
    "--clip",
    default=None,
    help="for sb3_vdb/HumanoidMocap-v0: a known clip, or a file (DeepMimic's format, csv, npz)",
)
@click.option(
    "--samples",
    default=3_000_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="environment steps; a million takes 10 to 20 minutes of one core",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--out", default="runs/train", show_default=True, type=options.PATH)
def train(
    algorithm: str, env_id: str, clip: str | None, samples: int, seed: int, out: Path
) -> None:
    """Learn a motion clip: VAIL or GAIL on differences to it, or DeepMimic's hand-made reward.
    Running it again continues a training that was stopped.
    """
    from sb3_vdb.experiments.motion_imitation.study import train_one

    env_id = known_id(env_id, "ENV_ID")
    found = HUMANOID.fullmatch(env_id)
    if found is None:
        raise click.BadParameter(
            f"{env_id} has no motion clip to learn from in MuJoCo; choose sb3_vdb/HumanoidRun-v0 "
            "or another of its kind, or sb3_vdb/HumanoidMocap-v0 with --clip",
            param_hint="ENV_ID",
        )
    skill = found.group(1)
    if (skill == ANY_CLIP) != (clip is not None):
        raise click.BadParameter(
            f"{env_id} {'needs a clip' if skill == ANY_CLIP else 'has its own clip'}; give "
            "--clip with sb3_vdb/HumanoidMocap-v0, and only there",
            param_hint="--clip",
        )
    try:
        click.echo(train_one(algorithm, skill, clip, seed, samples, out.absolute()))
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error
