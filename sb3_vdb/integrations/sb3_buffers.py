"""Buffers of Stable-Baselines3 as demonstrations: what an algorithm has collected."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.demonstrations.flat_steps import LastStep
from sb3_vdb.transitions import Array, Observations, map_parts, parts_of

Ends = Literal["terminal", "timeout"]
BLOCK = 1024  # rows that are compared at a time


def from_replay_buffer(
    buffer: Any,
    last_step: LastStep = "error",
    ends: Ends | None = None,
    scaled_actions: bool = True,
    action_repeat: int | None = None,
) -> Demonstrations:
    """Make demonstrations of a replay buffer, also one with Dict observations, several environments
    or ``optimize_memory_usage``. Episodes are split where they ended, and where the environments
    were restarted between two calls of ``learn``.

    :param buffer: a ``ReplayBuffer`` of SB3, for example ``model.replay_buffer``
    :param last_step: of a buffer with ``optimize_memory_usage``, which has lost what followed the
        last step of each episode: ``"drop"`` leaves these steps out, with their terminations
    :param ends: what the end of an episode means where the buffer does not tell time limits from
        terminations (``handle_timeout_termination=False``)
    :param scaled_actions: whether actions of a Box lie between -1 and 1, as SB3's algorithms store
        them; they are scaled back to the bounds of their space, up to rounding
    :param action_repeat: environment frames that an action lasted
    :raises ValueError: the buffer is empty, or does not say what is needed
    """
    if not hasattr(buffer, "next_observations") and not hasattr(buffer, "optimize_memory_usage"):
        raise ValueError(f"`buffer` is a {type(buffer).__name__}, no ReplayBuffer of SB3")
    if buffer.size() == 0:
        raise ValueError("the buffer is empty; fill it with model.learn(...)")
    compact = bool(buffer.optimize_memory_usage)
    if compact and last_step != "drop":
        raise ValueError(
            "a buffer with optimize_memory_usage has lost what followed the last step of each "
            'episode; give `last_step="drop"` to leave these steps out'
        )
    if not buffer.handle_timeout_termination and ends not in ("terminal", "timeout"):
        raise ValueError(
            'this buffer does not tell time limits from terminations; give `ends`, "terminal" or '
            '"timeout"'
        )
    rows = _rows(buffer, compact)
    return Demonstrations(
        Trajectory(observations, actions, buffer.rewards[steps, env], terminal, action_repeat)
        for env in range(buffer.n_envs)
        for steps, observations, terminal in _episodes(buffer, rows, env, compact, ends)
        for actions in [_actions(buffer, buffer.actions[steps, env], scaled_actions)]
    )


def _rows(buffer: Any, compact: bool) -> npt.NDArray[np.intp]:
    """Give the rows of the buffer in the order of time."""
    if not buffer.full:
        return np.arange(buffer.pos)
    skipped = 1 if compact else 0  # the oldest one has been overwritten by what followed the newest
    return (np.arange(buffer.pos + skipped, buffer.pos + buffer.buffer_size)) % buffer.buffer_size


def _episodes(
    buffer: Any, rows: npt.NDArray[np.intp], env: int, compact: bool, ends: Ends | None
) -> Iterator[tuple[npt.NDArray[np.intp], Observations, bool]]:
    """Give the rows, observations and termination of each episode of an environment."""
    dones = buffer.dones[rows, env] > 0
    splits = dones.copy() if compact else dones | _restarts(buffer, rows, env)
    splits[-1] = True
    start = 0
    for stop in np.flatnonzero(splits) + 1:
        steps, start = rows[start:stop], int(stop)
        done = bool(dones[stop - 1])
        if compact and done:
            observed, steps = steps, steps[:-1]
            if len(steps) == 0:
                continue
            yield (
                steps,
                _shaped(buffer, map_parts(lambda p, o=observed: p[o, env], buffer.observations)),
                False,
            )
            continue
        last = (steps[-1:] + 1) % buffer.buffer_size if compact else steps[-1:]
        following = buffer.observations if compact else buffer.next_observations
        joined = map_parts(
            lambda now, after, s=steps, e=last: np.concatenate([now[s, env], after[e, env]]),
            buffer.observations,
            following,
        )
        limit = ends == "timeout" or bool(buffer.timeouts[steps[-1], env])
        yield steps, _shaped(buffer, joined), done and not limit


def _restarts(buffer: Any, rows: npt.NDArray[np.intp], env: int) -> npt.NDArray[np.bool_]:
    """Say after which rows the next one does not go on, shape (n,)."""
    restarts = np.zeros(len(rows), dtype=bool)
    following = parts_of(buffer.next_observations)
    for name, part in parts_of(buffer.observations).items():
        for first in range(0, len(rows) - 1, BLOCK):
            now = rows[first : first + BLOCK + 1]
            after, before = following[name][now[:-1], env], part[now[1:], env]
            differs = (after != before).reshape(len(now) - 1, -1).any(axis=1)
            restarts[first : first + len(now) - 1] |= differs
    return restarts


def _shaped(buffer: Any, observations: Observations) -> Observations:
    """Take away the axis that SB3 adds to whole numbers of a Discrete space."""
    space = buffer.observation_space
    if isinstance(space, spaces.Dict):
        return {
            name: part.reshape(len(part), *(space[name].shape or ()))
            for name, part in observations.items()
        }
    return observations.reshape(len(observations), *space.shape)


def _actions(buffer: Any, actions: Array, scaled: bool) -> Array:
    """Give the actions that the environment executed, in the shape of its space."""
    space = buffer.action_space
    actions = actions.reshape(len(actions), *space.shape)
    if not scaled or not isinstance(space, spaces.Box):
        return actions
    if (space.low == -1).all() and (space.high == 1).all():
        return actions
    executed = space.low + 0.5 * (actions + 1.0) * (space.high - space.low)
    return np.clip(executed, space.low, space.high).astype(space.dtype)


def from_rollout_buffer(
    buffer: Any, last_step: LastStep = "error", action_repeat: int | None = None
) -> Demonstrations:
    """Make demonstrations of an on-policy algorithm's rollout buffer.

    Under ``VecNormalize`` the buffer has normalised observations and rewards, and so have the
    demonstrations: use :meth:`sb3_vdb.Demonstrations.from_rollouts`, which records raw ones.

    :param buffer: a ``RolloutBuffer`` of SB3, for example ``model.rollout_buffer``
    :param last_step: the buffer does not have what followed the last step of each episode:
        ``"drop"`` leaves these steps out
    :param action_repeat: environment frames that an action lasted
    :raises ValueError: the buffer is not full, or ``last_step`` does not say so
    """
    if not hasattr(buffer, "episode_starts"):
        raise ValueError(f"`buffer` is a {type(buffer).__name__}, no RolloutBuffer of SB3")
    if not buffer.full:
        raise ValueError("the buffer is not full; fill it with model.learn(...)")
    if last_step != "drop":
        raise ValueError(
            "a rollout buffer does not have what followed the last step of each episode; give "
            '`last_step="drop"` to leave these steps out'
        )
    observations = map_parts(lambda part: _by_time(buffer, part), buffer.observations)
    actions = _by_time(buffer, buffer.actions)
    made = []
    for env in range(buffer.n_envs):
        starts = np.flatnonzero(buffer.episode_starts[:, env])
        bounds = sorted({0, *starts.tolist(), buffer.buffer_size})
        for first, stop in pairwise(bounds):
            if stop - first < 2:
                continue
            steps = slice(first, stop - 1)
            observed = map_parts(lambda p, a=first, b=stop, e=env: p[a:b, e], observations)
            made.append(
                Trajectory(
                    _shaped(buffer, observed),
                    _executed(buffer, actions[steps, env]),
                    buffer.rewards[steps, env],
                    False,
                    action_repeat,
                )
            )
    if not made:
        raise ValueError("every episode of the buffer has a single step; collect longer ones")
    return Demonstrations(made)


def _by_time(buffer: Any, array: Array) -> Array:
    """Give an array of a rollout buffer as (n_steps, n_envs, ...), which training flattens."""
    shape = (buffer.buffer_size, buffer.n_envs)
    if array.shape[:2] == shape and not buffer.generator_ready:
        return array
    return array.reshape(shape[1], shape[0], *array.shape[1:]).swapaxes(0, 1)


def _executed(buffer: Any, actions: Array) -> Array:
    """Clip the actions as the algorithm did before it handed them to the environment."""
    space = buffer.action_space
    actions = actions.reshape(len(actions), *space.shape)
    if isinstance(space, spaces.Box):
        return np.clip(actions, space.low, space.high).astype(space.dtype)
    return actions.astype(space.dtype)
