"""Absorbing states: episodes of one length, in which what comes after an end is paid like any other
state (Kostrikov et al. 2019).
"""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb.arguments import positive_int
from sb3_vdb.demonstrations.demonstrations import Demonstrations
from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.transitions import Observations, map_parts, parts_of

KEY = "absorbing"  # of the part that marks absorbing states, where observations have parts


class AbsorbingStates(gym.Wrapper[Any, Any, Any, Any]):
    """Episodes of a fixed length: after a termination the absorbing state follows, all zeros and
    marked, whatever the agent does, until a time limit ends the episode. Its reward of the task is
    0; a learned reward pays it like any other state, so that the sign of a reward no longer decides
    whether an episode is ended.

    The mark is one more entry of a vector, or a part ``absorbing`` of a Dict: 1 in the absorbing
    state. The termination itself leads to the absorbing state, as in Kostrikov et al. (2019).

    An episode may end a few steps after the absorbing state is reached. Such an end is a time
    limit as well, over which SB3's algorithms estimate what would follow; so one step is enough
    for them, and no samples are spent on standing still.

    :param env: with observations that are vectors, or a Dict; without a time limit below
        ``horizon``
    :param horizon: most steps of an episode
    :param n_absorbing: steps in the absorbing state before the episode ends, 1 in the paper's
        code; None to stay until the horizon
    :raises ValueError: other observations, or a number that is none
    """

    def __init__(
        self, env: gym.Env[Any, Any], horizon: int, n_absorbing: int | None = None
    ) -> None:
        super().__init__(env)
        self.horizon = positive_int("horizon", horizon)
        self.n_absorbing = (
            horizon if n_absorbing is None else positive_int("n_absorbing", n_absorbing)
        )
        self.observation_space = _marked_space(env.observation_space)
        self._absorbed, self._n_absorbed, self._t = False, 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._absorbed, self._n_absorbed, self._t = False, 0, 0
        return _marked(observation, absorbing=False), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step, or stay in the absorbing state."""
        self._t += 1
        if self._absorbed:
            self._n_absorbed += 1
            ended = self._n_absorbed >= self.n_absorbing or self._t >= self.horizon
            return self._nothing(), 0.0, False, ended, {}
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._absorbed = bool(terminated)
        truncated = bool(truncated and not terminated) or self._t >= self.horizon
        seen = self._nothing() if terminated else _marked(observation, absorbing=False)
        return seen, reward, False, truncated, info

    def _nothing(self) -> Observations:
        space = self.env.observation_space
        if isinstance(space, spaces.Dict):
            zeros: Any = {
                name: np.zeros(part.shape or (), part.dtype) for name, part in space.items()
            }
        else:
            zeros = np.zeros(space.shape or (), space.dtype)
        return _marked(zeros, absorbing=True)


def with_absorbing_states(
    demonstrations: Demonstrations,
    horizon: int,
    action_space: spaces.Space[Any],
    seed: int = 0,
    n_absorbing: int | None = None,
) -> Demonstrations:
    """Give demonstrations the absorbing states that :class:`AbsorbingStates` gives the agent:
    episodes that ended by themselves go on to the horizon, or for ``n_absorbing`` steps.

    :param demonstrations: raw, of the environment without the wrapper
    :param horizon: of the wrapper
    :param action_space: of the environment; actions in absorbing states do nothing, and are drawn
        at random
    :param seed: of these actions
    :param n_absorbing: of the wrapper
    :raises ValueError: an episode is longer than the horizon
    """
    horizon = positive_int("horizon", horizon)
    action_space.seed(seed)
    extended = []
    for i, each in enumerate(demonstrations):
        if len(each) > horizon:
            raise ValueError(
                f"trajectory {i} has {len(each)} steps, and `horizon` is {horizon}; give the "
                "longest episode's, here and in the environment"
            )
        left = horizon - len(each)
        n_steps = left if n_absorbing is None else min(n_absorbing, left)
        n = n_steps + 1 if each.terminal else 0  # the last observation is one of them
        extended.append(_extended(each, n, action_space))
    return Demonstrations(extended, demonstrations.view)


def _extended(trajectory: Trajectory, n: int, action_space: spaces.Space[Any]) -> Trajectory:
    """Mark an episode's states, and let n absorbing ones follow in the place of its last one."""
    observations = trajectory.observations
    if n:
        observations = map_parts(
            lambda part: np.concatenate([part[:-1], np.zeros((n, *part.shape[1:]), part.dtype)]),
            observations,
        )
    mark = np.zeros((len(next(iter(parts_of(observations).values()))), 1), np.float32)
    mark[len(mark) - n :] = 1.0
    actions, rewards = trajectory.actions, trajectory.rewards
    if actions is not None and n > 1:
        drawn = np.stack([action_space.sample() for _ in range(n - 1)])
        actions = np.concatenate([actions, drawn.astype(actions.dtype)])
    if rewards is not None:
        rewards = np.concatenate([rewards, np.zeros(max(n - 1, 0), rewards.dtype)])
    return Trajectory(
        _joined(observations, mark), actions, rewards, False, trajectory.action_repeat
    )


def _marked_space(space: spaces.Space[Any]) -> spaces.Space[Any]:
    if isinstance(space, spaces.Dict):
        if KEY in space.spaces:
            raise ValueError(f"the observations have a part {KEY!r} already; rename it")
        return spaces.Dict({**space.spaces, KEY: spaces.Box(0.0, 1.0, (1,), np.float32)})
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise ValueError(
            f"AbsorbingStates takes vectors or a Dict, got {space}; make pictures a part of a Dict"
        )
    low = np.append(np.minimum(space.low, 0), 0).astype(space.dtype)
    high = np.append(np.maximum(space.high, 0), 1).astype(space.dtype)
    return spaces.Box(low, high, dtype=space.dtype.type)  # type: ignore[arg-type]


def _marked(observation: Any, absorbing: bool) -> Observations:
    return _joined(observation, np.array([float(absorbing)], np.float32))


def _joined(observations: Observations, mark: npt.NDArray[np.float32]) -> Observations:
    """Put the mark beside observations."""
    if not isinstance(observations, np.ndarray):
        return {**observations, KEY: mark}
    return np.concatenate([observations, mark.astype(observations.dtype)], axis=-1)
