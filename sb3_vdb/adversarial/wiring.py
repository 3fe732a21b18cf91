"""Putting the learned reward between the environments and the generator."""

from __future__ import annotations

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from sb3_vdb.reward_vec_env import RewardFunction, RewardVecEnv


def check_compatible(venv: VecEnv, gen_algo: BaseAlgorithm) -> None:
    """Refuse environments the generator was not made for.

    :raises ValueError: naming what differs
    """
    for name in ("observation_space", "action_space"):
        theirs, ours = getattr(gen_algo, name), getattr(venv, name)
        if theirs != ours:
            raise ValueError(
                f"`gen_algo` has {name} {theirs} and `venv` has {ours}; make `gen_algo` with `venv`"
            )
    if gen_algo.n_envs != venv.num_envs:
        raise ValueError(
            f"`gen_algo` was made for {gen_algo.n_envs} environments and `venv` has "
            f"{venv.num_envs}; "
            "make `gen_algo` with `venv`"
        )


def insert_reward(
    venv: VecEnv, reward: RewardFunction | None, record: bool
) -> tuple[VecEnv, RewardVecEnv]:
    """Environments with a :class:`RewardVecEnv`, below the lowest ``VecNormalize`` if there is one
    and else on top.

    Below it the discriminator sees raw observations, as the demonstrations have them, and
    ``VecNormalize`` scales the learned reward. A reward wrapper that is already there is replaced.

    :return: the outermost environment and the reward wrapper
    """
    above = [each for each in _stack(venv) if isinstance(each, VecNormalize)]
    parent: VecEnvWrapper | None = above[-1] if above else None
    inner = parent.venv if parent is not None else venv
    if isinstance(inner, RewardVecEnv):
        inner = inner.venv
    wrapper = RewardVecEnv(inner, reward, record)
    if parent is None:
        return wrapper, wrapper
    parent.venv = wrapper
    return venv, wrapper


def _stack(venv: VecEnv) -> list[VecEnv]:
    """The environment and everything it wraps, outermost first."""
    stack = [venv]
    while isinstance(stack[-1], VecEnvWrapper):
        stack.append(stack[-1].venv)
    return stack


def lowest_normalize(venv: VecEnv) -> VecNormalize | None:
    """The innermost ``VecNormalize`` of a stack, the one just above the reward."""
    found = [each for each in _stack(venv) if isinstance(each, VecNormalize)]
    return found[-1] if found else None


def wrappers(venv: VecEnv) -> list[VecEnv]:
    """The environment and everything it wraps, outermost first."""
    return _stack(venv)
