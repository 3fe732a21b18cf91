"""The task of the claw: turn the valve as fast as possible, one way round."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.hands.claw_model import N_FINGERS, N_JOINTS, PRONGS, RESET_POSE, model_xml
from sb3_vdb_envs.hands.task import CONTROL_STEP, Array, Camera, Outcome, toward

# rad, what an action of 1 asks of a finger's joints (ROBEL)
ACTION_SCALE = np.tile([0.48, math.pi / 3, math.pi / 2], N_FINGERS)
TOP_SPEED = 2 * math.pi / 3  # rad/s, at which targets may move (ROBEL)
# the V-MAIL authors' reward: of the valve's velocity, and joints that count as moving, rad/s
VELOCITY_COEF, MOVING = 5.0, 0.5
DIRECTIONS = {"CCW": 1, "CW": -1}  # seen from above


class ClawTask:
    """See :class:`.HandTask`.

    :param n_prongs: of the valve, 3 or 4
    :param direction: 1 counter-clockwise seen from above, -1 clockwise
    :param start_noise: rad; the valve starts within this angle of 0
    :raises ValueError: a bad argument
    """

    n_actions = N_JOINTS
    n_features = 2 * N_JOINTS + 3
    camera = Camera(0.5, 180.0, -30.0, (0.0, 0.0, 0.2))  # the V-MAIL authors'

    def __init__(self, n_prongs: int, direction: int, start_noise: float = 0.0) -> None:
        if n_prongs not in PRONGS:
            raise ValueError(f"`n_prongs` must be 3 or 4, got {n_prongs}")
        if direction not in DIRECTIONS.values():
            raise ValueError(
                f"`direction` must be 1 (counter-clockwise) or -1 (clockwise), got {direction}"
            )
        if not 0.0 <= start_noise <= math.pi:
            raise ValueError(f"`start_noise` must lie between 0 and pi rad, got {start_noise}")
        self.direction, self.start_noise = direction, start_noise
        self.model: Any = require("mujoco", "humanoid").MjModel.from_xml_string(model_xml(n_prongs))
        names = [f"joint{i + 1}{k + 1}" for i in range(N_FINGERS) for k in range(3)]
        joints = [self.model.joint(name) for name in names]
        self.joints: npt.NDArray[np.intp] = np.array([joint.qposadr[0] for joint in joints])
        self._rates = np.array([joint.dofadr[0] for joint in joints])
        valve = self.model.joint("valve")
        self._angle, self._velocity = int(valve.qposadr[0]), int(valve.dofadr[0])

    def start(self, generator: np.random.Generator) -> tuple[Array, Array]:
        """See :class:`.HandTask`."""
        position, velocity = np.zeros(self.model.nq), np.zeros(self.model.nv)
        position[self.joints] = RESET_POSE
        position[self._angle] = generator.uniform(-self.start_noise, self.start_noise)
        return position, velocity

    def controls(self, positions: Array, actions: Array) -> Array:
        """See :class:`.HandTask`."""
        return toward(positions[:, self.joints], ACTION_SCALE * actions, TOP_SPEED * CONTROL_STEP)

    def outcome(self, positions: Array, velocities: Array, clocks: Array) -> Outcome:
        """Compute 5 d v - |q - q_reset| - |rates of moving joints|, the V-MAIL authors' reward."""
        rates = velocities[:, self._rates]
        moving = np.where(np.abs(rates) >= MOVING, rates, 0.0)
        return Outcome(
            {
                "valve": VELOCITY_COEF * self.direction * velocities[:, self._velocity],
                "pose": -norm(positions[:, self.joints] - RESET_POSE),
                "rates": -norm(moving),
            }
        )

    def features(self, positions: Array, velocities: Array, clocks: Array) -> Array:
        """See :class:`.HandTask`: joints (rad), cosine and sine of the valve's angle, rates (rad/s)
        of joints and valve.
        """
        angles = positions[:, self._angle, None]
        return np.concatenate(
            [
                positions[:, self.joints],
                np.cos(angles),
                np.sin(angles),
                velocities[:, self._rates],
                velocities[:, self._velocity, None],
            ],
            axis=1,
        )

    def measurements(self, positions: Array, velocities: Array, clocks: Array) -> dict[str, Array]:
        """See :class:`.HandTask`."""
        return {
            "valve_angle": positions[:, self._angle].copy(),
            "valve_velocity": velocities[:, self._velocity].copy(),
        }

    def arrange(self, data: Any, clock: float) -> None:
        """See :class:`.HandTask`."""


def norm(vectors: Array) -> Array:
    """Compute Euclidean norms, column by column, so that they do not depend on the batch's layout.

    :param vectors: shape (n, size)
    :return: shape (n,)
    """
    total = np.zeros(len(vectors))
    for column in range(vectors.shape[1]):
        total += vectors[:, column] * vectors[:, column]
    return np.sqrt(total)
