"""The Adroit hand with two Baoding balls: the model of ``gymnasium-robotics``, edited.

Hand: V. Kumar's Adroit (Apache-2.0; Shadow Robot's notice in ``LICENSE.md`` of its folder). Balls,
place of the hand, gains and start are PDDM's (Nagabandi et al. 2019, Apache-2.0).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled

from sb3_vdb_envs.dependencies import REQUIREMENTS, require

ROBOTICS, MODEL = "gymnasium_robotics", "envs/assets/adroit_hand/adroit_hammer.xml"
TIMESTEP = 0.0025  # s
# what the hammer's model has and the balls need not
SUPERFLUOUS = ("nail_board", "Object", "table", "vive_tracker")
FOREARM = (0.0, -0.54, 0.19)  # m; so that the palm is where PDDM's is
PALM_UP = (np.sqrt(0.5), -np.sqrt(0.5), 0.0, 0.0)  # quaternion, turned -90 degrees about x
FOREARM_JOINTS = ("ARRx", "ARRy")
GAINS = {"ARRx": 200.0, "ARRy": 200.0, "WRJ1": 5.0, "WRJ0": 5.0}  # Nm/rad; the fingers have 1
FRICTION = (1.0, 0.005, 0.001)  # PDDM's, of hand and balls
BALL_RADIUS, BALL_MASS = 0.028, 0.043  # m, kg
BALL_RGBA = ((1.0, 0.8, 0.31, 1.0), (0.84, 0.59, 0.53, 1.0))
TARGET_RADIUS = 0.008  # m, in pictures
SHOWN_GROUP = 0  # of shapes that MuJoCo renders
HAND_RGBA = (0.45, 0.47, 0.52, 1.0)


def model_path() -> Path:
    """Find the model of the hand.

    :raises DependencyNotInstalled: ``gymnasium-robotics`` is missing, or has no such model
    """
    spec = importlib.util.find_spec(ROBOTICS)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for folder in folders:
        path = Path(folder) / MODEL
        if path.exists():
            return path
    wanted = " ".join(f'"{requirement}"' for requirement in REQUIREMENTS["hands"])
    raise DependencyNotInstalled(
        f"the hand's model comes with gymnasium-robotics, in {MODEL}, and is not found: "
        f'pip install "sb3-vdb[hands]" (or pip install {wanted})'
    )


def make_model(forearm: bool) -> Any:
    """Make the hand with balls and targets.

    :param forearm: whether the forearm turns about two axes, so that there are 26 controls, as the
        V-MAIL paper says; otherwise it is fixed, as in PDDM: 24
    :return: ``mujoco.MjModel``
    :raises DependencyNotInstalled: MuJoCo or ``gymnasium-robotics`` is missing
    """
    mujoco = require("mujoco", "hands")
    spec = mujoco.MjSpec.from_file(str(model_path()))
    _remove(spec)
    spec.option.timestep, spec.option.noslip_iterations = TIMESTEP, 0
    arm = spec.body("forearm")
    arm.pos, arm.quat = FOREARM, PALM_UP
    arm.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT  # not the file's Euler angles
    if not forearm:
        for name in FOREARM_JOINTS:
            spec.delete(spec.actuator(f"A_{name}"))
            spec.delete(spec.joint(name))
    for body in arm.find_all(mujoco.mjtObj.mjOBJ_BODY):
        body.gravcomp = 1.0  # the forearm's motors would otherwise sag under the hand
    arm.gravcomp = 1.0
    for name, gain in GAINS.items():
        if forearm or name not in FOREARM_JOINTS:
            motor = spec.actuator(f"A_{name}")
            motor.gainprm[0], motor.biasprm[1] = gain, -gain
    _show_collisions(spec, mujoco)
    _add_balls(spec, mujoco)
    return spec.compile()


def _remove(spec: Any) -> None:
    """Leave nothing but the hand, floor and light."""
    for name in SUPERFLUOUS:
        spec.delete(spec.body(name))
    for parts in (spec.sensors, spec.excludes):
        for part in list(parts):
            spec.delete(part)
    for camera in list(spec.cameras):
        spec.delete(camera)


def _show_collisions(spec: Any, mujoco: Any) -> None:
    """Show the shapes that collide in place of meshes, which cost seven times as much to render."""
    for geom in list(spec.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            spec.delete(geom)
        elif geom.name.startswith(("C_", "V_")):  # shapes that collide; two have the other name
            geom.group, geom.rgba, geom.friction = SHOWN_GROUP, HAND_RGBA, FRICTION


def _add_balls(spec: Any, mujoco: Any) -> None:
    """Add two free balls, and the sites that show where they should be."""
    for i, rgba in enumerate(BALL_RGBA, start=1):
        ball = spec.worldbody.add_body(name=f"ball{i}", pos=(0.0, 0.0, 0.19))
        ball.add_freejoint(name=f"ball{i}")
        ball.add_geom(
            name=f"ball{i}", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[BALL_RADIUS, 0, 0],
            mass=BALL_MASS, condim=4, friction=FRICTION, rgba=rgba,
            contype=1, conaffinity=1,
        )  # fmt: skip
        spec.body("palm").add_site(
            name=f"target{i}", size=[TARGET_RADIUS, 0, 0], rgba=rgba, group=SHOWN_GROUP
        )
