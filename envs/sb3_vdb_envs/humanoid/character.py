"""The humanoid of DeepMimic and of the VDB paper: joints, bodies, masses, gains and torque limits.

Source: DeepMimic's ``humanoid3d`` character (Peng et al. 2018), which is y-up. Here z is up, x is
forward and y points to the left: (x, y, z) there is (x, -z, y) here, for positions and for the
vector part of quaternions, so the rotations of its motion clips carry over one to one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

GRAVITY = 9.81  # m/s^2
FRICTION = 0.9  # of ground and character each; Bullet multiplies them
CONTACT_FRICTION = FRICTION**2  # of a contact in DeepMimic's simulator
CONTROL_RATE = 30  # Hz; policy steps
HORIZON = 600  # control steps, 20 s
VELOCITY_LIMIT = 100.0  # m/s or rad/s; beyond it DeepMimic discards an episode as diverged


class Joint(NamedTuple):
    """One joint and the body that it moves.

    Lengths in m, in the frame of the joint with the character upright; a capsule's axis is z.
    """

    name: str
    parent: int  # index of the parent joint, -1 for the root
    kind: str  # "free", "ball", "hinge" or "fixed"
    attach: tuple[float, float, float]  # position in the parent's frame
    torque_limit: float  # N m, each axis
    stiffness: float  # N m/rad
    damping: float  # N m s/rad
    error_weight: float  # DeepMimic's DiffWeight, not normalised
    shape: str  # "sphere", "capsule" or "box"
    size: tuple[float, ...]  # sphere: radius; capsule: radius, half length; box: half extents
    centre: tuple[float, float, float]  # of the body, in the frame of the joint
    mass: float  # kg


def _side(side: str, sign: float, first: int) -> list[Joint]:
    """Make leg and arm of one side; ``sign`` is that of y, ``first`` the index of the hip."""
    return [
        Joint(f"{side}_hip", 0, "ball", (0, sign * 0.084887, 0), 200, 500, 50, 0.5,
              "capsule", (0.055, 0.15), (0, 0, -0.21), 4.5),
        Joint(f"{side}_knee", first, "hinge", (0, 0, -0.421546), 150, 500, 50, 0.3,
              "capsule", (0.05, 0.155), (0, 0, -0.2), 3.0),
        Joint(f"{side}_ankle", first + 1, "ball", (0, 0, -0.40987), 90, 400, 40, 0.2,
              "box", (0.0885, 0.045, 0.0275), (0.045, 0, -0.0225), 1.0),
        Joint(f"{side}_shoulder", 1, "ball", (-0.02405, sign * 0.18311, 0.2435), 100, 400, 40, 0.3,
              "capsule", (0.045, 0.09), (0, 0, -0.14), 1.5),
        Joint(f"{side}_elbow", first + 3, "hinge", (0, 0, -0.274788), 60, 300, 30, 0.2,
              "capsule", (0.04, 0.0675), (0, 0, -0.12), 1.0),
        Joint(f"{side}_wrist", first + 4, "fixed", (0, 0, -0.258947), 0, 0, 0, 0.0,
              "sphere", (0.04,), (0, 0, 0), 0.5),
    ]  # fmt: skip


JOINTS: tuple[Joint, ...] = (
    Joint("root", -1, "free", (0, 0, 0), 0, 0, 0, 1.0, "sphere", (0.09,), (0, 0, 0.07), 6.0),
    Joint("chest", 0, "ball", (0, 0, 0.236151), 200, 1000, 100, 0.5,
          "sphere", (0.11,), (0, 0, 0.12), 14.0),
    Joint("neck", 1, "ball", (0, 0, 0.223894), 50, 100, 10, 0.3,
          "sphere", (0.1025,), (0, 0, 0.175), 2.0),
    *_side("right", -1.0, 3),
    *_side("left", 1.0, 9),
)  # fmt: skip

HINGE_AXIS = np.array([0.0, -1.0, 0.0])  # of knees and elbows; DeepMimic's +z
HINGE_LIMITS = {"knee": (-3.14, 0.0), "elbow": (0.0, 3.14)}  # rad; ball joints have none

NAMES = tuple(joint.name for joint in JOINTS)
N_BODIES = len(JOINTS)
TOTAL_MASS = sum(joint.mass for joint in JOINTS)
MASSES = np.array([joint.mass for joint in JOINTS])

# The root and the 12 actuated joints, in the order of the clips; wrists do not move
MOVING = tuple(i for i, joint in enumerate(JOINTS) if joint.kind != "fixed")
ACTUATED = MOVING[1:]
N_MOVING, N_ACTUATED = len(MOVING), len(ACTUATED)
IS_HINGE = np.array([JOINTS[i].kind == "hinge" for i in ACTUATED])
# where the target of each actuated joint stands among the 28 numbers
TARGET_SLICES = tuple(
    slice(end - width, end)
    for width, end in zip(
        np.where(IS_HINGE, 1, 3).tolist(), np.cumsum(np.where(IS_HINGE, 1, 3)).tolist(), strict=True
    )
)
N_TARGETS = TARGET_SLICES[-1].stop
BALL_COLUMNS = np.concatenate(
    [np.arange(part.start, part.stop) for part in TARGET_SLICES if part.stop - part.start == 3]
)
HINGE_COLUMNS = np.array([part.start for part in TARGET_SLICES if part.stop - part.start == 1])
BALLS, HINGES = np.flatnonzero(~IS_HINGE), np.flatnonzero(IS_HINGE)  # among the actuated

ERROR_WEIGHTS = np.array([JOINTS[i].error_weight for i in MOVING])
ERROR_WEIGHTS = ERROR_WEIGHTS / ERROR_WEIGHTS.sum()
END_EFFECTORS = tuple(
    i for i, joint in enumerate(JOINTS) if joint.name.endswith(("ankle", "wrist"))
)

TORSO = ("root", "chest", "neck")  # the VDB paper's rule: an episode ends when these touch ground
# DeepMimic's list: everything but the feet
ALL_BUT_FEET = tuple(name for name in NAMES if not name.endswith("ankle"))
