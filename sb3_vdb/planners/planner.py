"""What planners share: a plan that moves on with the environment, and SB3's ``predict``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb.arguments import fraction, whole_number
from sb3_vdb.environments import registered_id
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.planners.dynamics import Array, make_dynamics


class Planner:
    """Acts in ``env`` by planning on its true dynamics: model-predictive control with a warm
    start.

    A planner looks at the environment's state, not at observations; it acts in its own
    environment alone, and refuses observations of another::

        planner = CEM("sb3_vdb/DClawScrew3CWState-v0")
        pixels = "sb3_vdb/DClawScrew3CWPixels-v0"
        made = recording.record(planner, pixels, 10, acting_env=planner.env)

    A subclass says in :meth:`improve` how a plan gets better.

    :param env_id: of an environment of states; see :func:`.make_dynamics`
    :param horizon: steps that are planned ahead
    :param n_samples: sequences of actions that are tried at a time
    :param discount: of each step's reward
    :param env_kwargs: arguments of the environment
    :param seed: of the sequences
    :raises ValueError: a bad argument, or an environment that cannot be planned in
    """

    def __init__(
        self,
        env_id: str,
        horizon: int,
        n_samples: int,
        discount: float = 1.0,
        env_kwargs: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.horizon = whole_number("horizon", horizon, 1)
        self.n_samples = whole_number("n_samples", n_samples, 2)
        if fraction("discount", discount) == 0.0:
            raise ValueError(f"`discount` must lie in (0, 1], got {discount}")
        self.discount = discount
        self.env_id, arguments = registered_id(env_id), dict(env_kwargs or {})
        self.dynamics = make_dynamics(self.env_id, self.n_samples, arguments)
        self._watched = _Watched(gym.make(self.env_id, **arguments))
        self.env: gym.Env[Any, Any] = self._watched
        self.observation_space: Any = self.env.observation_space
        self.action_space = space = self.dynamics.action_space
        self._middle = (space.high.astype(np.float64) + space.low) / 2
        self._scale = (space.high.astype(np.float64) - space.low) / 2
        self._random = np.random.default_rng(whole_number("seed", seed, 0))
        self.plan = self._nothing()

    def _nothing(self) -> Array:
        """Return the plan that begins an episode, in units of the action space's half width."""
        return np.zeros((self.horizon, *self.action_space.shape))

    def improve(self, plan: Array) -> Array:
        """Make a plan better.

        :param plan: the last plan, one step on, shape (horizon, actions), in units of the action
            space's half width around its middle
        """
        raise NotImplementedError

    def returns(self, plans: Array) -> Array:
        """Compute what plans earn from where ``env`` is.

        :param plans: in [-1, 1], shape (n_samples, horizon, actions)
        :return: shape (n_samples,); -inf for what is not finite
        :raises NonFiniteError: no return is finite
        """
        actions = self._middle + self._scale * plans
        earned = self.dynamics.returns(self.env, actions, self.discount)
        if not np.isfinite(earned).any():
            raise NonFiniteError(
                f"no sequence of actions has a finite return in {self.env_id}; look at its rewards"
            )
        return np.where(np.isfinite(earned), earned, -np.inf)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], Any]:
        """Plan from where ``env`` is.

        :param observation: the last one of ``env``, shape (1, ...) or (...)
        :param state: not used
        :param episode_start: shape (1,); begins a new plan
        :param deterministic: not used
        :return: the plan's first action, shape (1, actions) if ``observation`` has that axis
        :raises ValueError: an observation of another environment, or of several
        """
        n = _n_observations(observation, self.observation_space)
        if n not in (None, 1):
            raise ValueError(f"a planner acts in its own environment, got {n} observations")
        self._watched.check(observation)
        if episode_start is not None and np.any(episode_start):
            self.plan = self._nothing()
        self.plan = self.improve(self.plan)
        action = (self._middle + self._scale * self.plan[0]).astype(self.action_space.dtype)
        self.plan = np.concatenate([self.plan[1:], self.plan[-1:]])
        return (action if n is None else action[None]), state

    def close(self) -> None:
        """Close the environment and its copies."""
        self.dynamics.close()
        self.env.close()


def _n_observations(observation: Any, space: gym.Space[Any]) -> int | None:
    """Count observations; None for one without the axis that counts them."""
    if isinstance(space, gym.spaces.Dict):
        name = next(iter(space))
        return _n_observations(observation[name], space[name])
    assert space.shape is not None
    return len(observation) if np.ndim(observation) > len(space.shape) else None


class _Watched(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps the last observation of an environment, by which it is known."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._last: Any = None

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, and keep what is observed."""
        self._last, info = self.env.reset(**kwargs)
        return self._last, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and keep what is observed."""
        result = self.env.step(action)
        self._last = result[0]
        return result

    def check(self, observation: Any) -> None:
        """Refuse another observation than the last one.

        :raises ValueError: it is another one, or there is none yet
        """
        parts = observation if isinstance(observation, dict) else {"": observation}
        last = self._last if isinstance(self._last, dict) else {"": self._last}
        if self._last is None or any(
            not np.array_equal(np.reshape(part, np.shape(last[name])), last[name])
            for name, part in parts.items()
        ):
            raise ValueError(
                "the observation is not the last one of the planner's `env`, from whose state it "
                "plans; act in that, for example with acting_env=planner.env, and reset it first"
            )
