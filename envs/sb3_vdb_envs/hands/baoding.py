"""The task of the hand: let two balls go round each other on the palm."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.dependencies import require
from sb3_vdb_envs.hands.baoding_model import make_model
from sb3_vdb_envs.hands.claw import norm
from sb3_vdb_envs.hands.task import CONTROL_STEP, Array, Camera, Mask, Outcome, toward

# PDDM's start (Nagabandi et al. 2019): 24 joints, rad, from the wrist to the thumb; balls, m
HAND_START = (
    0.0126, -0.398, 0.379, 0.0564, 1.167, 0.0407, 0.265, -0.136, 1.144, 0.045, 0.074, 0.139, 1.112,
    0.234, -0.022, -0.368, 0.0, 1.25, 0.152, -0.021, 0.374, 0.0939, -0.126, -0.536,
)  # fmt: skip
BALL_START = ((-0.029, -0.001, 0.19), (0.03, 0.01, 0.19))
# where balls should be, in the palm's frame: an ellipse, m, whose angle turns once in PERIOD steps
CENTRE, RADII, HEIGHT = (0.005, 0.055), (0.02, 0.036), -0.07
PERIOD, ANGLES = 60, (0.75 * np.pi, -0.25 * np.pi)
# reward: distance of each ball over ground, a ball that fell, the wrist beyond its limit
DISTANCE_COEF, DROP_REWARD, WRIST_REWARD = 5.0, -500.0, -10.0
DROPPED, WRIST_LIMIT = 0.06, 0.15  # m, rad
ACTION_SHARE = 0.9  # of the way to a joint's limit that an action of 1 asks for
TOP_SPEED = 3.0  # rad/s, at which targets may move
CONTROLS = (26, 24)


class BaodingTask:
    """See :class:`.HandTask`.

    :param n_controls: 26 with the forearm (the V-MAIL paper), 24 without (PDDM)
    :param start_noise: rad; joints start within this of PDDM's pose
    :raises ValueError: a bad argument
    """

    camera = Camera(0.3, -67.5, -42.5, (0.0, -0.03, 0.17))  # angles and distance: the authors'

    def __init__(self, n_controls: int = 26, start_noise: float = 0.0) -> None:
        if n_controls not in CONTROLS:
            raise ValueError(
                f"`n_controls` must be 26 (with the forearm) or 24 (without), got {n_controls}"
            )
        if not 0.0 <= start_noise <= 0.2:
            raise ValueError(f"`start_noise` must lie between 0 and 0.2 rad, got {start_noise}")
        self.n_actions, self.start_noise = n_controls, start_noise
        mujoco = require("mujoco", "hands")
        self.model: Any = make_model(forearm=n_controls == CONTROLS[0])
        self._data, self._kinematics = mujoco.MjData(self.model), mujoco.mj_kinematics
        self.joints: npt.NDArray[np.intp] = self.model.jnt_qposadr[:n_controls].astype(np.intp)
        balls = [self.model.joint(f"ball{i}") for i in (1, 2)]
        self._balls = np.array([ball.qposadr[0] + np.arange(3) for ball in balls])
        self._rates = np.array([ball.dofadr[0] + np.arange(3) for ball in balls])
        self._wrist = int(self.model.joint("WRJ0").qposadr[0])
        self._palm = self.model.body("palm").id
        self._sites = [self.model.site(f"target{i}").id for i in (1, 2)]
        self._low, self._high = self.model.actuator_ctrlrange.T
        resting = np.zeros(n_controls - len(HAND_START))  # the forearm
        self._start = np.array([*resting, *HAND_START])
        # two joints of PDDM's start lie a little beyond what their motors can ask for
        self._middle = np.clip(self._start, self._low, self._high)
        self.n_features = n_controls + 16

    def start(self, generator: np.random.Generator) -> tuple[Array, Array]:
        """See :class:`.HandTask`."""
        position, velocity = self.model.qpos0.copy(), np.zeros(self.model.nv)
        noise = generator.uniform(-self.start_noise, self.start_noise, self.n_actions)
        position[self.joints] = self._start + noise
        position[self._balls] = BALL_START
        return position, velocity

    def controls(self, positions: Array, actions: Array) -> Array:
        """See :class:`.HandTask`: 0 asks for the start's pose, 1 and -1 for nine tenths of the way
        to the limits.
        """
        reach = np.where(actions > 0, self._high - self._middle, self._middle - self._low)
        wanted = self._middle + ACTION_SHARE * actions * reach
        return toward(positions[:, self.joints], wanted, TOP_SPEED * CONTROL_STEP)

    def outcome(self, positions: Array, velocities: Array, clocks: Array) -> Outcome:
        """Compute PDDM's reward; as in its code, a ball that falls also pays for the wrist."""
        distances = self._distances(positions, clocks)
        dropped: Mask = np.any(positions[:, self._balls[:, 2]] < DROPPED, axis=1)
        bent = (positions[:, self._wrist] > WRIST_LIMIT) | dropped
        terms = {f"ball_{i + 1}": -DISTANCE_COEF * distances[i] for i in range(2)}
        terms |= {
            "drop": np.where(dropped, DROP_REWARD, 0.0),
            "wrist": np.where(bent, WRIST_REWARD, 0.0),
        }
        return Outcome(terms, dropped)

    def features(self, positions: Array, velocities: Array, clocks: Array) -> Array:
        """See :class:`.HandTask`: joints (rad); of each ball position (m) and velocity (m/s); of
        each target its place over ground (m).
        """
        targets = self._targets(positions, clocks)
        parts = [positions[:, self.joints]]
        for ball, rates in zip(self._balls, self._rates, strict=True):
            parts += [positions[:, ball], velocities[:, rates]]
        return np.concatenate([*parts, *(target[:, :2] for target in targets)], axis=1)

    def measurements(self, positions: Array, velocities: Array, clocks: Array) -> dict[str, Array]:
        """See :class:`.HandTask`."""
        distances = self._distances(positions, clocks)
        return {f"ball_{i + 1}_distance": distances[i] for i in range(2)}

    def arrange(self, data: Any, clock: float) -> None:
        """See :class:`.HandTask`: the targets, which no body carries."""
        rotation, origin = data.xmat[self._palm].reshape(3, 3), data.xpos[self._palm]
        for i, site in enumerate(self._sites):
            data.site_xpos[site] = origin + rotation @ in_palm(i, clock)

    def _distances(self, positions: Array, clocks: Array) -> list[Array]:
        """Give how far each ball is from its target over ground, m, each of shape (n,)."""
        targets = self._targets(positions, clocks)
        return [
            norm(positions[:, ball[:2]] - target[:, :2])
            for ball, target in zip(self._balls, targets, strict=True)
        ]

    def _targets(self, positions: Array, clocks: Array) -> list[Array]:
        """Give where the balls should be, m, each of shape (n, 3)."""
        targets = [np.empty((len(positions), 3)) for _ in ANGLES]
        for row, position in enumerate(positions):
            self._data.qpos[:] = position
            self._kinematics(self.model, self._data)
            rotation = self._data.xmat[self._palm].reshape(3, 3)
            for i, target in enumerate(targets):
                target[row] = self._data.xpos[self._palm] + rotation @ in_palm(i, clocks[row])
        return targets


def in_palm(ball: int, clock: float) -> Array:
    """Give where a ball should be in the palm's frame, x across, -y out of the palm, z to the
    fingers: (c_x + r_x cos a, h, c_z + r_z sin a).

    :param ball: 0 or 1
    :param clock: control steps since the start
    :return: m, shape (3,)
    """
    angle = 2 * np.pi * clock / PERIOD + ANGLES[ball]
    x = CENTRE[0] + RADII[0] * np.cos(angle)
    z = CENTRE[1] + RADII[1] * np.sin(angle)
    return np.array([x, HEIGHT, z])
