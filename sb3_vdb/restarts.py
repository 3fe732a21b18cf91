"""Restarting single environments of a batch before their episodes have ended by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecMonitor

from sb3_vdb.transitions import Observations, map_parts
from sb3_vdb.vec_env import GymnasiumVecEnv, wrappers

BASES = (GymnasiumVecEnv, DummyVecEnv, SubprocVecEnv)


def check_can_restart(venv: VecEnv) -> None:
    """Refuse environments of which single ones cannot be restarted.

    :raises ValueError: naming the layer and the remedy
    """
    *layers, base = wrappers(venv)
    other = [layer for layer in layers if not isinstance(layer, VecMonitor)]
    if other or not isinstance(base, BASES):
        name = type(other[0] if other else base).__name__
        raise ValueError(
            f"`end_below` ends episodes, and a {name} among the environments does not learn of it; "
            "leave `end_below` out, or use environments of sb3_vdb.make_vec_env, a DummyVecEnv or "
            "a SubprocVecEnv, with no other layer than a VecMonitor"
        )


def restart(
    venv: VecEnv, indices: npt.NDArray[np.intp], observations: Observations
) -> tuple[Observations, dict[int, dict[str, Any]]]:
    """Begin new episodes in some environments.

    :param venv: see :func:`check_can_restart`
    :param indices: which
    :param observations: of all environments, in which those of the new episodes are put
    :return: observations of all environments, and what a VecMonitor says of the episodes that
        ended, by environment
    """
    *layers, base = wrappers(venv)
    infos: dict[int, dict[str, Any]] = {int(i): {} for i in indices}
    for layer in layers:
        assert isinstance(layer, VecMonitor)
        for i in indices:
            figures = {"r": float(layer.episode_returns[i]), "l": int(layer.episode_lengths[i])}
            infos[int(i)]["episode"] = {**figures, "t": 0.0}
        layer.episode_returns[indices] = 0
        layer.episode_lengths[indices] = 0
        layer.episode_count += len(indices)
    return _restarted(base, indices, observations), infos


def _restarted(
    base: VecEnv, indices: npt.NDArray[np.intp], observations: Observations
) -> Observations:
    if isinstance(base, GymnasiumVecEnv):
        mask = np.zeros(base.num_envs, dtype=bool)
        mask[indices] = True
        return base.restart(mask)
    fresh = map_parts(np.array, observations)
    if isinstance(base, DummyVecEnv):
        episodes = [base.envs[i].reset() for i in indices]
    else:
        episodes = base.env_method("reset", indices=[int(i) for i in indices])
    base.reset_infos = list(base.reset_infos)
    for i, (observation, info) in zip(indices, episodes, strict=True):
        base.reset_infos[i] = info
        if isinstance(fresh, dict):
            for name, part in fresh.items():
                part[i] = observation[name]
        else:
            fresh[i] = observation
    return fresh
