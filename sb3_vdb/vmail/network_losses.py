"""What the losses of V-MAIL and VDAC have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch as th
from torch import nn

from sb3_vdb.vmail.actor_critic import Value
from sb3_vdb.vmail.losses import Losses, LossSettings
from sb3_vdb.vmail.policies import VMAILPolicy
from sb3_vdb.vmail.replay_buffer import SequenceBatch
from sb3_vdb.vmail.rssm import Belief


class NetworkLosses(ABC):
    """Computes the losses of a policy's four networks from two batches of sequences.

    ``loops`` are the functions that loop over time; an engine may put compiled ones in their place.

    :param policy: networks
    :param settings: what the losses depend on
    :raises ValueError: the policy estimates returns in another way
    """

    value_class: ClassVar[type[nn.Module]] = Value

    def __init__(self, policy: VMAILPolicy, settings: LossSettings) -> None:
        if not isinstance(policy.value, self.value_class):
            raise ValueError(
                f"this algorithm needs a policy with a {self.value_class.__name__}, this one has a "
                f"{type(policy.value).__name__}; VMAIL and VDAC have policies and files of their "
                "own, give the policy by its name and load a file with the class that saved it"
            )
        self.policy, self.settings = policy, settings
        self.loops: dict[str, Callable[..., Any]] = {"observe": policy.world_model.rssm.observe}
        # features of the last beliefs, shape (time, batch, feat_dim), where they are kept
        self.inferred: th.Tensor | None = None

    @abstractmethod
    def __call__(self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor) -> Losses:
        """Compute the four losses with the weights as they are.

        :param batch: sequences of the joint buffer, or of the policy
        :param expert: sequences of the expert
        :param beta: dual variable of the discriminator's bottleneck, scalar
        """

    def observe(self, embed: th.Tensor, actions: th.Tensor, before: th.Tensor | None) -> Belief:
        """Infer beliefs along sequences, from what was believed before them where that is kept.

        :param embed: embedded observations, shape (time, batch, embed_dim)
        :param actions: ``actions[t]`` led to observation t, shape (time, batch, action_dim)
        :param before: see :class:`.SequenceBatch`
        """
        if before is None:
            return self.loops["observe"](embed, actions)
        belief: Belief = self.loops["observe"](
            embed, actions, self.policy.world_model.rssm.state_of(before)
        )
        self.inferred = belief.state.feat.detach()
        return belief

    def stored_pairs(self, belief: Belief, actions: th.Tensor) -> th.Tensor:
        """Return features of beliefs after the burn-in and the actions taken in them, side by side,
        shape (length - 1, batch, feat_dim + action_dim).

        :param belief: beliefs along sequences, shape (length, batch, ...)
        :param actions: ``actions[t]`` led to observation t, shape (length, batch, action_dim)
        """
        first = self.settings.burn_in
        return th.cat([belief.state.feat[first:-1], actions[first + 1 :]], dim=-1)

    def split_pairs(self, pairs: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Return the features and the actions of pairs, shape (..., feat_dim) and (...,
        action_dim).
        """
        feat, actions = pairs.split([self.policy.world_model.feat_dim, self.policy.action_dim], -1)
        return feat, actions
