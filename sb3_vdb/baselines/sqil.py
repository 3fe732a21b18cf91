"""SQIL (Reddy et al. 2020): any off-policy algorithm of SB3 imitates, once demonstrated steps are
paid 1 and its own 0.
"""

from __future__ import annotations

from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb.arguments import fraction
from sb3_vdb.baselines.offline import add_episodes
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.transitions import map_parts

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
    has_parts = isinstance(observation_space, spaces.Dict)
    kind: type[Any] = DictReplayBuffer if has_parts else ReplayBuffer
    buffer: ReplayBuffer = kind(demonstrations.n_steps, observation_space, action_space, device)
    add_episodes(buffer, demonstrations, observation_space, action_space, reward=1.0)
    return buffer


def _joined(own: Any, expert: Any) -> Any:
    """Put the rows of both behind each other."""
    if own is None or expert is None:
        return None
    return map_parts(lambda *parts: th.cat(parts), own, expert)
