"""What the package knows of an environment by its id alone: the one way to the table of ids."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gymnasium import error
from gymnasium.envs.registration import find_highest_version, get_env_id, parse_env_id, registry

from sb3_vdb_envs.registration import ENVIRONMENTS, environment
from sb3_vdb_envs.table import SIMULATORS, EnvironmentRow

ENVIRONMENTS_MODULE = "sb3_vdb_envs"  # importing it registers the ids


def registered_id(env_id: str) -> str:
    """Return the id under which Gymnasium has an environment, for everything that ``gym.make``
    takes: ``"Id-v0"``, ``"module:Id-v0"``, whose module is imported, and ``"Id"``, the highest
    version.

    :param env_id: of an environment of any package
    :raises ValueError: it is not registered, or its module cannot be imported
    """
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ImportError as failure:
            raise ValueError(
                f"the module of {env_id!r} cannot be imported ({failure}); install it, or put its "
                "folder on PYTHONPATH"
            ) from failure
    found = name if name in registry else _highest_version(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name, list(registry), n=3)
    raise ValueError(
        f"the environment {env_id!r} is not registered"
        + (f"; did you mean {' or '.join(near)}?" if near else "")
        + "; ids of this package are listed by sb3-vdb list, those of a module of your own are "
        'written "module:Id-v0"'
    )


def _highest_version(name: str) -> str | None:
    """Return the id with the highest version of an environment's name; None if there is none."""
    try:
        namespace, plain, number = parse_env_id(name)
    except error.Error:
        return None
    highest = find_highest_version(namespace, plain) if number is None else None
    return None if highest is None else get_env_id(namespace, plain, highest)


def importable_id(env_id: str) -> str:
    """Return an id that another process can use which has not imported this package: of an
    environment of ours with its module, of another as it is.

    :param env_id: as for :func:`registered_id`
    """
    row = environment(registered_id(env_id))
    return env_id if row is None else f"{ENVIRONMENTS_MODULE}:{row.id}"


def time_limit(env_id: str, arguments: Mapping[str, Any]) -> int:
    """Return the steps after which an episode is truncated.

    :param env_id: as ``gym.make`` takes it
    :param arguments: of the environment
    :raises ValueError: it has no limit
    """
    limit = arguments.get("max_episode_steps", registry[registered_id(env_id)].max_episode_steps)
    if limit is None:
        raise ValueError(
            f"absorbing states need a time limit, and {env_id} has none; give one with "
            "--arg max_episode_steps=1000"
        )
    return int(limit)


def is_batched(env_id: str, arguments: Mapping[str, Any]) -> bool:
    """Say whether copies of an environment can be made as one batch that restarts as SB3 needs it.

    Batches of other packages count as none: they may not be able to restart single copies.

    :param env_id: a registered id
    :param arguments: of the environment beside the id's own
    """
    row = environment(env_id)
    return row is not None and row.is_batched(arguments)


def look_arguments(env_id: str) -> tuple[str, ...]:
    """List the arguments of an environment that change pictures and nothing else; none for ids of
    other packages.
    """
    row = environment(env_id)
    return () if row is None else row.look


def names_in_any_simulator(env_id: str) -> list[str]:
    """List the names of the ids of one environment, which may run in several simulators.

    :param env_id: a registered id; none are known of other packages' ids
    """
    row = environment(env_id)
    return [] if row is None else [each.name for each in ENVIRONMENTS if _same_task(each, row)]


def _same_task(first: EnvironmentRow, second: EnvironmentRow) -> bool:
    """Say whether two ids differ in nothing but the simulator."""
    tasks = [
        (row.family, row.state_twin, {**row.kwargs, "simulator": None}) for row in (first, second)
    ]
    return tasks[0] == tasks[1]


def simulator_versions(env_id: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Find the installed versions of what computes an environment's physics, by package.

    :param env_id: a registered id; for one of another package nothing is known
    :param arguments: of the environment beside the id's own
    """
    row = environment(env_id)
    simulator = None if row is None else row.chosen_simulator(arguments)
    packages = () if simulator is None else SIMULATORS[simulator].packages
    versions = {name: _version(name) for name in packages}
    return {name: installed for name, installed in versions.items() if installed is not None}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


__all__ = [
    "ENVIRONMENTS",
    "EnvironmentRow",
    "environment",
    "importable_id",
    "is_batched",
    "look_arguments",
    "names_in_any_simulator",
    "registered_id",
    "simulator_versions",
]
