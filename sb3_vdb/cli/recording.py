"""``sb3-vdb record`` and ``record-demos``: what a policy does, as a video or as demonstrations."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import Any

import click
import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

from sb3_vdb.cli.ids import ids_that_begin, known_id
from sb3_vdb.cli.options import REFUSALS
from sb3_vdb.cli.policies import FILE, check_fits, env_arguments, policy_options, sees
from sb3_vdb.demonstrations.recording import resolved_arguments
from sb3_vdb.environments import ENVIRONMENTS, environment

PLANNERS = ("cem", "mppi")


@click.command()
@click.argument("env_id", shell_complete=ids_that_begin)
@click.option("--pretrained", is_flag=True, help="play the policy that comes with the package")
@click.option(
    "--method",
    default=None,
    help="which pretrained one: DeepMimic (hand-made reward, the default) or VAIL (the clip alone)",
)
@click.option(
    "--model",
    type=FILE,
    default=None,
    help="play a saved model: of this package, SB3 or sb3-contrib",
)
@policy_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="mp4 or gif; by default <environment>.gif",
)
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
    method: str | None,
    model: Path | None,
    algo: str | None,
    vec_normalize: Path | None,
    arguments: tuple[str, ...],
    out: Path | None,
    seconds: float,
    seed: int,
    every: int,
) -> None:
    """Write a video of a policy at work; of random actions without --pretrained or --model."""
    from sb3_vdb.evaluation.videos import check_video_path, record_video

    env_id, env_kwargs = known_id(env_id, "ENV_ID"), env_arguments(arguments)
    path = out or Path(f"{env_id.split('/')[-1]}.gif")
    try:
        check_video_path(path)
        if method is not None and not pretrained:
            raise ValueError("--method says which pretrained policy to play; add --pretrained")
        policy = _policy(env_id, pretrained, model, algo, vec_normalize, method)
        if policy is not None:
            _check_fits_id(policy, env_id, env_kwargs)
        click.echo(record_video(env_id, policy, path, seconds, seed, env_kwargs, every))
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error


@click.command("record-demos")
@click.argument("env_id", shell_complete=ids_that_begin)
@click.option(
    "--model",
    type=FILE,
    default=None,
    help="saved expert: of this package, SB3 or sb3-contrib",
)
@policy_options
@click.option(
    "--scripted",
    is_flag=True,
    help="the environment's own controller, which mazes and races have, in place of a model",
)
@click.option(
    "--planner",
    type=click.Choice(PLANNERS),
    default=None,
    help="plan on the environment's true dynamics, in place of a model",
)
@click.option(
    "--plan", "plan", multiple=True, help="NAME=VALUE of the planner, for example horizon=6"
)
@click.option("--episodes", default=10, show_default=True, type=click.IntRange(min=1))
@click.option("--least-return", default=None, type=float, help="drop episodes below it")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="npz file")
def record_demos(
    env_id: str,
    model: Path | None,
    algo: str | None,
    vec_normalize: Path | None,
    arguments: tuple[str, ...],
    scripted: bool,
    planner: str | None,
    plan: tuple[str, ...],
    episodes: int,
    least_return: float | None,
    seed: int,
    out: Path,
) -> None:
    """Record an expert as physics states and actions. An expert that observes states can record
    for a pixel id of the same task.
    """
    from sb3_vdb.demonstrations import recording

    env_id, kwargs = known_id(env_id, "ENV_ID"), env_arguments(arguments)
    try:
        if (model is not None) + scripted + (planner is not None) != 1:
            raise ValueError("give one of --model, --scripted and --planner")
        if plan and planner is None:
            raise ValueError("--plan is for --planner; leave it out")
        if model is None and (algo is not None or vec_normalize is not None):
            raise ValueError("--algo and --vec-normalize are for --model; leave them out")
        if planner is not None:
            planned = _planner(planner, env_id, kwargs, env_arguments(plan, "--plan"), seed)
            expert, acting_env = planned, planned.env
        else:
            load = _controller if scripted else partial(_saved, model, algo, vec_normalize)
            expert = load(env_id)
            acting_env = _acting_env(env_id, kwargs, expert.observation_space)
        made = recording.record(
            expert, env_id, episodes, seed, kwargs, acting_env, least_return=least_return
        )
        path = recording.save(made, out)
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{path}: {episodes} episodes, mean return {made.returns.mean():.1f}")


def _saved(model: Path | None, algo: str | None, vec_normalize: Path | None, env_id: str) -> Any:
    """Read a saved expert."""
    return _policy(env_id, False, model, algo, vec_normalize)


def _controller(env_id: str) -> Any:
    """Make the scripted expert of an environment, which acts on its states."""
    row = environment(env_id)
    if row is None or row.scripted_expert is None:
        known = sorted({each.family for each in ENVIRONMENTS if each.scripted_expert is not None})
        raise ValueError(f"{env_id} has no scripted expert, only {', '.join(known)}; give --model")
    state_row = environment(row.state_twin or env_id)
    assert state_row is not None
    return load_env_creator(row.scripted_expert)(**state_row.kwargs)


def _planner(
    name: str, env_id: str, kwargs: dict[str, Any], arguments: dict[str, Any], seed: int
) -> Any:
    """Make a planner in the state environment of an id.

    :raises ValueError: a bad argument of the planner
    """
    from sb3_vdb import planners

    kind = getattr(planners, name.upper())
    others = {"env_id", "env_kwargs", "seed"}  # given by --arg and --seed
    known = [name for name in inspect.signature(kind).parameters if name not in others]
    unknown = set(arguments) - set(known)
    if unknown:
        raise ValueError(
            f"{name} has no argument {', '.join(sorted(unknown))}; it has {', '.join(known)}"
        )
    row = environment(env_id)
    if row is not None and row.state_twin is not None:
        env_id, kwargs = row.state_twin, _state_arguments(env_id, kwargs)
    return kind(env_id, env_kwargs=kwargs, seed=seed, **arguments)


def _state_arguments(env_id: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Give the arguments that the state environment of an id of pixels shares with it."""
    row = environment(env_id)
    assert row is not None
    assert row.state_twin is not None
    known = {*resolved_arguments(row.state_twin, None), "max_episode_steps"} - {*row.look}
    return {
        name: value for name, value in resolved_arguments(env_id, kwargs).items() if name in known
    }


