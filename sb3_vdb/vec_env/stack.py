"""What is in a stack of SB3 environments: wrappers, normalisation, the action repeat below."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecEnvWrapper,
    VecNormalize,
)

from sb3_vdb.vec_env.gymnasium_vec_env import GymnasiumVecEnv


def action_repeat_of(venv: VecEnv) -> int | None:
    """Read how many frames of the environment an action lasts, from its attribute
    ``action_repeat``; None where it says nothing. Other processes can be asked with SB3 2.4 and
    later.
    """
    base: Any = wrappers(venv)[-1]
    if isinstance(base, SubprocVecEnv):
        asked = hasattr(base, "has_attr") and base.has_attr("action_repeat")
        repeat = base.get_attr("action_repeat", 0)[0] if asked else None
    else:
        inner = getattr(base, "env", base)
        inner = inner.envs[0] if hasattr(inner, "envs") else inner
        repeat = getattr(getattr(inner, "unwrapped", inner), "action_repeat", None)
    return None if repeat is None else int(repeat)


def as_vec_env(env: Any, name: str = "venv") -> VecEnv:
    """Return SB3 environments as they are, and wrap a single Gymnasium environment, or a vector
    environment of Gymnasium's, into them.

    :param env: environments
    :param name: of the argument, for the message
    :raises ValueError: it is no environment
    """
    if isinstance(env, VecEnv):
        return env
    # in Gymnasium 0.29 vector environments are environments as well
    if isinstance(env, gym.Env) and not isinstance(env, gym.vector.VectorEnv):
        return DummyVecEnv([lambda: env])
    if hasattr(env, "single_observation_space"):
        return GymnasiumVecEnv(env)
    raise ValueError(
        f"`{name}` must be SB3 environments (a VecEnv) or a gymnasium.Env, got "
        f"{type(env).__name__}; make it with sb3_vdb.make_vec_env(id, n_envs)"
    )


def lowest_normalize(venv: VecEnv) -> VecNormalize | None:
    """Find the innermost ``VecNormalize`` of a stack, below which observations and rewards are
    raw.
    """
    layers = [each for each in wrappers(venv) if isinstance(each, VecNormalize)]
    return layers[-1] if layers else None


def below_normalize(venv: VecEnv) -> VecEnv:
    """Return what is below the lowest ``VecNormalize``, or everything where there is none: its
    observations are raw, as demonstrations hold and discriminators see them.
    """
    parent = lowest_normalize(venv)
    return venv if parent is None else parent.venv


def wrappers(venv: VecEnv) -> list[VecEnv]:
    """List the environment and everything it wraps, outermost first."""
    stack = [venv]
    while isinstance(stack[-1], VecEnvWrapper):
        stack.append(stack[-1].venv)
    return stack
