"""The table of environment ids, and the function that enters it into Gymnasium's registry."""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

from sb3_vdb_envs.hands.tasks import BAODING_STEPS, CLAW_STEPS, CLAW_TASKS, ClawRow
from sb3_vdb_envs.suite.tasks import TASKS, SuiteTask
from sb3_vdb_envs.table import EnvironmentRow, id_of

# arguments of the suite that change pictures and nothing else: of `render()`, and of observations
SHOWN_LOOK = ("camera", "preset")
PIXEL_LOOK = ("image_size", "frame_stack", "supersample", "floor", *SHOWN_LOOK)
HAND_LOOK = ("preset",)
HAND_PIXEL_LOOK = ("image_size", "frame_stack", "supersample", "proprioception", *HAND_LOOK)
PIXELS = 64  # height and width of pictures


def _maze(name: str, layout: str, summary: str) -> EnvironmentRow:
    return EnvironmentRow(
        name=name,
        family="maze",
        entry_point="sb3_vdb_envs.maze:MazeEnv",
        vector_entry_point="sb3_vdb_envs.maze:MazeVectorEnv",
        max_episode_steps=100,
        kwargs={"layout": layout},
        summary=summary,
        scripted_expert="sb3_vdb_envs.maze:WaypointController",
    )


def _maze_pixels(name: str, layout: str, title: str) -> EnvironmentRow:
    state = _maze(name, layout, f"the {title} seen from above in 64 x 64 pixels")
    return state._replace(
        name=f"{name}Pixels",
        kwargs={"layout": layout, "image_size": PIXELS},
        state_twin=state.id,
        look=("image_size",),
    )


def _humanoid(name: str, clip: str, summary: str) -> EnvironmentRow:
    return EnvironmentRow(
        name=f"Humanoid{name}",
        family="humanoid",
        entry_point="sb3_vdb_envs.humanoid:HumanoidEnv",
        vector_entry_point="sb3_vdb_envs.humanoid:HumanoidVectorEnv",
        max_episode_steps=600,
        kwargs={"clip": clip},
        summary=summary,
        simulator="mujoco",
    )


def _bullet_humanoid(name: str, clip: str, seen: str) -> EnvironmentRow:
    return _humanoid(name, clip, f"the same in Bullet, the paper's simulator: {seen}")._replace(
        name=f"BulletHumanoid{name}",
        vector_entry_point=None,  # Bullet simulates one character at a time
        kwargs={"clip": clip, "simulator": "bullet"},
        simulator="bullet",
    )


def _biped(name: str, clip: str, summary: str) -> EnvironmentRow:
    return EnvironmentRow(
        name=f"Biped{name}Video",
        family="biped",
        entry_point="sb3_vdb_envs.biped:BipedEnv",
        vector_entry_point="sb3_vdb_envs.biped:BipedVectorEnv",
        max_episode_steps=600,
        kwargs={"clip": clip},
        summary=summary,
        simulator="mujoco",
        look=("frame_size", "frame_stack"),
    )


def _suite(task: SuiteTask) -> EnvironmentRow:
    return EnvironmentRow(
        name=f"{task.name}State",
        family="suite",
        entry_point="sb3_vdb_envs.suite.env:SuiteStateEnv",
        vector_entry_point="sb3_vdb_envs.suite.vector_env:state_vector_env",
        max_episode_steps=None,  # the suite ends its episodes itself, in frames
        kwargs={"task": task.name},
        summary=f"dm_control {task.title}, observed as state",
        simulator="dm_control",
        look=SHOWN_LOOK,
        heavy=task.heavy,
    )


def _suite_pixels(task: SuiteTask) -> EnvironmentRow:
    state = _suite(task)
    return state._replace(
        name=f"{task.name}Pixels",
        entry_point="sb3_vdb_envs.suite.env:SuitePixelEnv",
        vector_entry_point="sb3_vdb_envs.suite.vector_env:pixel_vector_env",
        summary=f"dm_control {task.title}, observed as 64 x 64 pixels",
        state_twin=state.id,
        look=PIXEL_LOOK,
    )


def _claw(row: ClawRow) -> EnvironmentRow:
    return EnvironmentRow(
        name=f"{row.name}State",
        family="hands",
        entry_point="sb3_vdb_envs.hands.env:ClawStateEnv",
        vector_entry_point="sb3_vdb_envs.hands.vector_env:claw_states",
        max_episode_steps=CLAW_STEPS,
        kwargs={"n_prongs": row.n_prongs, "direction": row.direction},
        summary=f"{row.title}, observed as state",
        simulator="mujoco",
        look=HAND_LOOK,
    )


