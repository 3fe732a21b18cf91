"""The steps in an SB3 replay buffer, which decide how an off-policy run goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.buffers import BaseBuffer, DictReplayBuffer, ReplayBuffer


def plain_kind(buffer: Any) -> type:
    """Give the class of a buffer; of one that a trainer has put a reward into, the class that it
    had before.
    """
    kind: type = getattr(buffer, "plain_class", type(buffer))
    return kind


def get_buffer_state(buffer: BaseBuffer) -> dict[str, Any]:
    """Give the filled part of a replay buffer, its arrays and its position."""
    filled = buffer.buffer_size if buffer.full else buffer.pos
    arrays = {name: values[:filled] for name, values in _arrays(buffer).items()}
    return {"arrays": arrays, "pos": buffer.pos, "full": buffer.full}


def _arrays(buffer: BaseBuffer) -> dict[str, Any]:
    """List the arrays of a replay buffer; those of the parts of an observation as ``name/part``."""
    arrays: dict[str, Any] = {}
    for name, value in vars(buffer).items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, dict):
            parts = {f"{name}/{part}": each for part, each in value.items()}
            arrays.update({k: each for k, each in parts.items() if isinstance(each, np.ndarray)})
    return arrays


def set_buffer_state(buffer: BaseBuffer, state: dict[str, Any]) -> None:
    """Restore what :func:`get_buffer_state` returned. In a plain buffer for another number of
    environments the steps are dealt out anew, the latest that fit.

    :raises ValueError: the buffer is smaller, or is for another number of environments and not
        plain
    """
    arrays, targets = state["arrays"], _arrays(buffer)
    pos, full = state["pos"], state["full"]
    n_envs = arrays["rewards"].shape[1]
    if n_envs != buffer.n_envs:
        plain = plain_kind(buffer) in (ReplayBuffer, DictReplayBuffer)
        if not plain or vars(buffer)["optimize_memory_usage"]:
            raise ValueError(
                f"a {type(buffer).__name__} of {n_envs} environments cannot be changed into one of "
                f"{buffer.n_envs}; load the run in {n_envs} environments"
            )
        first = pos if full else 0
        arrays = {name: _dealt_out(each, first, buffer) for name, each in arrays.items()}
        pos = len(arrays["rewards"])
        full = pos == buffer.buffer_size
    for name, values in arrays.items():
        if len(values) > len(targets[name]):
            raise ValueError(
                f"the replay buffer holds {len(targets[name])} steps, the saved one has "
                f"{len(values)}; enlarge it"
            )
        targets[name][: len(values)] = values
    buffer.pos, buffer.full = pos % buffer.buffer_size, full


def _dealt_out(values: Any, first: int, buffer: BaseBuffer) -> Any:
    """Deal the steps of environments out to another number of environments.

    :param values: shape (n_steps, n_envs, ...)
    :param first: row of the oldest step
    :param buffer: which has the other number
    :return: the latest steps that fit, shape (fewer or more steps, buffer.n_envs, ...)
    """
    flat = np.roll(values, -first, axis=0).reshape(-1, *values.shape[2:])
    n_steps = min(len(flat) // buffer.n_envs, buffer.buffer_size)
    latest = flat[len(flat) - n_steps * buffer.n_envs :]
    return latest.reshape(n_steps, buffer.n_envs, *values.shape[2:])
