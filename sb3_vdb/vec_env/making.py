"""SB3 environments from ids, batched where the environment can be."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecMonitor

from sb3_vdb.arguments import seed_or_none
from sb3_vdb.environments import importable_id, is_batched, registered_id
from sb3_vdb.vec_env.gymnasium_vec_env import GYMNASIUM_1, GymnasiumVecEnv


def make_vec_env(
    env_id: str | EnvSpec | Callable[..., gym.Env[Any, Any]],
    n_envs: int = 1,
    seed: int | None = None,
    start_index: int = 0,
    monitor_dir: str | None = None,
    wrapper_class: Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]] | None = None,
    env_kwargs: dict[str, Any] | None = None,
    vec_env_cls: type[DummyVecEnv | SubprocVecEnv] | None = None,
    vec_env_kwargs: dict[str, Any] | None = None,
    monitor_kwargs: dict[str, Any] | None = None,
    wrapper_kwargs: dict[str, Any] | None = None,
    monitor: bool = True,
    every_step_infos: bool = False,
) -> VecEnv:
    """Make SB3 environments: one batch for the ids of this package that can be batched, else
    SB3's ``DummyVecEnv``. The arguments are those of SB3's ``make_vec_env``, and two more.

    :param env_id: as ``gym.make`` takes it: ``"Id-v0"``, ``"Id"``, ``"module:Id-v0"`` or a spec; or
        a class or function that makes an environment
    :param n_envs: number of environments
    :param seed: seed of the first environment; the others take the following ones
    :param start_index: of the first environment, in the names of monitor files; as in SB3, the
        seeds of episodes do not depend on it
    :param monitor_dir: folder for SB3's monitor files; one file for a batch
    :param wrapper_class: put around every single environment, which are then no batch
    :param env_kwargs: arguments of the environment
    :param vec_env_cls: make single environments in this class instead of a batch, for example
        ``SubprocVecEnv``, one process each
    :param vec_env_kwargs: its arguments
    :param monitor_kwargs: arguments of ``Monitor``; for a batch ``info_keywords`` alone
    :param wrapper_kwargs: arguments of ``wrapper_class``
    :param monitor: record returns and lengths of episodes (what SB3 logs as
        ``rollout/ep_rew_mean``)
    :param every_step_infos: whether a batch gives infos at every step, as single environments do,
        and not only at the end of episodes; slow for large batches
    :raises ValueError: ``n_envs`` is not positive, the seed is none, the id is not registered, or
        monitors are asked for and refused at once
    """
    if n_envs < 1:
        raise ValueError(f"`n_envs` must be at least 1, got {n_envs}")
    if not monitor and (monitor_dir is not None or monitor_kwargs):
        raise ValueError("`monitor_dir` and `monitor_kwargs` need `monitor=True`, got False")
    seed = seed_or_none("seed", seed)
    kwargs = dict(env_kwargs or {})
    made = _without_spec(env_id)
    if isinstance(made, str):
        known = registered_id(made)
        if vec_env_cls is None and wrapper_class is None and is_batched(known, kwargs):
            batch = GymnasiumVecEnv(make_batch(known, n_envs, kwargs), every_step_infos)
            batch.seed(seed)
            if not monitor:
                return batch
            return _monitored(batch, monitor_dir, start_index, monitor_kwargs or {})
        made = importable_id(made)
    if monitor:
        return make_sb3_vec_env(
            made,
            n_envs,
            seed,
            start_index,
            monitor_dir,
            wrapper_class,
            env_kwargs,
            vec_env_cls,
            vec_env_kwargs,
            monitor_kwargs,
            wrapper_kwargs,
        )
    make = partial(gym.make, made) if isinstance(made, str) else made
    if wrapper_class is not None:
        make = partial(_wrapped, make, partial(wrapper_class, **(wrapper_kwargs or {})))
    vector_class = vec_env_cls or DummyVecEnv
    venv = vector_class([partial(make, **kwargs)] * n_envs, **(vec_env_kwargs or {}))
    venv.seed(seed)
    return venv


def _wrapped(make: Callable[..., Any], wrap: Callable[[Any], Any], **kwargs: Any) -> Any:
    return wrap(make(**kwargs))


def _without_spec(
    env_id: str | EnvSpec | Callable[..., gym.Env[Any, Any]],
) -> str | Callable[..., gym.Env[Any, Any]]:
    """Give the id of a spec as it is registered, and a function that makes any other."""
    if not isinstance(env_id, EnvSpec):
        return env_id
    if gym.envs.registry.get(env_id.id) == env_id:
        return env_id.id
    return partial(gym.make, env_id)


def _monitored(
    batch: VecEnv, folder: str | None, index: int, arguments: dict[str, Any]
) -> VecMonitor:
    """Record the episodes of a batch."""
    others = sorted(arguments.keys() - {"info_keywords"})
    if others:
        raise ValueError(
            f"`monitor_kwargs` of a batch has `info_keywords` alone, got {', '.join(others)}; "
            "`vec_env_cls=DummyVecEnv` makes single environments"
        )
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    path = None if folder is None else str(Path(folder) / str(index))
    return VecMonitor(batch, path, **arguments)


def make_batch(env_id: str, n_envs: int, kwargs: dict[str, Any]) -> Any:
    """Make the batch of an id with these arguments, in Gymnasium's own way in both versions."""
    if GYMNASIUM_1:
        return gym.make_vec(env_id, num_envs=n_envs, **kwargs)
    # 0.29 has other names, and takes the time limit from the spec alone
    spec, kwargs = copy.deepcopy(gym.spec(env_id)), dict(kwargs)
    spec.max_episode_steps = kwargs.pop("max_episode_steps", spec.max_episode_steps)
    return gym.make_vec(spec, num_envs=n_envs, vectorization_mode="custom", vector_kwargs=kwargs)
