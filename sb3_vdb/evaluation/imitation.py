"""How well a policy imitates a motion clip: the VDB paper's joint rotation error, and what must
stand beside it.
"""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.acting import Predictor, Step, steps
from sb3_vdb.evaluation.pose_errors import PoseErrors, measure

ERRORS = ("joint_error", "joint_error_with_root", "joint_error_weighted")
SHIFT_EVERY = 3  # steps between two measurements at shifted phases
FALLEN_ERROR = np.pi  # rad, what every step after a fall counts (VDB paper, section 5.1)


class ImitationResult(NamedTuple):
    """Means over episodes; no single number says how good an imitation is.

    A character that stands still scores an error of about 0.55 rad on most clips, and a shuffle
    survives the whole episode: read error, root speed and full episodes together.
    """

    joint_error: float  # rad, 12 joints, pi after a fall: the paper's metric
    joint_error_with_root: float  # rad, the same over 13 rotations
    joint_error_weighted: float  # rad, the same with DeepMimic's weights
    joint_error_alive: float  # rad, 12 joints, before any fall
    length: float  # steps
    full_share: float  # of episodes that reach the horizon, or their clip's end, on their feet
    root_speed: float  # m/s over the ground, while alive
    episode_return: float  # task return
    diverged: int  # episodes in which the simulation blew up
    episodes: int
    # rad and cycles: the least error alive over common shifts of the phase, and that shift; nan
    # where it was not measured. Far below `joint_error_alive`, the motion is right and out of time.
    joint_error_shifted: float = np.nan
    phase_shift: float = np.nan
    # m, distances of the joints from the clip's relative to the root while alive, at the same phase
    # and after dynamic time warping; nan where they were not measured
    pose_error: float = np.nan
    pose_error_warped: float = np.nan


def evaluate_imitation(
    policy: Predictor,
    venv: VecEnv,
    horizon: int = 600,
    deterministic: bool = True,
    phase_shifts: int = 0,
    pose_errors: bool = False,
) -> ImitationResult:
    """Run one episode in every environment.

    :param policy: whatever has SB3's ``predict``
    :param venv: humanoid environments that report ``joint_error`` in every step's infos
        (``make_vec_env(id, n, every_step_infos=True)``); seed it beforehand
    :param horizon: steps of a full episode, 20 s
    :param deterministic: whether the policy acts without noise
    :param phase_shifts: parts of a cycle by which the clip is shifted to find the least error; 0
        for none
    :param pose_errors: measure the joints' distances in m as well, which takes some seconds more
    :raises ValueError: the environments do not report the errors
    """
    measured = _Measurements(venv.num_envs, horizon)
    shifted = _ShiftedErrors(venv, phase_shifts) if phase_shifts else None
    poses = PoseErrors(venv) if pose_errors else None
    with closing(steps(policy, venv, deterministic)) as played:
        for t, step in zip(range(horizon), played):  # noqa: B905 - steps have no end
            alive = measured.alive & ~step.dones
            measured.add(t, step)
            if shifted is not None and t % SHIFT_EVERY == 0:
                shifted.add(alive)
            if poses is not None:
                poses.add(alive)
            if not measured.alive.any():
                break
    result = measured.result()
    if shifted is not None:
        error, shift = shifted.least()
        result = result._replace(joint_error_shifted=error, phase_shift=shift)
    if poses is not None:
        same, warped = poses.means()
        result = result._replace(pose_error=same, pose_error_warped=warped)
    return result


class _ShiftedErrors:
    """Collects errors against the clip at shifted phases.

    :param venv: humanoid environments
    :param n: parts of a cycle
    """

    def __init__(self, venv: VecEnv, n: int) -> None:
        self.venv, self.shifts = venv, np.arange(n) / n
        self._sums, self._count = np.zeros(n), 0

    def add(self, alive: npt.NDArray[np.bool_]) -> None:
        """Take in the present moment.

        :param alive: whose episode goes on, shape (num_envs,)
        """
        errors = measure(self.venv, "joint_errors_at", self.shifts)
        self._sums += errors[:, alive].sum(axis=1)
        self._count += int(alive.sum())

    def least(self) -> tuple[float, float]:
        """Give the least mean error and its shift; nan where nobody lived."""
        if not self._count:
            return np.nan, np.nan
        best = int(self._sums.argmin())
        return float(self._sums[best] / self._count), float(self.shifts[best])


class _Measurements:
    """Collects what the environments reported in the first episode of each.

    :param n: number of environments
    :param horizon: steps of a full episode
    """

    def __init__(self, n: int, horizon: int) -> None:
        self.n, self.horizon = n, horizon
        self.alive = np.ones(n, dtype=bool)  # whose episode goes on
        self._errors = {name: np.full((horizon, n), FALLEN_ERROR) for name in ERRORS}
        self._fallen = np.zeros(n, dtype=bool)
        self._lengths, self._returns = np.zeros(n, dtype=np.int64), np.zeros(n)
        self._full_lengths = np.full(n, horizon)  # steps of an episode without a fall
        self._speed_sum, self._diverged = 0.0, 0

    def add(self, t: int, step: Step) -> None:
        """Take in a step of all environments.

        :param t: its number in the episodes, from 0
        :param step: what was played
        :raises ValueError: the environments do not report the errors
        """
        for i in np.flatnonzero(self.alive):
            info = step.infos[i]
            if "joint_error" not in info:
                raise ValueError(
                    "the environments report no `joint_error` in every step; make them with "
                    'sb3_vdb.make_vec_env("sb3_vdb/HumanoidRun-v0", n, every_step_infos=True)'
                )
            for name in ERRORS:
                self._errors[name][t, i] = info[name]
            self._speed_sum += info["root_speed"]
            self._returns[i] += step.rewards[i]
            if t == 0:
                self._full_lengths[i] = info.get("steps_left", self.horizon) + 1
            self._fallen[i] = info["fallen"]
            self._diverged += int(info["diverged"])
        self._lengths[self.alive] += 1
        self.alive &= ~step.dones

    def result(self) -> ImitationResult:
        """Compute the means over the episodes."""
        steps = np.arange(self.horizon)[:, None]
        full = np.minimum(self._full_lengths, self.horizon)
        counted, lived = steps < full, steps < self._lengths
        per_episode = {name: np.mean(self._errors[name], axis=0, where=counted) for name in ERRORS}
        means = {name: float(value.mean()) for name, value in per_episode.items()}
        return ImitationResult(
            **means,
            joint_error_alive=float(self._errors["joint_error"][lived].mean()),
            length=float(self._lengths.mean()),
            full_share=float((~self._fallen & (self._lengths >= full)).mean()),
            root_speed=self._speed_sum / float(self._lengths.sum()),
            episode_return=float(self._returns.mean()),
            diverged=self._diverged,
            episodes=self.n,
        )
