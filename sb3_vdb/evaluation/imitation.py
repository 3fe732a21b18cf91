"""How well a policy imitates a motion clip: the VDB paper's joint rotation error, and what must
stand beside it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv

ERRORS = ("joint_error", "joint_error_with_root", "joint_error_weighted")
FALLEN_ERROR = np.pi  # rad, what every step after a fall counts (VDB paper, section 5.1)


class Predictor(Protocol):
    """Whatever has SB3's ``predict``."""

    def predict(  # noqa: D102
        self,
        observation: npt.NDArray[np.float32],
        state: tuple[npt.NDArray[np.float32], ...] | None = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.float32], tuple[npt.NDArray[np.float32], ...] | None]: ...


class ImitationResult(NamedTuple):
    """Means over episodes; no one number says it all.

    A character that stands still scores an error of about 0.55 rad on most clips, and a shuffle
    survives the whole episode: read error, root speed and full episodes together.
    """

    joint_error: float  # rad, 12 joints, pi after a fall: the paper's metric
    joint_error_with_root: float  # rad, the same over 13 rotations
    joint_error_weighted: float  # rad, the same with DeepMimic's weights
    joint_error_alive: float  # rad, 12 joints, before any fall
    length: float  # steps
    full_share: (
        float  # share of episodes that reach the horizon, or their clip's end, on their feet
    )
    root_speed: float  # m/s over the ground, while alive
    episode_return: float  # task return
    diverged: int  # episodes in which the simulation blew up
    episodes: int


def evaluate_imitation(
    policy: Predictor, venv: VecEnv, horizon: int = 600, deterministic: bool = True
) -> ImitationResult:
    """Run one episode in every environment.

    :param policy: whatever has SB3's ``predict``
    :param venv: humanoid environments that report ``joint_error`` in every step's infos
        (``make_vec_env(id, n, every_step_infos=True)``); seed it beforehand
    :param horizon: steps of a full episode, 20 s
    :param deterministic: whether the policy acts without noise
    :raises ValueError: the environments do not report the errors
    """
    n = venv.num_envs
    errors = {name: np.full((horizon, n), FALLEN_ERROR) for name in ERRORS}
    alive, fallen = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    lengths, returns = np.zeros(n, dtype=np.int64), np.zeros(n)
    speed_sum, diverged = 0.0, 0
    observations = venv.reset()
    whole = np.full(n, horizon)  # steps of an episode without a fall
    for step in range(horizon):
        actions, _ = policy.predict(observations, deterministic=deterministic)  # type: ignore[arg-type]
        observations, rewards, dones, infos = venv.step(actions)
        for i in np.flatnonzero(alive):
            info = infos[i]
            if "joint_error" not in info:
                raise ValueError(
                    "the environments report no `joint_error` in every step; make them with "
                    'sb3_vdb.make_vec_env("sb3_vdb/HumanoidRun-v0", n, every_step_infos=True)'
                )
            for name in ERRORS:
                errors[name][step, i] = info[name]
            speed_sum += info["root_speed"]
            returns[i] += rewards[i]
            if step == 0:
                whole[i] = info.get("steps_left", horizon) + 1
            fallen[i], diverged = info["fallen"], diverged + int(info["diverged"])
        lengths[alive] += 1
        alive &= ~dones
        if not alive.any():
            break
    steps = np.arange(horizon)[:, None]
    counted, lived = steps < np.minimum(whole, horizon), steps < lengths
    per_episode = {name: np.mean(errors[name], axis=0, where=counted) for name in ERRORS}
    means = {name: float(value.mean()) for name, value in per_episode.items()}
    return ImitationResult(
        **means,
        joint_error_alive=float(errors["joint_error"][lived].mean()),
        length=float(lengths.mean()),
        full_share=float((~fallen & (lengths >= np.minimum(whole, horizon))).mean()),
        root_speed=speed_sum / float(lengths.sum()),
        episode_return=float(returns.mean()),
        diverged=diverged,
        episodes=n,
    )
