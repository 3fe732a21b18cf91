"""Trajectories of the library ``imitation`` as demonstrations, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.files import expanded
from sb3_vdb.integrations.extras import needed
from sb3_vdb.integrations.hugging_face import from_hugging_face, to_hugging_face
from sb3_vdb.integrations.step_rows import DTypes, cast


def from_imitation(source: Any, dtypes: DTypes | None = None) -> Demonstrations:
    """Make demonstrations of imitation's trajectories.

    ``imitation`` itself casts what it saves, or what it reads, to 64 bits a number: give ``dtypes``
    where the environment's observations have others. Reading a folder needs ``datasets`` alone.

    :param source: trajectories, or the folder that ``imitation.data.serialize.save`` wrote
    :param dtypes: for example ``{"observations": "float32", "actions": "float32"}``; None for those
        that are there
    :raises ValueError: it is neither, or an old file with pickled objects
    """
    if isinstance(source, (str, Path)):
        path = expanded(source)
        if path.is_file():
            raise ValueError(
                f"{path} is a file of an old imitation, with pickled objects, which may run any "
                "code; if you trust it: from_imitation(imitation.data.serialize.load(path))"
            )
        return from_hugging_face(path, dtypes=dtypes)
    if hasattr(source, "dataset"):  # a folder that imitation has opened
        return from_hugging_face(source.dataset, dtypes=dtypes)
    if not isinstance(source, Iterable):
        raise ValueError(
            f"`source` is a {type(source).__name__}; give a list of imitation's trajectories, or "
            "the folder of one"
        )
    return Demonstrations(cast(_trajectory(i, each), dtypes) for i, each in enumerate(source))


def _trajectory(number: int, theirs: Any) -> Trajectory:
    """Convert a trajectory.

    :raises ValueError: it is none
    """
    if not all(hasattr(theirs, name) for name in ("obs", "acts", "terminal")):
        raise ValueError(
            f"trajectory {number} is a {type(theirs).__name__}; it needs obs, acts and terminal, "
            "as imitation.data.types.Trajectory has them"
        )
    observed = theirs.obs.unwrap() if hasattr(theirs.obs, "unwrap") else theirs.obs
    return Trajectory(observed, theirs.acts, getattr(theirs, "rews", None), bool(theirs.terminal))


def to_imitation(demonstrations: Demonstrations) -> list[Any]:
    """Make imitation's trajectories, which share the arrays.

    :param demonstrations: with actions
    :return: a list of ``Trajectory``, or of ``TrajectoryWithRew`` where the rewards are known;
        observations with parts are ``DictObs``
    :raises ImportError: ``imitation`` is not installed
    :raises ValueError: there are no actions
    """
    types = needed("imitation.data.types")
    _check_actions(demonstrations)
    made = []
    for each in demonstrations:
        observed = each.observations
        if isinstance(observed, Mapping):
            observed = types.DictObs(dict(observed))
        fields = {"obs": observed, "acts": each.actions, "infos": None, "terminal": each.terminal}
        if each.rewards is None:
            made.append(types.Trajectory(**fields))
        else:
            floats = np.issubdtype(each.rewards.dtype, np.floating)
            rewards = each.rewards if floats else each.rewards.astype(np.float64)
            made.append(types.TrajectoryWithRew(**fields, rews=rewards))
    return made


def save_imitation(demonstrations: Demonstrations, path: str | Path) -> Path:
    """Write a folder that ``imitation.data.serialize.load`` reads, with data types as they are.
    This needs ``datasets`` alone.

    :param demonstrations: with actions, and observations of one part
    :param path: of the folder
    :return: the folder
    :raises ValueError: ``imitation`` could not read it
    """
    _check_actions(demonstrations)
    if isinstance(demonstrations[0].observations, Mapping):
        raise ValueError(
            "the observations have parts, which imitation does not save; use to_hugging_face, "
            "which writes a column a part"
        )
    return to_hugging_face(demonstrations, path, "episodes")


def _check_actions(demonstrations: Demonstrations) -> None:
    """Refuse demonstrations without actions.

    :raises ValueError: there are none
    """
    if not demonstrations.has_actions:
        raise ValueError("the demonstrations have no actions, which imitation's trajectories need")
