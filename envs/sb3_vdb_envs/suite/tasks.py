"""The table of dm_control's tasks, and how one is made."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from gymnasium.error import DependencyNotInstalled

from sb3_vdb_envs.dependencies import require

_IMPORT_LOCK = threading.Lock()


class SuiteTask(NamedTuple):
    """One task of the suite, or one of ours over a domain of it."""

    name: str  # in the id
    domain: str
    task: str
    speeds: tuple[float, float] | None = None  # m/s, the walker's target band; None for the suite's

    @property
    def title(self) -> str:
        """Name for people."""
        if self.speeds is None:
            return f"{self.domain} {self.task}"
        low, high = self.speeds
        bounded = np.isfinite(high)
        return f"walker at {low:g} to {high:g} m/s" if bounded else f"walker above {low:g} m/s"

    @property
    def heavy(self) -> bool:
        """Whether its model takes long to compile."""
        return self.domain in HEAVY_DOMAINS


def _camel(word: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in word.split("_"))


# dm_control 1.0.50's `suite.ALL_TASKS`; a test compares them
DOMAINS: dict[str, tuple[str, ...]] = {
    "acrobot": ("swingup", "swingup_sparse"),
    "ball_in_cup": ("catch",),
    "cartpole": (
        "balance", "balance_sparse", "swingup", "swingup_sparse", "two_poles", "three_poles",
    ),
    "cheetah": ("run",),
    "dog": ("stand", "walk", "trot", "run", "fetch"),
    "finger": ("spin", "turn_easy", "turn_hard"),
    "fish": ("upright", "swim"),
    "hopper": ("stand", "hop"),
    "humanoid": ("stand", "walk", "run", "run_pure_state"),
    "humanoid_CMU": ("stand", "walk", "run"),
    "lqr": ("lqr_2_1", "lqr_6_2"),
    "manipulator": ("bring_ball", "bring_peg", "insert_ball", "insert_peg"),
    "pendulum": ("swingup",),
    "point_mass": ("easy", "hard"),
    "quadruped": ("walk", "run", "escape", "fetch"),
    "reacher": ("easy", "hard"),
    "stacker": ("stack_2", "stack_4"),
    "swimmer": ("swimmer6", "swimmer15"),
    "walker": ("stand", "walk", "run"),
}  # fmt: skip

HEAVY_DOMAINS = ("dog", "quadruped", "manipulator", "stacker", "humanoid_CMU", "swimmer")

# The V-MAIL paper's transfer experiment (section 4.3): target speed 2 to 4 m/s, and above 8. The
# suite's own walk task asks for 1 m/s or more.
BANDS = {"WalkerSpeed2To4": (2.0, 4.0), "WalkerSpeedAbove8": (8.0, float("inf"))}

TASKS: tuple[SuiteTask, ...] = (
    *(
        SuiteTask(_camel(domain) + _camel(task), domain, task)
        for domain, tasks in DOMAINS.items()
        for task in tasks
    ),
    *(SuiteTask(name, "walker", "walk", speeds) for name, speeds in BANDS.items()),
)
BY_NAME = {task.name: task for task in TASKS}


def load_task(task: SuiteTask) -> Any:
    """Make a dm_control environment.

    :param task: row of :data:`TASKS`
    :return: ``dm_control.rl.control.Environment``
    :raises DependencyNotInstalled: dm_control is missing, or MuJoCo 4 is installed, with which it
        does not work
    """
    mujoco = require("mujoco", "pixels")
    if int(mujoco.__version__.split(".")[0]) >= 4:
        raise DependencyNotInstalled(
            f"dm_control does not work with mujoco {mujoco.__version__}: "
            'pip install "mujoco>=3.17,<4"'
        )
    with _IMPORT_LOCK:  # threads share the variable by which dm_control chooses its OpenGL
        if "dm_control.suite" in sys.modules:
            suite = sys.modules["dm_control.suite"]
        else:
            with _rendering_disabled():
                suite = require("dm_control.suite", "pixels")
    # its own random state is replaced at every reset
    environment = suite.load(task.domain, task.task, task_kwargs={"random": 0})
    if task.speeds is not None:
        _set_speed_band(environment, task.speeds)
    return environment


@contextlib.contextmanager
def without_opengl(physics: Any) -> Iterator[None]:
    """Let a task start an episode without dm_control's OpenGL, which tasks with uneven ground would
    open to hand it the ground; our renderer does that itself.

    :param physics: dm_control's physics
    """
    if not physics.model.nhfield:
        yield
        return
    before, physics._contexts = physics._contexts, _NoContexts()
    try:
        yield
    finally:
        physics._contexts = before


class _NoContexts:
    """Stands for dm_control's OpenGL and does nothing."""

    ptr = None

    @property
    def gl(self) -> _NoContexts:
        return self

    @property
    def mujoco(self) -> _NoContexts:
        return self

    @contextlib.contextmanager
    def make_current(self) -> Iterator[_NoContexts]:
        yield self

    def call(self, *args: Any) -> None:
        pass

    def free(self) -> None:
        pass


@contextlib.contextmanager
def _rendering_disabled() -> Iterator[None]:
    """Keep dm_control from opening OpenGL when it is imported: states need none, and pictures are
    rendered by our own renderer.
    """
    before = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disabled"
    try:
        yield
    finally:
        if before is None:
            del os.environ["MUJOCO_GL"]
        else:
            os.environ["MUJOCO_GL"] = before


def _set_speed_band(environment: Any, speeds: tuple[float, float]) -> None:
    """Reward the walker for a speed within a band instead of the suite's lower bound.

    :param environment: the suite's walker
    :param speeds: lowest and highest speed of full reward, m/s
    """
    rewards = require("dm_control.utils.rewards", "pixels")
    task = environment.task

    def get_reward(physics: Any) -> float:
        return band_reward(
            rewards, physics.torso_height(), physics.torso_upright(),
            physics.horizontal_velocity(), speeds,
        )  # fmt: skip

    task.get_reward = get_reward


STAND_HEIGHT = 1.2  # m, dm_control's walker
BAND_MARGIN = 1.0  # m/s beyond the band where half of the reward is left


def band_reward(
    rewards: Any, height: float, upright: float, speed: float, speeds: tuple[float, float]
) -> float:
    """Compute the suite's walker reward with a band of speeds.

    :param rewards: ``dm_control.utils.rewards``
    :param height: of the torso, m
    :param upright: cosine of the torso's inclination
    :param speed: horizontal, m/s
    :param speeds: lowest and highest speed of full reward, m/s
    :return: in [0, 1]
    """
    standing = rewards.tolerance(
        height, bounds=(STAND_HEIGHT, float("inf")), margin=STAND_HEIGHT / 2
    )
    stand = (3 * standing + (1 + upright) / 2) / 4
    margin = speeds[0] / 2 if np.isinf(speeds[1]) else BAND_MARGIN
    move = rewards.tolerance(
        speed, bounds=speeds, margin=margin, value_at_margin=0.5, sigmoid="linear"
    )
    return float(stand * (5 * move + 1) / 6)


def legacy_random(seed: int | None) -> np.random.RandomState:
    """Make a generator of the kind that dm_control's tasks sample from.

    :param seed: as shimmy and dm_control take it; None for an unpredictable one
    """
    return np.random.RandomState(seed)
