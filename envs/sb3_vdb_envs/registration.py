"""The table of environment ids, and the function that enters it into Gymnasium's registry."""

from __future__ import annotations

from typing import Any, NamedTuple

from gymnasium.envs.registration import register, registry

from sb3_vdb_envs.suite.tasks import TASKS, SuiteTask

NAMESPACE = "sb3_vdb"


class EnvironmentRow(NamedTuple):
    """One registered environment.

    ``vector_entry_point`` is named per id because Gymnasium 0.29 passes no keyword arguments of
    the spec to it.
    """

    name: str
    entry_point: str
    vector_entry_point: str | None
    max_episode_steps: int | None
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


def _maze_pixels(name: str, layout: str, title: str) -> EnvironmentRow:
    return EnvironmentRow(
        name=f"{name}Pixels",
        entry_point="sb3_vdb_envs.maze:MazePixelEnv",
        vector_entry_point=f"sb3_vdb_envs.maze.pixels:{layout}_pixel_vector_env",
        max_episode_steps=100,
        kwargs={"layout": layout},
        summary=f"the {title} seen from above in 64 x 64 pixels",
    )


def _humanoid(name: str, clip: str, summary: str) -> EnvironmentRow:
    return EnvironmentRow(
        name=f"Humanoid{name}",
        entry_point="sb3_vdb_envs.humanoid:HumanoidEnv",
        vector_entry_point=f"sb3_vdb_envs.humanoid.vector_env:{clip}_vector_env",
        max_episode_steps=600,
        kwargs={"clip": clip},
        summary=summary,
    )


def _suite(task: SuiteTask, kind: str) -> EnvironmentRow:
    what = f"{task.domain} {task.task}"
    if task.speeds is not None:
        low, high = task.speeds
        what = f"walker at {low:g} to {high:g} m/s" if high < 100 else f"walker above {low:g} m/s"
    seen = "64 x 64 pixels" if kind == "Pixels" else "state"
    return EnvironmentRow(
        name=f"{task.name}{kind}",
        entry_point=f"sb3_vdb_envs.suite:{kind.removesuffix('s')}Env",
        vector_entry_point=f"sb3_vdb_envs.suite.vector_env:{task.name}{kind}",
        max_episode_steps=None,  # the suite ends its episodes itself, in frames
        kwargs={"task": task.name},
        summary=f"dm_control {what}, observed as {seen}",
    )


# every looping clip, with the name of its id and what is seen
MOTIONS = (
    ("Backflip", "backflip", "a flip backwards, every 1.75 s"),
    ("Cartwheel", "cartwheel", "cartwheels to the left; hands may touch the ground"),
    ("Crawl", "crawl", "crawling on hands and knees"),
    ("Dance", "dance_a", "turning dance steps (dance_a)"),
    ("DanceB", "dance_b", "dance on the spot (dance_b)"),
    ("Jump", "jump", "a jump forwards with both legs"),
    ("Roll", "roll", "a roll forwards; the whole body may touch the ground"),
    ("Run", "run", "running at 3.56 m/s"),
    ("Spin", "spin", "turns on one leg"),
    ("Spinkick", "spinkick", "a kick out of a turn in the air"),
    ("Walk", "walk", "walking at 0.98 m/s"),
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
    _maze_pixels("CMaze", "c_maze", "C-maze"),
    _maze_pixels("CMazeFlipped", "c_maze_flipped", "flipped C-maze"),
    _maze_pixels("SMaze", "s_maze", "S-maze"),
    _maze_pixels("SMazeFlipped", "s_maze_flipped", "flipped S-maze"),
    *(_humanoid(name, clip, f"mocap humanoid: {seen}") for name, clip, seen in MOTIONS),
    EnvironmentRow(
        name="HumanoidMocap",
        entry_point="sb3_vdb_envs.humanoid:HumanoidEnv",
        vector_entry_point="sb3_vdb_envs.humanoid.vector_env:HumanoidVectorEnv",
        max_episode_steps=600,
        kwargs={},
        summary="mocap humanoid with any clip: `clip=` a name or the path of a DeepMimic file",
    ),
    *(
        EnvironmentRow(
            name=f"BulletHumanoid{name}",
            entry_point="sb3_vdb_envs.humanoid:HumanoidEnv",
            vector_entry_point=None,
            max_episode_steps=600,
            kwargs={"clip": clip, "simulator": "bullet"},
            summary=f"the same in Bullet, the paper's simulator: {seen}",
        )
        for name, clip, seen in MOTIONS
    ),
    *(_suite(task, kind) for task in TASKS for kind in ("Pixels", "State")),
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
