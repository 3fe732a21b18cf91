"""Replay buffers whose steps are paid when they are drawn, by the discriminator as it is then, and
from which it learns what the agent has done so far.
"""

from __future__ import annotations

import copyreg
from typing import Any

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb.replay_state import plain_kind
from sb3_vdb.reward_vec_env import RewardFunction
from sb3_vdb.transitions import Observations, Transitions, map_parts

Space = spaces.Space[Any]
PLAIN = (ReplayBuffer, DictReplayBuffer)  # whose steps are single ones, each with its reward


class ReplaySteps:
    """The steps of an off-policy algorithm, as the environment gave them.

    :param gen_algo: the algorithm
    :param observation_space: of the environment; pictures lie in the buffer as the algorithm sees
        them
    :param action_space: of the environment; actions lie in the buffer scaled to [-1, 1]
    """

    def __init__(
        self, gen_algo: BaseAlgorithm, observation_space: Space, action_space: Space
    ) -> None:
        self.gen_algo = gen_algo
        self.observation_space, self.action_space = observation_space, action_space

    def draw(self, n: int) -> Transitions:
        """Draw steps, each as likely as any other, with replacement."""
        buffer: Any = self.gen_algo.replay_buffer  # type: ignore[attr-defined]
        filled = buffer.buffer_size if buffer.full else buffer.pos
        if getattr(buffer, "optimize_memory_usage", False) and buffer.full:
            # the row at `pos` has lost its s'
            rows = (np.random.randint(1, filled, size=n) + buffer.pos) % filled
        else:
            rows = np.random.randint(filled, size=n)
        plain = next(kind for kind in PLAIN[::-1] if isinstance(buffer, kind))
        return self.of(plain._get_samples(buffer, rows))

    def of(self, samples: Any) -> Transitions:
        """Undo what the algorithm has done to steps.

        :param samples: SB3's, observations not normalised
        """
        return Transitions(
            self._raw(samples.observations),
            self._raw_actions(samples.actions.cpu().numpy()),
            self._raw(samples.next_observations),
            samples.dones.cpu().numpy().reshape(-1) > 0.5,
        )

    def _raw(self, observations: Any) -> Observations:
        space = self.observation_space
        if not isinstance(space, spaces.Dict):
            return _channels_of(observations.cpu().numpy(), space)
        return {
            name: _channels_of(part.cpu().numpy(), space[name])
            for name, part in observations.items()
        }

    def _raw_actions(self, actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
        space = self.action_space
        if not isinstance(space, spaces.Box):
            return actions.reshape(len(actions), *(space.shape or ()))
        half = 0.5 * (actions.reshape(len(actions), *space.shape) + 1.0)
        return space.low + half * (space.high - space.low)


def _channels_of(part: npt.NDArray[Any], space: Space) -> npt.NDArray[Any]:
    """Bring the channels of pictures to where the environment has them."""
    if is_image_space(space) and part.shape[1:] != space.shape:
        return np.moveaxis(part, 1, -1)
    return part


def _paid_samples(
    buffer: Any, batch_inds: npt.NDArray[Any], env: VecNormalize | None = None
) -> Any:
    """Give steps of a buffer as SB3 does, with the learned reward added to what is stored."""
    raw = buffer.plain_class._get_samples(buffer, batch_inds)
    learned = th.as_tensor(buffer.pay(raw), device=raw.rewards.device)
    paid = raw._replace(rewards=raw.rewards + learned.reshape(-1, 1))
    if env is None:
        return paid

    def normalized(observations: Any) -> Any:
        numbers = map_parts(lambda part: part.cpu().numpy(), observations)
        return map_parts(buffer.to_torch, buffer._normalize_obs(numbers, env))

    return paid._replace(
        observations=normalized(raw.observations),
        next_observations=normalized(raw.next_observations),
    )


def _reduced(buffer: Any, protocol: Any) -> Any:
    """Pickle a buffer as the plain one: its file says nothing of a trainer."""
    state = {name: value for name, value in vars(buffer).items() if name != "pay"}
    # what protocol 0 makes objects by; the default compares the classes of the object and its copy
    make = vars(copyreg)["_reconstructor"]
    return make, (buffer.plain_class, object, None), state


class PaidReplayBuffer(ReplayBuffer):
    """A replay buffer of SB3 that adds ``pay`` of its samples to what is stored, when steps are
    drawn; it has the memory layout of a plain one, which becomes one in place.
    """

    plain_class = ReplayBuffer
    _get_samples = _paid_samples  # type: ignore[assignment]
    __reduce_ex__ = _reduced


class PaidDictReplayBuffer(DictReplayBuffer):
    """The same, of observations with parts."""

    plain_class = DictReplayBuffer
    _get_samples = _paid_samples  # type: ignore[assignment]
    __reduce_ex__ = _reduced


PAID: dict[type, type] = {
    each.plain_class: each for each in (PaidReplayBuffer, PaidDictReplayBuffer)
}


def can_be_paid(gen_algo: BaseAlgorithm) -> bool:
    """Say whether an algorithm has a replay buffer whose steps can be paid when they are drawn;
    those of several steps at once, of goals relabelled, of anybody's own cannot.
    """
    return plain_kind(getattr(gen_algo, "replay_buffer", None)) in PAID


def pay_when_drawn(gen_algo: BaseAlgorithm, steps: ReplaySteps, reward: RewardFunction) -> None:
    """Let the replay buffer of an algorithm add a reward to each step that is drawn.

    :param gen_algo: see :func:`can_be_paid`
    :param steps: of the algorithm
    :param reward: of transitions
    """
    buffer: Any = gen_algo.replay_buffer  # type: ignore[attr-defined]
    buffer.__class__ = PAID[plain_kind(buffer)]
    buffer.pay = lambda samples: reward(steps.of(samples))
