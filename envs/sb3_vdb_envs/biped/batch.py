"""n planar bipeds that imitate a clip which a camera sees from the side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import BatchStep
from sb3_vdb_envs.biped.character import HINGE_ROWS, N_HINGES, angles_of
from sb3_vdb_envs.biped.features import feature_bounds, features
from sb3_vdb_envs.biped.frames import FrameArtist
from sb3_vdb_envs.humanoid.actions import ANGLE_SCALE
from sb3_vdb_envs.humanoid.batch import HumanoidBatch
from sb3_vdb_envs.humanoid.kinematics import Bodies, CharacterState, forward_kinematics
from sb3_vdb_envs.humanoid.settings import STEP, Settings, lift
from sb3_vdb_envs.humanoid.simulator import Simulator
from sb3_vdb_envs.vector import Observations

Array = npt.NDArray[np.float64]
Frames = npt.NDArray[np.uint8]

CHANNELS = 3  # of one frame


class BipedBatch(HumanoidBatch):
    """The humanoid's logic with the biped's observations and actions; frames are drawn once a step,
    for all bipeds at once, and again for those that begin anew.

    :param settings: what the user chose; its clip lies in the plane
    :param simulator: simulates n bipeds
    :param n: number of bipeds
    :param frame_size: height and width of frames, pixels
    :param frame_stack: frames that an observation holds, the latest last
    """

    observes_video = True
    error_joints = HINGE_ROWS

    def __init__(
        self, settings: Settings, simulator: Simulator, n: int, frame_size: int, frame_stack: int
    ) -> None:
        if frame_stack < 1:
            raise ValueError(f"`frame_stack` must be at least 1, got {frame_stack}")
        self._artist, self.frame_stack = FrameArtist(frame_size), frame_stack
        self._frames = np.zeros((n, frame_size, frame_size, CHANNELS * frame_stack), np.uint8)
        # whose latest frame is to be drawn, and who begins anew
        self._stale, self._begins = np.ones(n, dtype=bool), np.ones(n, dtype=bool)
        super().__init__(settings, simulator, n)

    def _absolute_targets(self) -> Callable[[Array], Array]:
        """Make the function that computes PD targets from the action alone: an action of 0 asks for
        the clip's mean pose.
        """
        mean = angles_of(self.settings.clip.frames.rotations[:, list(HINGE_ROWS)]).mean(axis=0)
        return lambda actions: mean + ANGLE_SCALE * actions

    @property
    def observation_space(self) -> gym.Space[Any]:
        """The space in which the observations of one biped lie."""
        bounds = feature_bounds()
        return gym.spaces.Dict(
            {
                "state": gym.spaces.Box(-bounds, bounds, dtype=np.float32),
                "frame": gym.spaces.Box(0, 255, self._frames.shape[1:], np.uint8),
                "phase": gym.spaces.Box(-1.0, 1.0, (1,), np.float32),
            }
        )

    @property
    def action_space(self) -> gym.spaces.Box:
        """The space in which the actions of one biped lie."""
        return gym.spaces.Box(-1.0, 1.0, (N_HINGES,), np.float32)

    def reset(
        self, indices: npt.NDArray[np.intp], generators: Sequence[np.random.Generator]
    ) -> None:
        """Place some bipeds into the clip; see :meth:`HumanoidBatch.reset`."""
        super().reset(indices, generators)
        self._stale[indices] = self._begins[indices] = True

    def step(self, actions: npt.NDArray[np.floating]) -> BatchStep:
        """Advance by one control step; see :meth:`HumanoidBatch.step`."""
        self._frames[..., :-CHANNELS] = self._frames[..., CHANNELS:]
        self._stale[:] = True
        return super().step(actions)

    def _see(
        self, phases: Array, state: CharacterState, bodies: Bodies, target: CharacterState
    ) -> Observations:
        """Give the observations of the n bipeds, of which no frame is drawn twice."""
        rows = np.flatnonzero(self._stale)
        if len(rows):
            clip = self.settings.clip
            origin = self._offsets[:, 0] + clip.cycle(self._times) * clip.displacement[0]
            some = Bodies(*(part[rows] for part in bodies))
            fresh = self._artist.draw(state.take(rows), some, origin[rows])
            begins = self._begins[rows]
            self._frames[rows, ..., -CHANNELS:] = fresh
            self._frames[rows[begins]] = np.tile(fresh[begins], self.frame_stack)
            self._stale[:] = self._begins[:] = False
        return {
            "state": features(phases, state, bodies).astype(np.float32),
            "frame": self._frames.copy(),
            "phase": _clock(phases),
        }

    def _see_clip(self, times: Array) -> Observations:
        """Give what a video shows, and nothing else: frames, and how far through the clip."""
        return {"frame": self._clip_frames(times), "phase": _clock(self.settings.clip.phase(times))}

    def _clip_frames(self, times: Array) -> Frames:
        """Draw the clip with the frames before each moment.

        :param times: s, shape (n,)
        :return: shape (n, frame_size, frame_size, channels)
        """
        clip = self.settings.clip
        stack = []
        for age in reversed(range(self.frame_stack)):
            earlier = times - age * STEP
            # looping clips repeat before their start, too
            moments = earlier % clip.duration if clip.loops else earlier.clip(0.0, clip.duration)
            state = clip.state(moments)
            lift(state)
            stack.append(self._artist.draw(state, forward_kinematics(state), np.zeros(len(times))))
        return np.concatenate(stack, axis=-1)

    def motion(self, n_phases: int) -> dict[str, Any]:
        """Give the clip's video as a function of the phase, for a view of differences to it.

        :param n_phases: how many evenly spaced phases
        :return: ``frames``, one a phase, and ``loops``
        """
        clip = self.settings.clip
        shares = np.arange(n_phases) / (n_phases if clip.loops else n_phases - 1)
        frames = self._clip_frames(shares * clip.duration)
        return {"frames": frames, "loops": clip.loops}

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, except the random generators."""
        return {**super().get_state(), "frames": self._frames.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` returned."""
        super().set_state(state)
        self._frames = np.array(state["frames"])
        self._stale[:] = self._begins[:] = False


def _clock(phases: Array) -> npt.NDArray[np.float32]:
    """Scale phases to [-1, 1], shape (n, 1)."""
    return (2.0 * phases[:, None] - 1.0).astype(np.float32)
