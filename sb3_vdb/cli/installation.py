"""``sb3-vdb check-install``: what works on this machine, and what to install for the rest."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import NamedTuple

import click
import numpy as np

DISTRIBUTION = "sb3-vdb"
SHOWN = ("python", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy", "mujoco")
EXTRAS = {
    "humanoid": ("mujoco", "imageio_ffmpeg"),
    "pixels": ("dm_control",),
    "box2d": ("Box2D", "pygame"),
    "bullet": ("pybullet",),
    "hands": ("gymnasium_robotics",),
    "data": ("minari", "datasets", "pyarrow"),
    "hub": ("safetensors", "huggingface_hub"),
    "ray": ("ray",),
    "wandb": ("wandb",),
    "zoo": ("rl_zoo3",),
    "imitation": ("imitation",),
}
OTHER_STACK = ("imitation",)  # extras that bring older versions of other packages
N_STEPS = 3


class Trial(NamedTuple):
    """Something that is tried.

    :param name: what it is
    :param needs: module without which it is not tried
    :param run: does it, and says what came out
    """

    name: str
    needs: str
    run: Callable[[], str]


def _steps(env_id: str) -> str:
    from sb3_vdb.vec_env import make_vec_env

    venv = make_vec_env(env_id, 2, seed=0)
    venv.reset()
    for _ in range(N_STEPS):
        venv.step(np.stack([venv.action_space.sample() for _ in range(2)]))
    venv.close()
    return f"{env_id} steps"


def _picture(env_id: str) -> str:
    import os

    import gymnasium as gym

    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    env.close()
    if not getattr(picture, "any", lambda: False)():
        raise RuntimeError("the picture is black; see the page `headless` of the documentation")
    return f"{env_id} draws (MUJOCO_GL={os.environ.get('MUJOCO_GL', 'not set')})"


def _training() -> str:
    from stable_baselines3 import PPO

    from sb3_vdb import VAIL, Demonstrations, make_vec_env
    from sb3_vdb_envs.maze import WaypointController

    venv = make_vec_env("sb3_vdb/CMaze-v0", 2, seed=0)
    demonstrations = Demonstrations.from_rollouts(WaypointController("c_maze"), venv, n_episodes=2)
    generator = PPO("MlpPolicy", venv, n_steps=32, batch_size=64, seed=0, device="cpu")
    VAIL(demonstrations, venv, generator, demo_batch_size=32, seed=0).learn(64)
    return "VAIL learns in sb3_vdb/CMaze-v0"


def _policy() -> str:
    from sb3_vdb.pretrained import load_pretrained

    load_pretrained("sb3_vdb/HumanoidRun-v0")
    return "a shipped policy is read"


TRIALS = (
    Trial("training", "torch", _training),
    Trial("maze", "numpy", lambda: _picture("sb3_vdb/CMaze-v0")),
    Trial("humanoid", "mujoco", lambda: _steps("sb3_vdb/HumanoidRun-v0")),
    Trial("OpenGL", "mujoco", lambda: _picture("sb3_vdb/HumanoidRun-v0")),
    Trial("Bullet", "pybullet", lambda: _steps("sb3_vdb/BulletHumanoidRun-v0")),
    Trial("pixels", "dm_control", lambda: _steps("sb3_vdb/CartpoleSwingupPixels-v0")),
    Trial("claw", "mujoco", lambda: _steps("sb3_vdb/DClawScrew3CWState-v0")),
    Trial("hand", "gymnasium_robotics", lambda: _steps("sb3_vdb/BaodingState-v0")),
    Trial("racing", "Box2D", lambda: _steps("sb3_vdb/CarRacingPixels-v0")),
    Trial("policy", "mujoco", _policy),
)


def conflicts() -> list[str]:
    """List what is installed in a version that this package is not made for.

    :return: one sentence each
    """
    from packaging.requirements import Requirement

    listed = []
    for line in requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            present = version(requirement.name)
        except PackageNotFoundError:
            listed.append(f"{requirement.name} is missing; pip install '{requirement}'")
            continue
        if not requirement.specifier.contains(present, prereleases=True):
            listed.append(
                f"{requirement.name} is {present}, and {requirement.specifier} is needed; "
                f"pip install '{requirement.name}{requirement.specifier}'"
            )
    return listed


def _extra_line(extra: str) -> str:
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if not missing:
        return f"{extra:<10} installed"
    note = ", in an environment of its own" if extra in OTHER_STACK else ""
    return f"{extra:<10} not installed; pip install 'sb3-vdb[{extra}]'{note}"


def _shown_version(name: str) -> str:
    if name == "python":
        return sys.version.split()[0]
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _tried(trial: Trial) -> tuple[str, bool]:
    if find_spec(trial.needs) is None:
        return f"skipped: {trial.needs} is not installed", True
    try:
        return f"works: {trial.run()}", True
    except Exception as error:  # whatever a machine lacks
        return f"FAILS: {type(error).__name__}: {error}", False


@click.command("check-install")
def check_install() -> None:
    """Try on this machine what the package needs: versions, extras, environments, OpenGL, a short
    training. Ends with an error where something that is installed does not work.
    """
    for name in SHOWN:
        click.echo(f"{name:<18} {_shown_version(name)}")
    click.echo()
    for extra in EXTRAS:
        click.echo(_extra_line(extra))
    click.echo()
    failed = conflicts()
    for line in failed:
        click.echo(f"version: {line}")
    for trial in TRIALS:
        said, is_well = _tried(trial)
        click.echo(f"{trial.name:<10} {said}")
        if not is_well:
            failed.append(trial.name)
    if failed:
        raise click.ClickException(f"{len(failed)} of these do not work on this machine")
