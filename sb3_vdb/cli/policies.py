"""Options of commands that run a saved policy in an environment, and what they stand for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from gymnasium import spaces

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
Command = TypeVar("Command", bound=Callable[..., Any])


def policy_options(function: Command) -> Command:
    """Add ``--algo``, ``--vec-normalize`` and ``--arg``."""
    for option in (
        click.option(
            "--arg",
            "arguments",
            multiple=True,
            metavar="NAME=VALUE",
            help="argument of the environment, for example preset=shadow; several times",
        ),
        click.option(
            "--vec-normalize",
            type=FILE,
            default=None,
            help="file of VecNormalize.save, for a model trained on normalised observations",
        ),
        click.option(
            "--algo",
            default=None,
            help="class of the model where its file does not say it: SAC, or module:Class",
        ),
    ):
        function = option(function)
    return function


def env_arguments(texts: tuple[str, ...], option: str = "--arg") -> dict[str, Any]:
    """Read arguments, each ``NAME=VALUE``; a value is JSON where it is such.

    :param texts: as they are written
    :param option: that has them, for the message
    :raises click.BadParameter: there is no ``=``
    """
    arguments: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        try:
            arguments[name] = json.loads(value)
        except json.JSONDecodeError:
            arguments[name] = value
    return arguments


def sees(model: spaces.Space[Any], env: spaces.Space[Any]) -> bool:
    """Say whether a model with one space of observations can act on those of another: of the same
    shapes, or pictures whose channels SB3 puts first.
    """
    if isinstance(model, spaces.Dict) and isinstance(env, spaces.Dict):
        same_parts = set(model.spaces) == set(env.spaces)
        return same_parts and all(sees(model[name], env[name]) for name in env.spaces)
    if isinstance(model, spaces.Box) and isinstance(env, spaces.Box):
        transposed = (*env.shape[2:], *env.shape[:2]) if len(env.shape) == 3 else env.shape
        return model.shape in (env.shape, transposed)
    return model == env


def check_fits(model: Any, env: Any) -> None:
    """Refuse an environment that the model cannot act in.

    :param model: of :func:`sb3_vdb.saved_models.load_model`
    :param env: environment, or several
    :raises ValueError: naming both spaces
    """
    if not sees(model.observation_space, env.observation_space):
        raise ValueError(
            f"the model observes {model.observation_space}, the environment gives "
            f"{env.observation_space}; give the environment that it was trained in, with --arg "
            "where it had arguments"
        )
    ours, theirs = model.action_space, env.action_space
    alike = isinstance(ours, spaces.Box) and isinstance(theirs, spaces.Box)
    if not (ours.shape == theirs.shape if alike else ours == theirs):
        raise ValueError(f"the model's actions are {ours}, the environment takes {theirs}")
