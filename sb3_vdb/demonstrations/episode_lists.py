"""Episodes out of lists with one array per episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations.plain_arrays import truth_value, truth_values
from sb3_vdb.demonstrations.trajectory import Trajectory


def check_is_list(observations: Any, actions: Any, rewards: Any) -> None:
    """Refuse what is one episode, or steps in one row.

    An array of whole numbers of shape (n_episodes, length + 1) holds episodes of a discrete space
    if actions or rewards say so: there is one row of them an episode, and each has one entry less.

    :raises ValueError: naming the remedy
    """
    what = None
    if isinstance(observations, np.ndarray) and observations.ndim <= 2:
        if _holds_discrete_episodes(observations, actions, rewards):
            return
        what = f"array of shape {observations.shape}"
    elif isinstance(observations, Mapping):
        what = f"mapping of {', '.join(map(str, observations))}"
    if what is not None:
        raise ValueError(
            f"`observations` is one {what}; give a list with one entry per episode, for a single "
            "episode `[observations]`; for steps in one row with marks at the ends of episodes use "
            "Demonstrations.from_flat"
        )


def _holds_discrete_episodes(observations: npt.NDArray[Any], actions: Any, rewards: Any) -> bool:
    """Say whether a two-dimensional array holds one episode of whole numbers a row."""
    if observations.ndim != 2 or not np.issubdtype(observations.dtype, np.integer):
        return False
    companions = {np.shape(each)[:2] for each in (actions, rewards) if isinstance(each, np.ndarray)}
    return companions == {(observations.shape[0], observations.shape[1] - 1)}


def episode_of(number: int, fields: dict[str, Any], action_repeat: int | None) -> Trajectory:
    """Make one trajectory.

    :param number: of the episode, for the messages
    :param fields: ``observations``, and perhaps ``actions``, ``rewards`` and ``terminals``
    :param action_repeat: environment frames that an action lasted
    :raises ValueError: something cannot be made an array, or an episode ends before its last step
    """
    mark = fields.pop("terminals", False)
    try:
        trajectory = Trajectory(**fields, action_repeat=action_repeat)
        terminal = truth_value(mark)
        if terminal is None:
            terminal = _ends(truth_values("terminals", mark), len(trajectory))
    except ValueError as error:
        raise ValueError(f"trajectory {number}: {error}") from error
    return Trajectory(**fields, terminal=terminal, action_repeat=action_repeat)


def _ends(terminals: Any, length: int) -> bool:
    """Say whether an episode ended by itself at its last step.

    :param terminals: one truth value a step, shape (length,)
    :raises ValueError: another number of them, or it ended before
    """
    if len(terminals) != length:
        raise ValueError(f"`terminals` has {len(terminals)} entries and there are {length} steps")
    if terminals[:-1].any():
        raise ValueError(
            f"`terminals` marks an end at step {int(np.argmax(terminals))} of {length}; give one "
            "entry per episode, or use Demonstrations.from_flat for steps in one row"
        )
    return bool(terminals[-1])
