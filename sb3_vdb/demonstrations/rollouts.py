"""Recording whole episodes of a model in vectorised environments."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, unwrap_vec_normalize

from sb3_vdb.acting import ActingPolicy, Predictor
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.transitions import map_parts
from sb3_vdb.vec_env import action_repeat_of


class PlayedEpisode(NamedTuple):
    """An episode of a policy and the infos of its last step."""

    trajectory: Trajectory
    info: dict[str, Any]


class _Recorder:
    """Collects the episode that one environment is in."""

    def __init__(self, observation: Any, action_repeat: int | None) -> None:
        self.observations, self.action_repeat = [observation], action_repeat
        self.actions: list[npt.NDArray[Any]] = []
        self.rewards: list[float] = []

    def finish(self, terminal: bool) -> Trajectory:
        rewards = np.array(self.rewards, dtype=np.float32)
        observations = map_parts(lambda *steps: np.stack(steps), *self.observations)
        actions = np.stack(self.actions)
        return Trajectory(observations, actions, rewards, terminal, self.action_repeat)


def _raw(normalizer: VecNormalize | None, values: Any, kind: str) -> Any:
    """Return observations or rewards as they were before a VecNormalize."""
    if normalizer is None:
        return map_parts(np.array, values)
    original = (
        normalizer.get_original_obs()
        if kind == "observations"
        else normalizer.get_original_reward()
    )
    return map_parts(np.asarray, original)


def _row(observations: Any, i: int) -> Any:
    """Take the observation of one environment."""
    return map_parts(lambda part: part[i], observations)


def collect_episodes(
    model: Predictor, venv: VecEnv, n_episodes: int, deterministic: bool
) -> list[PlayedEpisode]:
    """Run a model until enough episodes have ended; see :meth:`Demonstrations.from_rollouts`.

    :raises ValueError: ``n_episodes`` is not positive
    """
    if n_episodes < 1:
        raise ValueError(f"`n_episodes` must be at least 1, got {n_episodes}")
    normalizer = unwrap_vec_normalize(venv)
    if normalizer is None:
        return _collect(model, venv, n_episodes, deterministic, None)
    training, normalizer.training = normalizer.training, False  # recording teaches it nothing
    try:
        return _collect(model, venv, n_episodes, deterministic, normalizer)
    finally:
        normalizer.training = training


def _collect(
    model: Predictor,
    venv: VecEnv,
    n_episodes: int,
    deterministic: bool,
    normalizer: VecNormalize | None,
) -> list[PlayedEpisode]:
    """Do the work of :func:`collect_episodes`; ``normalizer`` is the stack's VecNormalize."""
    quota = [(n_episodes + i) // venv.num_envs for i in range(venv.num_envs)]
    episodes: list[list[PlayedEpisode]] = [[] for _ in range(venv.num_envs)]
    observations: Any = venv.reset()
    raw = _raw(normalizer, observations, "observations")
    repeat = action_repeat_of(venv)
    recorders = [_Recorder(_row(raw, i), repeat) for i in range(venv.num_envs)]
    actor = ActingPolicy(model, venv.num_envs, deterministic)
    while any(len(done) < wanted for done, wanted in zip(episodes, quota, strict=True)):
        actions = actor.act(observations)
        observations, rewards, ended, infos = venv.step(actions)
        actor.note_ends(ended)
        raw, raw_rewards = (
            _raw(normalizer, observations, "observations"),
            _raw(normalizer, rewards, "rewards"),
        )
        for i, recorder in enumerate(recorders):
            recorder.actions.append(np.array(actions[i]))
            recorder.rewards.append(float(raw_rewards[i]))
            if not ended[i]:
                recorder.observations.append(_row(raw, i))
                continue
            last: Any = infos[i]["terminal_observation"]
            last = last if normalizer is None else normalizer.unnormalize_obs(last)
            recorder.observations.append(last)
            trajectory = recorder.finish(terminal=not infos[i].get("TimeLimit.truncated", False))
            episodes[i].append(PlayedEpisode(trajectory, infos[i]))
            recorders[i] = _Recorder(_row(raw, i), repeat)
    return [
        episode for done, wanted in zip(episodes, quota, strict=True) for episode in done[:wanted]
    ]