def _claw_pixels(row: ClawRow) -> EnvironmentRow:
    state = _claw(row)
    return state._replace(
        name=f"{row.name}Pixels",
        entry_point="sb3_vdb_envs.hands.env:ClawPixelEnv",
        vector_entry_point="sb3_vdb_envs.hands.vector_env:claw_pixels",
        summary=f"{row.title}, observed as 64 x 64 pixels",
        state_twin=state.id,
        look=HAND_PIXEL_LOOK,
    )


BAODING = EnvironmentRow(
    name="BaodingState",
    family="hands",
    entry_point="sb3_vdb_envs.hands.env:BaodingStateEnv",
    vector_entry_point="sb3_vdb_envs.hands.vector_env:baoding_states",
    max_episode_steps=BAODING_STEPS,
    kwargs={},
    summary="a hand lets two balls go round each other, observed as state",
    simulator="hand",
    look=HAND_LOOK,
)
BAODING_PIXELS = BAODING._replace(
    name="BaodingPixels",
    entry_point="sb3_vdb_envs.hands.env:BaodingPixelEnv",
    vector_entry_point="sb3_vdb_envs.hands.vector_env:baoding_pixels",
    summary="a hand lets two balls go round each other, observed as 64 x 64 pixels",
    state_twin=BAODING.id,
    look=HAND_PIXEL_LOOK,
)


def _racing() -> EnvironmentRow:
    return EnvironmentRow(
        name="CarRacingState",
        family="racing",
        entry_point="sb3_vdb_envs.racing:RacingEnv",
        vector_entry_point="sb3_vdb_envs.racing:RacingVectorEnv",
        max_episode_steps=None,  # the limit is in frames
        kwargs={},
        summary="Gymnasium's CarRacing, observed as speeds and the road ahead",
        simulator="box2d",
        scripted_expert="sb3_vdb_envs.racing:CarDriver",
    )


def _racing_pixels() -> EnvironmentRow:
    state = _racing()
    return state._replace(
        name="CarRacingPixels",
        kwargs={"image_size": PIXELS},
        summary="Gymnasium's CarRacing, observed as 64 x 64 pixels",
        state_twin=state.id,
        look=("image_size", "frame_stack"),
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
    _humanoid(
        "Mocap", "walk", "mocap humanoid with any clip: `clip=` a name or a DeepMimic file's path"
    )._replace(kwargs={}),
    *(_bullet_humanoid(*motion) for motion in MOTIONS),
    _biped("Run", "run", "planar biped that runs at 3.56 m/s, with 64 x 64 frames to imitate"),
    _biped("Walk", "walk", "planar biped that walks at 0.98 m/s, likewise"),
    _biped("Jump", "jump", "planar biped that jumps forwards, likewise"),
    _biped("Run", "run", "the running biped in Bullet, the paper's simulator")._replace(
        name="BulletBipedRunVideo",
        vector_entry_point=None,
        kwargs={"clip": "run", "simulator": "bullet"},
        simulator="bullet",
    ),
    *(row(task) for task in TASKS for row in (_suite_pixels, _suite)),
    *(row(task) for task in CLAW_TASKS for row in (_claw_pixels, _claw)),
    BAODING_PIXELS,
    BAODING,
    _racing_pixels(),
    _racing(),
)
_BY_ID = {row.id: row for row in ENVIRONMENTS}


def environment(env_id: str) -> EnvironmentRow | None:
    """Find the row of an id that this package registers.

    :param env_id: as :func:`gymnasium.make` takes it, also as ``"module:id"``
    :return: None for an id of another package
    """
    return _BY_ID.get(env_id.split(":")[-1])


def register_envs() -> None:
    """Register every row of ``ENVIRONMENTS``; calling it again changes nothing."""
    for row in ENVIRONMENTS:
        if row.id not in registry:
            batch = f"sb3_vdb_envs.vector_entry_points:{row.name}"
            register(
                id=row.id,
                entry_point=row.entry_point,
                vector_entry_point=None if row.vector_entry_point is None else batch,
                max_episode_steps=row.max_episode_steps,
                kwargs=dict(row.kwargs),
            )


__all__ = ["ENVIRONMENTS", "MOTIONS", "EnvironmentRow", "environment", "id_of", "register_envs"]
