"""``sb3-vdb record`` and ``record-demos``: what a policy does, as a video or as demonstrations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

from sb3_vdb.cli.ids import known_id
from sb3_vdb.cli.options import REFUSALS
from sb3_vdb.demonstrations.recording import resolved_arguments
from sb3_vdb.environments import ENVIRONMENTS, environment


@click.command()
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

    known_id(env_id, "ENV_ID")
    env_kwargs = {} if clip is None else {"clip": clip}
    path = out or Path(f"{env_id.split('/')[1]}.gif")
    try:
        check_video_path(path)
        policy = _policy(env_id, pretrained, model, algo)
        click.echo(record_video(env_id, policy, path, seconds, seed, env_kwargs, every))
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error


@click.command("record-demos")
@click.argument("env_id")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="expert saved by SB3",
)
@click.option("--algo", default="SAC", show_default=True, help="class of --model")
@click.option(
    "--scripted",
    is_flag=True,
    help="the environment's own controller, which mazes have, in place of a model",
)
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
    model: Path | None,
    algo: str,
    scripted: bool,
    episodes: int,
    least_return: float | None,
    seed: int,
    arguments: tuple[str, ...],
    out: Path,
) -> None:
    """Record an expert as physics states and actions. An expert that observes states can record
    for a pixel id of the same task.
    """
    from sb3_vdb.demonstrations import recording

    known_id(env_id, "ENV_ID")
    kwargs = dict(_argument(each) for each in arguments)
    try:
        expert = _controller(env_id) if scripted else _policy(env_id, False, model, algo)
        if (model is None) != scripted:
            raise ValueError("give either --model or --scripted")
        acting_env = _acting_env(env_id, kwargs, expert.observation_space)
        made = recording.record(
            expert, env_id, episodes, seed, kwargs, acting_env, least_return=least_return
        )
        path = recording.save(made, out)
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{path}: {episodes} episodes, mean return {made.returns.mean():.1f}")


def _controller(env_id: str) -> Any:
    """Make the scripted expert of an environment, which acts on its states."""
    row = environment(env_id)
    if row is None or row.scripted_expert is None:
        known = sorted({each.family for each in ENVIRONMENTS if each.scripted_expert is not None})
        raise ValueError(f"{env_id} has no scripted expert, only {', '.join(known)}; give --model")
    state_row = environment(row.state_twin or env_id)
    assert state_row is not None
    return load_env_creator(row.scripted_expert)(**state_row.kwargs)


def _argument(text: str) -> tuple[str, Any]:
    """Split ``name=value``; the value is read as JSON where it is such."""
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--arg")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _acting_env(env_id: str, kwargs: dict[str, Any], observed: Any) -> Any:
    """Make the environment that an expert with these observations acts in, with the physics and
    frames of ``env_id``.
    """
    env = gym.make(env_id, **kwargs)
    if env.observation_space == observed:
        return env
    row = environment(env_id)
    if row is not None and row.state_twin is not None:
        env.close()
        known = resolved_arguments(row.state_twin, None)
        arguments = resolved_arguments(env_id, kwargs)
        shared = {
            name: value
            for name, value in arguments.items()
            if name in known and name not in row.look
        }
        env = gym.make(row.state_twin, **shared)
        if env.observation_space == observed:
            return env
    raise ValueError(
        f"the model observes {observed}, {env_id} gives {env.observation_space}; "
        "record with a model of this environment or of its state id"
    )


def _policy(env_id: str, pretrained: bool, model: Path | None, algo: str) -> Any:
    """Load what acts in a recording; None for random actions."""
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
        algorithm = getattr(package, algo, None)
        if isinstance(algorithm, type) and issubclass(algorithm, BaseAlgorithm):
            return algorithm.load(model, device="cpu")
    raise ValueError(f"`--algo` {algo} is no algorithm of SB3, sb3-contrib or sb3_vdb.baselines")
