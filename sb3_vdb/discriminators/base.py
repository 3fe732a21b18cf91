"""What every discriminator offers: logits and divergences for its own training, a reward for the
policy's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

import torch as th
from torch import nn

from sb3_vdb.discriminators.features import Batch
from sb3_vdb.discriminators.normalizer import Normalizer

PenaltyTarget = Literal["logits", "probabilities", "terms"]
PENALTY_TARGETS: tuple[PenaltyTarget, ...] = ("logits", "probabilities", "terms")


class DiscriminatorOutput(NamedTuple):
    """What one pass over a batch gives.

    :param logits_expert_is_high: shape (batch,)
    :param kl: divergence of the codes from N(0, I) in nats, shape (batch,)
    :param inputs: normalised inputs the logits were computed from, each (batch, features), for the
        gradient penalty
    :param terms: the networks' own outputs, each (batch,): the logit, or g, h(s') and h(s)
    """

    logits_expert_is_high: th.Tensor
    kl: th.Tensor
    inputs: tuple[th.Tensor, ...]
    terms: tuple[th.Tensor, ...]

    def penalised(self, target: PenaltyTarget) -> tuple[th.Tensor, ...]:
        """Outputs whose gradients eq. 15 penalises: the logits, sigmoid(logits), or each network's
        own output.
        """
        if target == "terms":
            return self.terms
        logits = self.logits_expert_is_high
        return (logits if target == "logits" else th.sigmoid(logits),)


class Discriminator(nn.Module, ABC):
    """Tells expert transitions from the generator's.

    :param normalizer: normaliser of the observations
    :param input_noise_std: instance noise on the normalised inputs while training (baseline "GAIL -
        noise")
    """

    reward_types: ClassVar[tuple[str, ...]]  # the first one is the default
    uses_log_probs: ClassVar[bool]

    def __init__(self, normalizer: Normalizer, input_noise_std: float) -> None:
        super().__init__()
        self.normalizer = normalizer
        self.input_noise_std = input_noise_std

    @property
    @abstractmethod
    def uses_actions(self) -> bool:
        """Whether the networks see actions (log-densities apart)."""

    @abstractmethod
    def forward(
        self, batch: Batch, sample: bool, inputs_require_grad: bool = False
    ) -> DiscriminatorOutput:
        """Logits and divergences.

        :param batch: encoded transitions
        :param sample: draw codes and noise, as in training, or use the mean codes
        :param inputs_require_grad: let gradients with respect to the inputs be taken
        """

    @abstractmethod
    def reward(self, batch: Batch, reward_type: str) -> th.Tensor:
        """Reward of each transition at the mean codes (eq. 11), shape (batch,)."""
