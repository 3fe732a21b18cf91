"""The GAIL-type discriminator: one logit for whatever of a transition is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar

import torch as th

from sb3_vdb.discriminators.base import Discriminator, DiscriminatorOutput
from sb3_vdb.rewards import LEAST_SQUARES, LOGIT_REWARDS, least_squares_reward
from sb3_vdb.views import EncodedTransitions, Inputs, View


class GAILDiscriminator(Discriminator):
    """D(z) = sigmoid(w^T z + b), z ~ E(z|x) (eq. 12); arguments as for :class:`Discriminator`.

    A subclass pays other rewards by giving ``rewards`` and ``reward_types`` others.
    """

    rewards: ClassVar[Mapping[str, Callable[[th.Tensor], th.Tensor]]] = MappingProxyType(
        {**LOGIT_REWARDS, LEAST_SQUARES: least_squares_reward}
    )
    reward_types: ClassVar[tuple[str, ...]] = (*LOGIT_REWARDS, LEAST_SQUARES)
    default_view: ClassVar[View] = View(sees=("observations", "actions"))

    def make_networks(self) -> None:
        """Make one network, for all that is seen."""
        observation, action = self.probe()
        self.unit = self.make_unit(self.view.inputs(observation, action, observation))

    def inputs(self, batch: EncodedTransitions) -> Inputs:
        """Compute what the network sees, without noise."""
        return self.view.inputs(
            self.normalized(batch.observations),
            batch.actions,
            self.normalized(batch.next_observations),
        )

    def forward(
        self, batch: EncodedTransitions, sample: bool, inputs_require_grad: bool = False
    ) -> DiscriminatorOutput:
        """Compute logits and divergences; see :meth:`Discriminator.forward`."""
        inputs = self.inputs(batch)
        if sample:
            inputs = self.noisy(inputs)
        for each in inputs.present():
            each.requires_grad_(inputs_require_grad)
        logits, kl = self.apply_unit(self.unit, inputs, sample)
        return DiscriminatorOutput(logits, kl, inputs.present(), (logits,))

    def reward(self, batch: EncodedTransitions, reward_type: str) -> th.Tensor:
        """Compute the reward at the mean code, -log(1 - D(mean(s))) by default (section 4.2); shape
        (batch,).
        """
        logits = self.apply_unit(self.unit, self.inputs(batch), sample=False).values
        return self.rewards[reward_type](logits)
