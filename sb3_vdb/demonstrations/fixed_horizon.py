"""Episodes of one length for environments that end by themselves."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym

from sb3_vdb.arguments import finite_number, positive_int


class FixedHorizon(gym.Wrapper[Any, Any, Any, Any]):
    """Episodes of a fixed number of steps: what ends by itself, or by a shorter time limit, begins
    anew within the episode. The step after an end leads to a new first state, whatever the action;
    ``info["restarted"]`` marks it.

    No reward, of whatever sign, then pays for a long or a short life; what an end costs is the
    steps of beginning anew. Where an end is a failure that must count,
    :class:`~sb3_vdb.demonstrations.absorbing.AbsorbingStates` keep it.

    :param env: a single environment
    :param horizon: steps of every episode
    :param restart_reward: of the task, for the step that begins anew
    :raises ValueError: the horizon is no positive number, or the reward is not finite
    """

    def __init__(self, env: gym.Env[Any, Any], horizon: int, restart_reward: float = 0.0) -> None:
        super().__init__(env)
        self.horizon = positive_int("horizon", horizon)
        self.restart_reward = finite_number("restart_reward", restart_reward)
        self._t, self._has_ended = 0, False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._t, self._has_ended = 0, False
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step, or begin anew after an end."""
        self._t += 1
        is_last = self._t >= self.horizon
        if self._has_ended:
            observation, info = self.env.reset()
            self._has_ended = False
            return observation, self.restart_reward, False, is_last, {**info, "restarted": True}
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._has_ended = terminated or truncated
        return observation, reward, False, is_last, info
