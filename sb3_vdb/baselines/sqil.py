"""SQIL (Reddy et al. 2020): any off-policy algorithm of SB3 imitates, once demonstrated steps are
paid 1 and its own 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb.arguments import fraction
from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.transitions import Observations, map_parts, parts_of

Space = spaces.Space[Any]


class _WithExpert:
    """What both kinds of buffer do: a part of every batch is the expert's.

    :param buffer_size: of the agent's own steps
    :param observation_space: as the algorithm sees it
    :param action_space: of the environment
    :param arguments: the others of SB3's buffer
    :param demonstrations: of the expert, with actions
    :param expert_share: of a batch, the paper's is one half
    :raises ValueError: the demonstrations do not fit the spaces, or are missing
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: Space,
        action_space: Space,
        *arguments: Any,
        demonstrations: Demonstrations | None = None,
        expert_share: float = 0.5,
        **named: Any,
    ) -> None:
        make: Any = super().__init__
        make(buffer_size, observation_space, action_space, *arguments, **named)
        if demonstrations is None:
            raise ValueError(
                "SQIL needs demonstrations: give the algorithm "
                "replay_buffer_kwargs=dict(demonstrations=...)"
            )
        if getattr(self, "optimize_memory_usage", False):
            raise ValueError(
                "`optimize_memory_usage` overwrites last observations; leave it out with SQIL"
            )
        self.expert_share = fraction("expert_share", expert_share)
        self.expert = _expert_buffer(
            demonstrations,
            observation_space,
            action_space,
            self.device,  # type: ignore[attr-defined]
        )

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """Draw a batch, the agent's steps first: rewards are 0 for them and 1 for the expert's.

        :param batch_size: of both together
        :param env: normalises observations
        """
        n_expert = round(self.expert_share * batch_size)
        own = super().sample(batch_size - n_expert, env)  # type: ignore[misc]
        own = own._replace(rewards=th.zeros_like(own.rewards))
        expert = self.expert.sample(n_expert, env)
        expert = expert._replace(rewards=th.ones_like(expert.rewards))
        return type(own)(*(_joined(*pair) for pair in zip(own, expert, strict=True)))


class SQILReplayBuffer(_WithExpert, ReplayBuffer):
    """A replay buffer that makes SAC, TD3, DQN and their relatives imitate: soft Q imitation
    learning. Half of each batch are demonstrated steps with reward 1, half the agent's own with
    reward 0 (Reddy et al. 2020, algorithm 1). The environment's reward is not used.

    ``SAC("MlpPolicy", env, replay_buffer_class=SQILReplayBuffer,
    replay_buffer_kwargs=dict(demonstrations=demos))``

    *Differences from the paper*: actions of a Box with SAC and its relatives, where the paper's
    first form has soft Q-learning on discrete ones.

    :param arguments: of :class:`stable_baselines3.common.buffers.ReplayBuffer`, and
        ``demonstrations`` and ``expert_share`` (0.5)
    """


class SQILDictReplayBuffer(_WithExpert, DictReplayBuffer):
    """:class:`SQILReplayBuffer` for observations with parts."""


def _expert_buffer(
    demonstrations: Demonstrations,
    observation_space: Space,
    action_space: Space,
    device: th.device | str,
) -> ReplayBuffer:
    """Fill a buffer with demonstrated steps, as the algorithm would store them."""
    seen = Demonstrations(
        Trajectory(
            _channels_like(each.observations, observation_space),
            each.actions,
            each.rewards,
            each.terminal,
        )
        for each in demonstrations
    )
    seen.validate(observation_space, action_space)
    has_parts = isinstance(observation_space, spaces.Dict)
    kind: type[Any] = DictReplayBuffer if has_parts else ReplayBuffer
    buffer: ReplayBuffer = kind(seen.n_steps, observation_space, action_space, device)
    for each in seen:
        assert each.actions is not None
        actions = _as_stored(each.actions, action_space)
        for t in range(len(each)):
            now, following = (
                map_parts(lambda part, i=i: part[i : i + 1], each.observations) for i in (t, t + 1)
            )
            done = np.array([each.terminal and t == len(each) - 1])
            buffer.add(now, following, actions[t : t + 1], np.ones(1), done, [{}])
    return buffer


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


def _joined(own: Any, expert: Any) -> Any:
    """Put the rows of both behind each other."""
    if own is None or expert is None:
        return None
    return map_parts(lambda *parts: th.cat(parts), own, expert)
