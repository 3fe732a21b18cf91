"""True dynamics: what sequences of actions earn from where an environment is."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_vdb.environments import environment, is_batched, registered_id
from sb3_vdb.vec_env.making import make_batch

Array = npt.NDArray[np.float64]


class Dynamics(Protocol):
    """Carries out sequences of actions in copies of an environment."""

    action_space: gym.spaces.Box

    def returns(self, env: gym.Env[Any, Any], actions: Array, discount: float) -> Array:
        """Compute what sequences of actions earn; nothing more after the end of an episode.

        :param env: where they begin; it stays as it is
        :param actions: within the action space, shape (n, horizon, actions)
        :param discount: of each step's reward
        :return: shape (n,)
        """

    def close(self) -> None:
        """Free what was opened."""


class BatchDynamics:
    """All sequences at once in a batch of copies: environments of this package, which MuJoCo's
    rollout steps on all cores.

    :param env_id: a registered id of this package that has a batch
    :param n: number of sequences
    :param env_kwargs: arguments of the environment
    """

    def __init__(self, env_id: str, n: int, env_kwargs: Mapping[str, Any] | None = None) -> None:
        self._copies: Any = make_batch(env_id, n, dict(env_kwargs or {})).unwrapped
        self.action_space: gym.spaces.Box = self._copies.single_action_space

    def returns(self, env: gym.Env[Any, Any], actions: Array, discount: float) -> Array:
        """See :meth:`Dynamics.returns`."""
        self._copies.place(env)
        total, alive, weight = np.zeros(len(actions)), np.ones(len(actions)), 1.0
        for moment in np.moveaxis(actions, 1, 0):
            step = self._copies.advance(moment.astype(self.action_space.dtype))
            total += weight * alive * step.rewards
            weight *= discount
            for ended in (step.terminated, step.truncated):
                if ended is not None:
                    alive *= ~ended
        return total

    def close(self) -> None:
        """Stop the threads of the copies."""
        self._copies.close()


class SingleDynamics:
    """One sequence after the other in one copy: any environment that can set its state, be it
    ``get_state()`` and ``set_state(state)`` or Gymnasium's MuJoCo environments.

    :param env_id: a registered id
    :param env_kwargs: arguments of the environment
    :raises ValueError: the environment cannot set its state
    """

    def __init__(self, env_id: str, env_kwargs: Mapping[str, Any] | None = None) -> None:
        self._copy: Any = gym.make(env_id, **(env_kwargs or {})).unwrapped
        self._copy.reset(seed=0)
        if not (hasattr(self._copy, "set_state") and _has_state(self._copy)):
            self._copy.close()
            remedy = "give it `get_state()` and `set_state(state)`"
            if environment(env_id) is not None:
                remedy = "plan in the id of MuJoCo"
            raise ValueError(f"{env_id} cannot set its state, which planning needs: {remedy}")
        self.action_space: gym.spaces.Box = self._copy.action_space  # type: ignore[assignment]

    def returns(self, env: gym.Env[Any, Any], actions: Array, discount: float) -> Array:
        """See :meth:`Dynamics.returns`."""
        state = _state_of(env.unwrapped)
        return np.array([self._return(state, sequence, discount) for sequence in actions])

    def _return(self, state: tuple[Any, ...], sequence: Array, discount: float) -> float:
        self._copy.set_state(*copy.deepcopy(state))
        total, weight = 0.0, 1.0
        for action in sequence:
            _, reward, terminated, truncated, _ = self._copy.step(
                action.astype(self.action_space.dtype)
            )
            total += weight * float(reward)
            weight *= discount
            if terminated or truncated:
                break
        return total

    def close(self) -> None:
        """Close the copy."""
        self._copy.close()


def make_dynamics(env_id: str, n: int, env_kwargs: Mapping[str, Any] | None = None) -> Dynamics:
    """Make the fastest dynamics that an environment has.

    :param env_id: as :func:`gymnasium.make` takes it
    :param n: number of sequences at a time
    :param env_kwargs: arguments of the environment
    :raises ValueError: it observes pixels, its actions are no bounded Box, or it cannot set its
        state
    """
    env_id, arguments = registered_id(env_id), dict(env_kwargs or {})
    row = environment(env_id)
    if row is not None and row.state_twin is not None:
        raise ValueError(
            f"{env_id} renders a picture a step, which planning has no use for; plan in "
            f"{row.state_twin}, and record for the pictures"
        )
    batched = is_batched(env_id, arguments)
    dynamics = BatchDynamics(env_id, n, arguments) if batched else SingleDynamics(env_id, arguments)
    space = dynamics.action_space
    if not isinstance(space, gym.spaces.Box) or not space.is_bounded():
        dynamics.close()
        raise ValueError(f"planning needs actions in a bounded Box, {env_id} has {space}")
    return dynamics


def _has_state(env: Any) -> bool:
    """Say whether a state can be read that ``set_state`` takes."""
    return hasattr(env, "get_state") or (hasattr(env, "data") and hasattr(env.data, "qpos"))


def _state_of(env: Any) -> tuple[Any, ...]:
    """Read the arguments of ``set_state``."""
    if hasattr(env, "get_state"):
        return (env.get_state(),)
    return env.data.qpos.copy(), env.data.qvel.copy()
