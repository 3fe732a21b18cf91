"""The table of environment ids, and the function that enters it into Gymnasium's registry."""

from __future__ import annotations

from typing import Any, NamedTuple

from gymnasium.envs.registration import register, registry

NAMESPACE = "sb3_vdb"


class EnvironmentRow(NamedTuple):
    """One registered environment.

    ``vector_entry_point`` is named per id because Gymnasium 0.29 passes no keyword arguments of
    the spec to it.
    """

    name: str
    entry_point: str
    vector_entry_point: str | None
    max_episode_steps: int
    kwargs: dict[str, Any]
    summary: str

    @property
    def id(self) -> str:
        """Full id as :func:`gymnasium.make` takes it."""
        return f"{NAMESPACE}/{self.name}-v0"


def _maze(name: str, layout: str, summary: str) -> EnvironmentRow:
    return EnvironmentRow(
        name=name,
        entry_point="sb3_vdb_envs.maze:MazeEnv",
        vector_entry_point=f"sb3_vdb_envs.maze.vector_env:{layout}_vector_env",
        max_episode_steps=100,
        kwargs={"layout": layout},
        summary=summary,
    )


ENVIRONMENTS: tuple[EnvironmentRow, ...] = (
    _maze(
        "CMaze", "c_maze", "point mass behind one wall, gap on the left; the reward is learned here"
    ),
    _maze(
        "CMazeFlipped",
        "c_maze_flipped",
        "the same wall with its gap on the right; rewards are transferred to it",
    ),
    _maze("SMaze", "s_maze", "two walls, gaps right then left, five times the force"),
    _maze("SMazeFlipped", "s_maze_flipped", "mirror image of the S-maze"),
)


def register_envs() -> None:
    """Register every row of :data:`ENVIRONMENTS`; calling it again changes nothing."""
    for row in ENVIRONMENTS:
        if row.id not in registry:
            register(
                id=row.id,
                entry_point=row.entry_point,
                vector_entry_point=row.vector_entry_point,
                max_episode_steps=row.max_episode_steps,
                kwargs=dict(row.kwargs),
            )
