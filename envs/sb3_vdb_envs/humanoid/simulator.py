"""What the environment needs of a physics simulator: it steps, and does nothing else."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid.kinematics import CharacterState

Array = npt.NDArray[np.float64]


class Plant(NamedTuple):
    """What differs from the character that policies are trained with, to see what they bear."""

    mass_scale: float = 1.0  # of all bodies, their inertia included
    friction_scale: float = 1.0  # of all contacts


NOMINAL = Plant()


def make_plant(mass_scale: float, friction_scale: float) -> Plant:
    """Make a plant.

    :raises ValueError: a scale is not positive
    """
    for name, value in (("mass_scale", mass_scale), ("friction_scale", friction_scale)):
        if not 0.0 < value < np.inf:
            raise ValueError(f"`{name}` must be positive, got {value}")
    return Plant(mass_scale, friction_scale)


class Simulator(Protocol):
    """Simulates n characters on a plane under PD control."""

    timestep: float  # s

    def get(self) -> CharacterState:
        """Return the present state of all characters; the arrays may be changed freely."""

    def put(self, indices: npt.NDArray[np.intp], state: CharacterState) -> None:
        """Place some characters.

        :param indices: which, shape (k,)
        :param state: their k states
        """

    def step(self, targets: Array) -> None:
        """Simulate one control step of 1/30 s.

        :param targets: rotation vectors of ball joints and angles of hinges, rad, shape (n, 28)
        """

    def push(self, forces: Array) -> None:
        """Let forces act on the chests during the next control step.

        :param forces: in world axes, N, shape (n, 3)
        :raises NotImplementedError: the simulator does not push
        """

    def get_state(self) -> Array:
        """Return exactly what the next steps depend on.

        :raises NotImplementedError: the simulator keeps state that cannot be read
        """

    def set_state(self, state: Array) -> None:
        """Restore what :meth:`get_state` returned."""

    def close(self) -> None:
        """Release what the simulator holds; closing twice is legal."""


def substeps(timestep: float, rate: int) -> int:
    """Compute the number of physics steps in a control step.

    :param timestep: s
    :param rate: control steps a second
    :raises ValueError: the timestep does not divide the control step
    """
    count = round(1.0 / (rate * timestep)) if timestep > 0 else 0
    if count < 1 or abs(count * timestep * rate - 1.0) > 1e-9:
        raise ValueError(
            f"`timestep` must divide the control step of 1/{rate} s, got {timestep}; "
            "use 1/240 (training) or 1/1200 (the paper's)"
        )
    return count
