"""What a task of a hand says of itself: model, start, actions, reward and what is observed."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CONTROL_STEP = 0.1  # s, of every task


class Camera(NamedTuple):
    """A camera that stands still."""

    distance: float  # m
    azimuth: float  # degrees
    elevation: float  # degrees
    target: tuple[float, float, float]  # m


class Outcome(NamedTuple):
    """What a control step of n copies comes to."""

    terms: dict[str, Array]  # of the reward, each of shape (n,)
    terminated: Mask | None = None


class HandTask(Protocol):
    """A task, for any number of copies at once. Positions and velocities are MuJoCo's ``qpos`` and
    ``qvel``, shapes (n, nq) and (n, nv); clocks are control steps since the start, shape (n,).
    """

    model: Any
    n_actions: int
    n_features: int
    joints: npt.NDArray[np.intp]  # of the hand, columns of positions
    camera: Camera

    def start(self, generator: np.random.Generator) -> tuple[Array, Array]:
        """Give position and velocity in which an episode starts."""

    def controls(self, positions: Array, actions: Array) -> Array:
        """Turn actions in [-1, 1] into what actuators are asked for during the step."""

    def outcome(self, positions: Array, velocities: Array, clocks: Array) -> Outcome:
        """Compute the terms of the reward after a step, and who has failed."""

    def features(self, positions: Array, velocities: Array, clocks: Array) -> Array:
        """Give the state that a policy observes, shape (n, n_features)."""

    def measurements(self, positions: Array, velocities: Array, clocks: Array) -> dict[str, Array]:
        """Give what ``info`` says of the present moment, each of shape (n,)."""

    def arrange(self, data: Any, clock: float) -> None:
        """Place in a picture what is no body, once ``data`` holds the positions of all bodies."""


def toward(present: Array, wanted: Array, reach: float) -> Array:
    """Limit targets of joints to what a speed limit lets them reach in a control step.

    :param present: rad, shape (n, joints)
    :param wanted: rad, shape (n, joints)
    :param reach: rad
    """
    return np.clip(wanted, present - reach, present + reach)
