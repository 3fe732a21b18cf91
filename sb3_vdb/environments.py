"""What the package knows of an environment by its id alone: the one way to the table of ids."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sb3_vdb_envs.registration import ENVIRONMENTS, environment
from sb3_vdb_envs.table import SIMULATORS, EnvironmentRow


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
    "is_batched",
    "look_arguments",
    "names_in_any_simulator",
    "simulator_versions",
]