def _acting_env(env_id: str, kwargs: dict[str, Any], observed: Any) -> Any:
    """Make the environment that an expert with these observations acts in, with the physics and
    frames of ``env_id``.
    """
    env = gym.make(env_id, **kwargs)
    if sees(observed, env.observation_space):
        return env
    row = environment(env_id)
    if row is not None and row.state_twin is not None:
        env.close()
        env = gym.make(row.state_twin, **_state_arguments(env_id, kwargs))
        if sees(observed, env.observation_space):
            return env
    raise ValueError(
        f"the model observes {observed}, {env_id} gives {env.observation_space}; "
        "record with a model of this environment or of its state id"
    )


def _check_fits_id(policy: Any, env_id: str, env_kwargs: dict[str, Any]) -> None:
    env = gym.make(env_id, **env_kwargs)
    try:
        check_fits(policy, env)
    finally:
        env.close()


def _policy(
    env_id: str,
    pretrained: bool,
    model: Path | None,
    algo: str | None,
    vec_normalize: Path | None,
    method: str | None = None,
) -> Any:
    """Load what acts in a recording; None for random actions."""
    if pretrained and model is not None:
        raise ValueError("give either --pretrained or --model, not both")
    if pretrained:
        from sb3_vdb.pretrained import load_pretrained

        return load_pretrained(env_id, method=method)
    if model is None:
        return None
    from sb3_vdb.saved_models import load_model

    return load_model(model, algo, vec_normalize, env_id)
