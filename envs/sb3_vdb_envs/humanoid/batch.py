"""n humanoids that imitate a clip: initialisation, control, reward and termination, over any
simulator.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb_envs.batched import BatchStep
from sb3_vdb_envs.humanoid import actions as control
from sb3_vdb_envs.humanoid import character, rotations
from sb3_vdb_envs.humanoid.features import (
    FARTHEST,
    N_DRIFT,
    drift,
    feature_bounds,
    features,
    quaternion_columns,
)
from sb3_vdb_envs.humanoid.kinematics import (
    Bodies,
    CharacterState,
    forward_kinematics,
    lowest_points,
)
from sb3_vdb_envs.humanoid.rewards import WEIGHTS, imitation_terms, joint_rotation_errors
from sb3_vdb_envs.humanoid.settings import CONTACT_HEIGHT, STEP, Settings, lift
from sb3_vdb_envs.humanoid.simulator import Simulator
from sb3_vdb_envs.vector import Observations

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LOGGER = logging.getLogger(__name__)


class HumanoidBatch:
    """The environment's logic for n characters; simulators only make the physics steps. A subclass
    says what another character observes, how its actions become targets and which joints count.

    :param settings: what the user chose
    :param simulator: simulates n characters
    :param n: number of characters
    """

    observes_video = False  # whether the clip is given as pictures alone
    error_joints = tuple(range(1, character.N_MOVING))  # of the joint rotation error

    def __init__(self, settings: Settings, simulator: Simulator, n: int) -> None:
        self.settings, self.simulator, self.n = settings, simulator, n
        clip = settings.clip
        self._absolute = self._absolute_targets()
        self._falls = np.isin(character.NAMES, settings.fall_bodies)
        self._times = np.zeros(n)  # in the clip, s
        self._offsets = np.zeros((n, 2))  # of the motion over the ground, m
        self.diverged_episodes = 0
        self._state, self._target = simulator.get(), clip.state(self._times)
        self._bodies = forward_kinematics(self._state)

    def _absolute_targets(self) -> Callable[[Array], Array]:
        """Make the function that computes PD targets from the action alone."""
        return control.absolute_targets(self.settings.clip, self.settings.action)

    @property
    def observation_space(self) -> gym.Space[Any]:
        """The space in which the observations of one character lie."""
        bounds = feature_bounds(self.settings.rotation)
        state = gym.spaces.Box(-bounds, bounds, dtype=np.float32)
        if not self.settings.drift:
            return state
        drifts = gym.spaces.Box(-FARTHEST, FARTHEST, (N_DRIFT,), np.float32)
        return gym.spaces.Dict({"state": state, "drift": drifts})

    @property
    def action_space(self) -> gym.spaces.Box:
        """The space in which the actions of one character lie."""
        return gym.spaces.Box(-1.0, 1.0, (control.FORMS[self.settings.action],), np.float32)

    @property
    def phases(self) -> Array:
        """Progress through the clip, shape (n,)."""
        return self.settings.clip.phase(self._times)

    @property
    def characters(self) -> tuple[CharacterState, CharacterState]:
        """States of the simulated characters and of the motion."""
        return self._state, self._target

    def reset(
        self, indices: npt.NDArray[np.intp], generators: Sequence[np.random.Generator]
    ) -> None:
        """Place some characters into the clip at random times, lifted out of the ground.

        :param indices: which, shape (k,)
        :param generators: their random generators, k of them
        """
        if len(indices):
            clip = self.settings.clip
            share = np.array([generator.random() for generator in generators])
            times = share * clip.duration if self.settings.random_start else np.zeros(len(share))
            state = clip.state(times)
            self._times[indices] = times
            self._offsets[indices] = -state.root_position[:, :2]
            state.root_position[:, :2] = 0.0
            target = CharacterState(*(part.copy() for part in state))
            lift(state)
            self.simulator.put(indices, state)
            self._state = self.simulator.get()
            self._target.put(indices, target)
            fresh = forward_kinematics(self._state.take(indices))
            for mine, theirs in zip(self._bodies, fresh, strict=True):
                mine[indices] = theirs

    def observe(self) -> Observations:
        """Return the observations of all characters, shape (n, features), or one such array a
        part.
        """
        return self._see(self.phases, self._state, self._bodies, self._target)

    def _see(
        self, phases: Array, state: CharacterState, bodies: Bodies, target: CharacterState
    ) -> Observations:
        """Compute observations of any characters.

        :param phases: of the clip, shape (n,)
        :param state: of n characters
        :param bodies: theirs
        :param target: the motion at the same moments
        """
        values = features(phases, state, bodies, self.settings.rotation).astype(np.float32)
        if not self.settings.drift:
            return values
        return {"state": values, "drift": drift(state, target).astype(np.float32)}

    def step(self, actions: npt.NDArray[np.floating]) -> BatchStep:
        """Advance by one control step.

        :param actions: in [-1, 1], clipped to it, shape (n, 28 or 36)
        :raises ValueError: an action is not a number
        """
        clip = self.settings.clip
        bounded = np.clip(np.asarray(actions, dtype=np.float64), -1.0, 1.0)
        if np.isnan(bounded.sum()):
            bad = int(np.flatnonzero(np.isnan(bounded).any(axis=1))[0])
            raise ValueError(
                f"action of character {bad} is not a number; "
                "check the policy for weights that are not finite"
            )
        if self.settings.target == "reference":
            targets = control.reference_targets(clip, self._times, bounded)
        else:
            targets = self._absolute(bounded)
        self.simulator.step(targets)
        self._state = self.simulator.get()
        diverged = self._contain_divergence()
        before = clip.cycle(self._times)
        self._times += STEP
        self._target = self._target_now(clip.cycle(self._times) > before)
        self._bodies, target_bodies = _both(self._state, self._target)
        fallen = diverged | (
            (lowest_points(self._bodies) < CONTACT_HEIGHT)[:, self._falls].any(axis=1)
        )
        terms = imitation_terms(self._state, self._bodies, self._target, target_bodies)
        for values in terms.values():
            values[fallen] = 0.0
        rewards = sum(terms[name] for name in WEIGHTS)
        infos: dict[str, npt.NDArray[Any]] = {f"reward/{name}": terms[name] for name in WEIGHTS}
        infos |= joint_rotation_errors(self._state, self._target, self.error_joints)
        infos |= {"fallen": fallen.copy(), "diverged": diverged}
        ended = np.zeros(self.n, dtype=bool)
        if not clip.loops:
            ended = self._times >= clip.duration - 1e-9
        return BatchStep(self.observe(), np.asarray(rewards), infos, fallen, ended)

    def info(self) -> dict[str, npt.NDArray[Any]]:
        """Return measurements of the present moment, each of shape (n,)."""
        speed = rotations.length(self._state.root_velocity * (1.0, 1.0, 0.0))
        infos: dict[str, npt.NDArray[Any]] = {"phase": self.phases, "root_speed": speed}
        clip = self.settings.clip
        if not clip.loops:
            left = np.ceil((clip.duration - self._times) / STEP - 1e-6)
            infos["steps_left"] = left.astype(np.int64)
        return infos

    def _contain_divergence(self) -> Mask:
        """Find characters whose simulation blew up, count them, and put the motion in their place,
        so that no buffer sees a number that is not finite.

        :return: which, shape (n,)
        """
        fastest = np.maximum(
            np.abs(self._state.root_velocity).max(axis=1),
            np.abs(self._state.angular_velocities).max(axis=(1, 2)),
        )
        finite = np.isfinite(self._state.root_position).all(axis=1) & np.isfinite(
            self._state.rotations
        ).all(axis=(1, 2))
        diverged = ~(finite & (fastest <= character.VELOCITY_LIMIT))
        if diverged.any():
            which = np.flatnonzero(diverged)
            self.diverged_episodes += len(which)
            LOGGER.warning(
                "the simulation of %d character(s) diverged; their episodes end (%d so far)",
                len(which),
                self.diverged_episodes,
            )
            self._state.put(which, self._target.take(which))
            self.simulator.put(which, self._target.take(which))
        return diverged

    def _target_now(self, new_cycle: Mask) -> CharacterState:
        """Compute the motion at the present times, over the ground where the character is.

        At the start of a cycle the motion's root is moved to the character's (horizontally), as
        DeepMimic does; otherwise the cycles' displacements add up.
        """
        target = self.settings.clip.state(self._times)
        if self.settings.sync_root and new_cycle.any():
            position = self._state.root_position[new_cycle, :2]
            self._offsets[new_cycle] = position - target.root_position[new_cycle, :2]
        target.root_position[:, :2] += self._offsets
        return target

    def clip_observations(self, rate: float, start: float = 0.0) -> Observations:
        """Compute one cycle of the clip as observations, lifted out of the ground as at a start.

        :param rate: samples a second
        :param start: moment of the clip of the first sample, s
        :return: shape (steps + 1, features), or one such array a part
        :raises ValueError: the rate is not positive, or gives no step
        """
        clip = self.settings.clip
        length = clip.duration if clip.loops else clip.duration - start
        n_steps = round(length * rate) if 0 < rate < np.inf else 0
        if n_steps < 1:
            raise ValueError(
                f"`rate` must give at least one step of the clip's {clip.duration:.2f} s, "
                f"got {rate}"
            )
        times = start + np.arange(n_steps + 1) / rate
        return self._see_clip(np.minimum(times, np.inf if clip.loops else clip.duration))

    def _see_clip(self, times: Array) -> Observations:
        """Compute what would be observed along the clip, lifted out of the ground.

        :param times: s, shape (n,)
        """
        state = self.settings.clip.state(times)
        lift(state)
        phases = self.settings.clip.phase(times)
        return self._see(phases, state, forward_kinematics(state), state)

    def motion(self, n_phases: int) -> dict[str, Any]:
        """Give the clip as a function of the phase, for a view of differences to it.

        :param n_phases: how many evenly spaced phases
        :return: ``motion``, observations of shape (n_phases, features), and how to read them:
            ``clock``, the column of the phase, ``span``, its first and last value, ``loops``, and
            ``quaternions``, the columns at which they begin
        """
        clip = self.settings.clip
        shares = np.arange(n_phases) / (n_phases if clip.loops else n_phases - 1)
        state = clip.state(shares * clip.duration)
        lift(state)
        values = features(shares, state, forward_kinematics(state), self.settings.rotation)
        return {
            "motion": values.astype(np.float32),
            "clock": 0,
            "span": (-1.0, 1.0),
            "loops": clip.loops,
            "quaternions": quaternion_columns(self.settings.rotation),
            "key": "state" if self.settings.drift else None,
        }

    def push(self, forces: Array) -> None:
        """Let forces act on the chests during the next control step; see
        :meth:`~sb3_vdb_envs.humanoid.simulator.Simulator.push`.
        """
        if np.shape(forces) != (self.n, 3) or not np.isfinite(forces).all():
            raise ValueError(
                f"`forces` must be finite and of shape ({self.n}, 3), got shape {np.shape(forces)}"
            )
        self.simulator.push(forces)

    def joint_errors_at(self, shifts: Array) -> Array:
        """Compute the joint rotation error against the clip at other phases than the own: a gait
        that is out of time has a small one somewhere.

        :param shifts: added to the phase, in cycles, shape (k,)
        :return: rad, 12 joints, shape (k, n)
        """
        clip, k = self.settings.clip, len(shifts)
        times = self._times + np.asarray(shifts)[:, None] * clip.duration  # (k, n)
        if clip.loops:
            times %= clip.duration
        target = clip.state(times.clip(0.0, clip.duration).reshape(-1))
        repeated = CharacterState(*(np.concatenate([part] * k) for part in self._state))
        errors = joint_rotation_errors(repeated, target, self.error_joints)
        return errors["joint_error"].reshape(k, self.n)

    def joint_positions(self) -> Array:
        """Compute where the joints are relative to the root: the characters', and the motion's.

        :return: m, in world axes, shape (2, n, 15, 3)
        """
        bodies = _both(self._state, self._target)
        roots = self._state.root_position, self._target.root_position
        pairs = zip(bodies, roots, strict=True)
        return np.stack([each.origins - root[:, None] for each, root in pairs])

    def get_state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on, except the random generators."""
        clocks = {"times": self._times.copy(), "offsets": self._offsets.copy()}
        return clocks | {"physics": self.simulator.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_state` returned."""
        self.simulator.set_state(state["physics"])
        self._state = self.simulator.get()
        self._times, self._offsets = np.array(state["times"]), np.array(state["offsets"])
        self._target = self._target_now(np.zeros(self.n, dtype=bool))
        self._bodies = forward_kinematics(self._state)


def _both(state: CharacterState, target: CharacterState) -> tuple[Bodies, Bodies]:
    """Compute the bodies of the characters and of the motion in one walk over the tree."""
    n = len(state.root_position)
    joined = forward_kinematics(
        CharacterState(*(np.concatenate(pair) for pair in zip(state, target, strict=True)))
    )
    return Bodies(*(part[:n] for part in joined)), Bodies(*(part[n:] for part in joined))
