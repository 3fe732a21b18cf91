"""Gymnasium's vector API under one name for 0.29 (where it was experimental) and 1.x."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

GYMNASIUM_1 = int(gym.__version__.split(".")[0]) >= 1

if TYPE_CHECKING or GYMNASIUM_1:
    from gymnasium.vector import AutoresetMode, VectorEnv
else:
    from gymnasium.experimental.vector import VectorEnv

    class AutoresetMode(Enum):
        """Says when an ended environment restarts; Gymnasium 0.29 has no name for it and always
        means ``SAME_STEP``.
        """

        NEXT_STEP = "NextStep"
        SAME_STEP = "SameStep"
        DISABLED = "Disabled"


Observations = Any  # an array, or a dictionary from the names of a Dict space to arrays

FINAL_OBSERVATION_KEY = "final_obs" if GYMNASIUM_1 else "final_observation"


def row_of(observations: Observations, i: int) -> Any:
    """Take the observation of one copy out of those of all.

    :param observations: shape (n, ...), or one such array per part
    :param i: which copy
    """
    if isinstance(observations, dict):
        return {name: part[i] for name, part in observations.items()}
    return observations[i]


def same_step_infos(
    restarted: dict[str, Any],
    ended: npt.NDArray[np.bool_],
    last_observations: Observations,
    last: dict[str, Any],
) -> dict[str, Any]:
    """Make the infos of a step in which some environments ended and restarted, in the form that the
    installed Gymnasium uses.

    :param restarted: infos of the new episodes (arrays of shape (num_envs,))
    :param ended: which environments ended, shape (num_envs,)
    :param last_observations: observations before the restart, shape (num_envs, ...), or one such
        array per part
    :param last: infos before the restart
    :return: ``restarted`` with the last observations and infos of the ended environments
    """
    observations = np.full(len(ended), None, dtype=object)
    for i in np.flatnonzero(ended):
        observations[i] = row_of(last_observations, int(i))
    final_info: Any = last
    if not GYMNASIUM_1:
        final_info = np.full(len(ended), None, dtype=object)
        for i in np.flatnonzero(ended):
            final_info[i] = {
                key: value[i].item() for key, value in last.items() if not key.startswith("_")
            }
    finals = {FINAL_OBSERVATION_KEY: observations, "final_info": final_info}
    return restarted | finals | {f"_{key}": ended.copy() for key in finals}


__all__ = [
    "FINAL_OBSERVATION_KEY",
    "GYMNASIUM_1",
    "AutoresetMode",
    "Observations",
    "VectorEnv",
    "row_of",
    "same_step_infos",
]
