"""``sb3-vdb evaluate``: the returns of a saved policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd

from sb3_vdb.cli.ids import ids_that_begin, known_id
from sb3_vdb.cli.options import REFUSALS
from sb3_vdb.cli.policies import FILE, check_fits, env_arguments, policy_options

MAX_ENVS = 10  # environments side by side


@click.command()
@click.argument("model", type=FILE)
@click.argument("env_id", shell_complete=ids_that_begin)
@policy_options
@click.option("--episodes", default=20, show_default=True, type=click.IntRange(min=1))
@click.option("--absorbing", is_flag=True, help="of a policy that `train --absorbing` made")
@click.option("--stochastic", is_flag=True, help="act with the policy's noise")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="also write this csv")
def evaluate(
    model: Path,
    env_id: str,
    algo: str | None,
    vec_normalize: Path | None,
    arguments: tuple[str, ...],
    episodes: int,
    absorbing: bool,
    stochastic: bool,
    seed: int,
    out: Path | None,
) -> None:
    """Play a saved policy and print the return of every episode, and their interquartile mean."""
    from stable_baselines3.common.utils import set_random_seed

    from sb3_vdb.evaluation import evaluate_returns
    from sb3_vdb.files import write_text
    from sb3_vdb.saved_models import load_model
    from sb3_vdb.vec_env import make_vec_env

    env_id, env_kwargs = known_id(env_id, "ENV_ID"), env_arguments(arguments)
    try:
        policy = load_model(model, algo, vec_normalize, env_id)
        set_random_seed(seed)  # of the policy's noise
        around, n = _around(env_id, env_kwargs) if absorbing else {}, min(episodes, MAX_ENVS)
        venv = make_vec_env(env_id, n, seed, env_kwargs=env_kwargs, **around)
        try:
            check_fits(policy, venv)
            result = evaluate_returns(policy, venv, episodes, deterministic=not stochastic)
        finally:
            venv.close()
        table = result.to_frame()
        if out is not None:
            write_text(out, table.to_csv(index=False))
    except REFUSALS as error:
        raise click.ClickException(str(error)) from error
    with pd.option_context("display.float_format", "{:.2f}".format):
        click.echo(table.to_string(index=False))
    click.echo(result.summary())


def _around(env_id: str, env_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Give the arguments of ``make_vec_env`` that put absorbing states around environments."""
    from sb3_vdb.demonstrations.absorbing import AbsorbingStates
    from sb3_vdb.environments import time_limit

    wrapped = {"horizon": time_limit(env_id, env_kwargs), "n_absorbing": 1}
    return {"wrapper_class": AbsorbingStates, "wrapper_kwargs": wrapped}
