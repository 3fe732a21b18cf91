"""What the package knows of an environment without making it: one row per id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

NAMESPACE = "sb3_vdb"


class Simulator(NamedTuple):
    """What computes the physics of an environment."""

    extra: str  # of ``pip install "sb3-vdb[...]"``
    # distributions that it needs, and whose versions may change what it computes
    packages: tuple[str, ...]


SIMULATORS: Mapping[str, Simulator] = {
    "mujoco": Simulator("humanoid", ("mujoco",)),
    "bullet": Simulator("bullet", ("pybullet",)),
    "dm_control": Simulator("pixels", ("dm_control", "mujoco")),
    "hand": Simulator("hands", ("mujoco", "gymnasium-robotics")),
    "box2d": Simulator("box2d", ("box2d", "gymnasium")),  # whose CarRacing it is
}


class EnvironmentRow(NamedTuple):
    """One registered environment.

    :param name: what the id says between the namespace and the version
    :param family: folder of :mod:`sb3_vdb_envs` that it comes from
    :param entry_point: class of the single environment, as Gymnasium names it
    :param kwargs: arguments of the id, for the single environment and for the batch
    :param summary: what it is, in a line
    :param vector_entry_point: class or function of the batch; None where nothing batches it
    :param max_episode_steps: time limit in steps; None where the environment has its own
    :param simulator: key of ``SIMULATORS``; None for numpy. An argument ``simulator`` of the
        environment chooses another one.
    :param state_twin: id of the same physics observed as a state, for an id of pixels
    :param look: arguments that change pictures and nothing else
    :param scripted_expert: controller with SB3's ``predict`` that observes states; called with
        ``kwargs``
    :param heavy: whether making it takes so long that tests and pages may leave it out
    """

    name: str
    family: str
    entry_point: str
    kwargs: dict[str, Any]
    summary: str
    vector_entry_point: str | None = None
    max_episode_steps: int | None = None
    simulator: str | None = None
    state_twin: str | None = None
    look: tuple[str, ...] = ()
    scripted_expert: str | None = None
    heavy: bool = False

    @property
    def id(self) -> str:
        """Full id as :func:`gymnasium.make` takes it."""
        return id_of(self.name)

    @property
    def extra(self) -> str | None:
        """Extra of the pip package that brings the simulator; None where none is needed."""
        return None if self.simulator is None else SIMULATORS[self.simulator].extra

    def chosen_simulator(self, arguments: Mapping[str, Any]) -> str | None:
        """Return the simulator of the environment with these arguments beside its own."""
        return {**self.kwargs, **arguments}.get("simulator", self.simulator)

    def is_batched(self, arguments: Mapping[str, Any]) -> bool:
        """Say whether there is one batch of copies with these arguments: batches run in the
        simulator of their id.
        """
        has_batch = self.vector_entry_point is not None
        return has_batch and self.chosen_simulator(arguments) == self.simulator


def id_of(name: str) -> str:
    """Return the full id of a row's name."""
    return f"{NAMESPACE}/{name}-v0"
