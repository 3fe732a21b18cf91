"""Stored episodes as an off-policy algorithm's replay buffer, and learning on them alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.utils import configure_logger

from sb3_vdb.arguments import positive_int, whole_number
from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.transitions import Observations, map_parts, parts_of

Space = spaces.Space[Any]


def add_episodes(
    buffer: ReplayBuffer,
    episodes: Demonstrations,
    observation_space: Space,
    action_space: Space,
    reward: float | None = None,
) -> None:
    """Put episodes into a replay buffer of one environment, as an algorithm would store them.

    :param buffer: gets the steps
    :param episodes: with actions, as the environment observes them
    :param observation_space: as the algorithm sees it
    :param action_space: of the environment
    :param reward: of every step; None for the episodes' own, 0 where they have none
    :raises ValueError: they do not fit the spaces
    """
    seen = Demonstrations(
        Trajectory(
            _channels_like(each.observations, observation_space),
            each.actions,
            each.rewards,
            each.terminal,
        )
        for each in episodes
    )
    seen.validate(observation_space, action_space)
    for each in seen:
        if each.actions is None:
            raise ValueError("the episodes have no actions, and a replay buffer stores them")
        actions = _as_stored(each.actions, action_space)
        own = np.zeros(len(each)) if each.rewards is None else each.rewards
        rewards = own if reward is None else np.full(len(each), reward)
        for t in range(len(each)):
            now, following = (
                map_parts(lambda part, i=i: part[i : i + 1], each.observations) for i in (t, t + 1)
            )
            done = np.array([each.terminal and t == len(each) - 1])
            buffer.add(now, following, actions[t : t + 1], rewards[t : t + 1], done, [{}])


def fill_replay_buffer(
    algorithm: OffPolicyAlgorithm, episodes: Demonstrations, reward: float | None = None
) -> None:
    """Put stored episodes into an algorithm's replay buffer, to learn on them with
    :func:`learn_offline`.

    :param algorithm: SAC, TD3, :class:`.CQL` and so on, with one environment
    :param episodes: with actions, as the environment observes them
    :param reward: of every step; None for the episodes' own
    :raises ValueError: they do not fit, or the buffer is too small for them
    """
    buffer: Any = algorithm.replay_buffer
    if buffer.n_envs != 1:
        raise ValueError(
            f"the replay buffer is of {buffer.n_envs} environments, stored episodes need one; make "
            "the algorithm with a single environment"
        )
    free = buffer.buffer_size - (buffer.buffer_size if buffer.full else buffer.pos)
    if episodes.n_steps > free:
        raise ValueError(
            f"the episodes have {episodes.n_steps} steps, the replay buffer has room for {free}; "
            "make the algorithm with a larger `buffer_size`"
        )
    assert algorithm.env is not None
    add_episodes(buffer, episodes, algorithm.observation_space, algorithm.action_space, reward)


def learn_offline(
    algorithm: OffPolicyAlgorithm, gradient_steps: int, log_interval: int = 1000
) -> None:
    """Learn on what the replay buffer holds, without a step in an environment.

    :param algorithm: whose buffer has been filled
    :param gradient_steps: number of updates
    :param log_interval: updates between two lines of the log
    :raises ValueError: a number is out of range, or the buffer is empty
    """
    whole_number("gradient_steps", gradient_steps, 0)
    positive_int("log_interval", log_interval)
    prepare_offline(algorithm)
    for done in range(0, gradient_steps, log_interval):
        n = min(log_interval, gradient_steps - done)
        algorithm._update_current_progress_remaining(done, gradient_steps)
        algorithm.train(n, algorithm.batch_size)
        algorithm.logger.dump(done + n)


def prepare_offline(algorithm: OffPolicyAlgorithm) -> None:
    """Give an algorithm that has not learned yet the logger that ``train`` writes to.

    :param algorithm: with stored steps
    :raises ValueError: its replay buffer is empty
    """
    buffer = algorithm.replay_buffer
    if buffer is None or buffer.size() == 0:
        raise ValueError("the replay buffer is empty; fill it with stored episodes first")
    if not hasattr(algorithm, "_logger"):
        algorithm._logger = configure_logger(
            algorithm.verbose, algorithm.tensorboard_log, type(algorithm).__name__, True
        )


def _as_stored(actions: npt.NDArray[Any], space: Space) -> npt.NDArray[Any]:
    """Scale actions of a Box to [-1, 1], as SB3's algorithms store theirs."""
    if not isinstance(space, spaces.Box):
        return actions
    return 2.0 * (actions - space.low) / (space.high - space.low) - 1.0


def _channels_like(observations: Observations, space: Space) -> Observations:
    """Bring pictures with channels last to channels first, where the algorithm sees them so."""
    named = dict(space.spaces) if isinstance(space, spaces.Dict) else {"observations": space}
    moved = {}
    for name, part in parts_of(observations).items():
        target = named.get(name)
        last = target is not None and is_image_space(target) and part.shape[1:] != target.shape
        moved[name] = np.moveaxis(part, -1, 1) if last else part
    return moved if isinstance(space, spaces.Dict) else moved["observations"]
