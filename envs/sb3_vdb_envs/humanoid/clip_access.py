"""What single and batched humanoids tell of their clip, and of the characters against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.humanoid import character
from sb3_vdb_envs.humanoid.batch import HumanoidBatch
from sb3_vdb_envs.vector import Observations

Array = npt.NDArray[np.float64]


class ClipAccess:
    """Passes on to a batch of characters, or to the batch of one."""

    batch: HumanoidBatch

    @property
    def observes_video(self) -> bool:
        """Whether the clip is given as pictures alone."""
        return self.batch.observes_video

    @property
    def diverged_episodes(self) -> int:
        """Episodes that ended because the simulation blew up."""
        return self.batch.diverged_episodes

    def clip_observations(
        self, rate: float = character.CONTROL_RATE, start: float = 0.0
    ) -> Observations:
        """Compute one cycle of the clip as this environment would observe it, for demonstrations.

        :param rate: samples a second; poses between frames are interpolated
        :param start: moment of the clip of the first sample, s
        :return: shape (steps + 1, features), or one such array a part
        """
        return self.batch.clip_observations(rate, start)

    def motion(self, n_phases: int) -> dict[str, Any]:
        """Give the clip as a function of the phase, for a view of differences to it.

        :param n_phases: how many evenly spaced phases
        :return: arguments of :class:`sb3_vdb.views.Difference`
        """
        return self.batch.motion(n_phases)

    def push(self, forces: Array) -> None:
        """Let forces act on the chests during the next control step.

        :param forces: in world axes, N, shape (n, 3)
        :raises ValueError: another shape
        """
        self.batch.push(forces)

    def joint_errors_at(self, shifts: Array) -> Array:
        """Compute the joint rotation errors against the clip at other phases.

        :param shifts: added to the phase, in cycles, shape (k,)
        :return: rad, shape (k, n)
        """
        return self.batch.joint_errors_at(shifts)

    def joint_positions(self) -> Array:
        """Compute where the joints are relative to the root: the characters', and the clip's.

        :return: m, shape (2, n, 15, 3)
        """
        return self.batch.joint_positions()
