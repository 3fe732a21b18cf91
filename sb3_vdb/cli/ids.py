"""Environment ids on the command line."""

from __future__ import annotations

import os
import sys

import click
import gymnasium as gym

from sb3_vdb.environments import registered_id


def ids_that_begin(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """List the registered ids that the shell can complete a word to.

    :param incomplete: beginning of the word
    """
    return sorted(each for each in gym.registry if each.startswith(incomplete))


def known_id(env_id: str, hint: str) -> str:
    """Return the registered id of an environment; that of a module of the user's, in the present
    folder as well, is written ``module:Id-v0``.

    :param env_id: as it is written
    :param hint: name of the argument, for the message
    :raises click.BadParameter: it is not registered; naming the nearest ones that are
    """
    if ":" in env_id and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return registered_id(env_id)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=hint) from error
