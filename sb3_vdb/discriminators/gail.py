"""The GAIL-type discriminator: one logit for a state, a state-action pair or a transition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch as th
from torch import nn

from sb3_vdb.discriminators.base import Discriminator, DiscriminatorOutput
from sb3_vdb.discriminators.features import Batch
from sb3_vdb.discriminators.normalizer import Normalizer
from sb3_vdb.discriminators.unit import CodeUnit
from sb3_vdb.rewards import LOGIT_REWARDS
from sb3_vdb.vdb import add_noise


class GAILDiscriminator(Discriminator):
    """D(z) = sigmoid(w^T z + b), z ~ E(z|x) (eq. 12).

    :param normalizer: normaliser of the observations
    :param observation_dim: number of observation features
    :param action_dim: number of action features the network sees; 0 for a state-only discriminator
    :param net_arch: widths of the hidden layers
    :param code_dim: dimension of the code; None for no bottleneck
    :param activation_fn: activation of the hidden layers
    :param use_next_observation: whether the network also sees the next observation
    :param input_noise_std: instance noise on the inputs
    :param hidden_noise_std: instance noise on the last hidden layer
    """

    reward_types: ClassVar[tuple[str, ...]] = tuple(LOGIT_REWARDS)
    uses_log_probs: ClassVar[bool] = False

    def __init__(
        self,
        normalizer: Normalizer,
        observation_dim: int,
        action_dim: int,
        net_arch: Sequence[int],
        code_dim: int | None,
        activation_fn: type[nn.Module] = nn.ReLU,
        use_next_observation: bool = False,
        input_noise_std: float = 0.0,
        hidden_noise_std: float = 0.0,
    ) -> None:
        super().__init__(normalizer, input_noise_std)
        self.action_dim = action_dim
        self.use_next_observation = use_next_observation
        input_dim = observation_dim * (2 if use_next_observation else 1) + action_dim
        self.unit = CodeUnit(input_dim, net_arch, code_dim, activation_fn, hidden_noise_std)

    @property
    def uses_actions(self) -> bool:
        """Whether the network sees actions."""
        return self.action_dim > 0

    def _inputs(self, batch: Batch) -> th.Tensor:
        parts = [self.normalizer(batch.observations), batch.actions]
        if self.use_next_observation:
            parts.append(self.normalizer(batch.next_observations))
        return th.cat(parts, dim=1)

    def forward(
        self, batch: Batch, sample: bool, inputs_require_grad: bool = False
    ) -> DiscriminatorOutput:
        """Logits and divergences; see :meth:`Discriminator.forward`."""
        inputs = self._inputs(batch)
        if sample:
            inputs = add_noise(inputs, self.input_noise_std)
        inputs.requires_grad_(inputs_require_grad)
        logits, kl = self.unit(inputs, sample)
        return DiscriminatorOutput(logits, kl, (inputs,), (logits,))

    def reward(self, batch: Batch, reward_type: str) -> th.Tensor:
        """Reward at the mean code, -log(1 - D(mean(s))) by default (section 4.2); shape
        (batch,).
        """
        return LOGIT_REWARDS[reward_type](self.unit(self._inputs(batch), sample=False).values)
