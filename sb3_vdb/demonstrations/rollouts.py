"""Recording whole episodes of a model in vectorised environments."""

from __future__ import annotations

from contextlib import closing
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.acting import Predictor, Step, steps
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.transitions import Observations, map_parts
from sb3_vdb.vec_env import action_repeat_of

MAX_STEPS = 1_000_000  # of an episode; longer ones are taken for endless


class PlayedEpisode(NamedTuple):
    """An episode of a policy and the infos of its last step."""

    trajectory: Trajectory
    info: dict[str, Any]


class _Recorder:
    """Collects the episode that one environment is in."""

    def __init__(self, action_repeat: int | None) -> None:
        self.action_repeat = action_repeat
        self.observations: list[Observations] = []
        self.actions: list[npt.NDArray[Any]] = []
        self.rewards: list[float] = []

    def add(self, step: Step, i: int) -> None:
        """Take in a step of environment ``i``.

        :raises ValueError: the episode does not end
        """
        self.observations.append(_row(step.observations, i))
        self.actions.append(np.array(step.actions[i]))
        self.rewards.append(float(step.rewards[i]))
        if len(self.actions) >= MAX_STEPS and not step.dones[i]:
            raise ValueError(
                f"an episode has not ended after {MAX_STEPS} steps; give the environment a time "
                "limit: gymnasium.wrappers.TimeLimit(env, max_episode_steps=...)"
            )

    def finish(self, last: Observations, terminal: bool) -> Trajectory:
        """Return the episode, and begin the next one.

        :param last: observation after the last action
        :param terminal: whether it ended by itself
        """
        rewards = np.array(self.rewards, dtype=np.float32)
        observations = map_parts(lambda *parts: np.stack(parts), *self.observations, last)
        actions = np.stack(self.actions)
        self.observations, self.actions, self.rewards = [], [], []
        return Trajectory(observations, actions, rewards, terminal, self.action_repeat)


def _row(observations: Observations, i: int) -> Observations:
    """Take the observation of one environment."""
    return map_parts(lambda part: part[i], observations)


def collect_episodes(
    model: Predictor, venv: VecEnv, n_episodes: int, deterministic: bool
) -> list[PlayedEpisode]:
    """Run a model until enough episodes have ended; see :meth:`Demonstrations.from_rollouts`.

    :raises ValueError: ``n_episodes`` is no positive whole number, an episode does not end, or the
        environments are not those of :func:`sb3_vdb.acting.steps`
    """
    if not isinstance(n_episodes, Integral) or n_episodes < 1:
        raise ValueError(f"`n_episodes` must be a whole number of at least 1, got {n_episodes!r}")
    n_envs = venv.num_envs
    quota = [(n_episodes + i) // n_envs for i in range(n_envs)]
    episodes: list[list[PlayedEpisode]] = [[] for _ in range(n_envs)]
    recorders = [_Recorder(action_repeat_of(venv)) for _ in range(n_envs)]
    with closing(steps(model, venv, deterministic)) as played:
        for step in played:
            for i, recorder in enumerate(recorders):
                recorder.add(step, i)
            for i, last in step.finals.items():
                trajectory = recorders[i].finish(last, step.is_terminal(i))
                episodes[i].append(PlayedEpisode(trajectory, step.infos[i]))
            if all(len(done) >= wanted for done, wanted in zip(episodes, quota, strict=True)):
                break
    return [
        episode for done, wanted in zip(episodes, quota, strict=True) for episode in done[:wanted]
    ]
