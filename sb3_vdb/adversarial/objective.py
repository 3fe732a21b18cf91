"""What a discriminator minimises: the Lagrangian of eq. 10 with the penalty of eq. 15, on an equal
mix of expert and generator samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch as th

from sb3_vdb.discriminators import DiscriminatorOutput, PenaltyTarget
from sb3_vdb.vdb import DiscriminatorLoss, discriminator_loss, gradient_penalty
from sb3_vdb.views import EncodedTransitions

PenaltySide = Literal["expert", "both"]


class Objective(NamedTuple):
    """The settings of the loss: what it depends on beside weights and samples.

    :param batch_size: expert samples, and as many of the generator
    :param grad_penalty_coef: w_GP of eq. 15
    :param grad_penalty_on: ``"expert"`` or ``"both"``
    :param grad_penalty_target: what is penalised
    :param information_limit: I_c in nats; None for no bottleneck
    :param loss_kind: ``"cross_entropy"`` or ``"least_squares"``
    """

    batch_size: int
    grad_penalty_coef: float
    grad_penalty_on: PenaltySide
    grad_penalty_target: PenaltyTarget
    information_limit: float | None
    loss_kind: str = "cross_entropy"

    def loss(
        self,
        discriminator: Callable[..., DiscriminatorOutput],
        batch: EncodedTransitions,
        beta: th.Tensor | float,
    ) -> tuple[DiscriminatorLoss, DiscriminatorOutput]:
        """Compute the terms of the loss, and what the discriminator said.

        :param discriminator: called as a :class:`~sb3_vdb.discriminators.Discriminator`
        :param batch: 2 batch_size samples, experts first
        :param beta: dual variable
        """
        n = self.batch_size
        output = discriminator(batch, True, self.grad_penalty_coef > 0.0)
        logits_expert, logits_generator = output.logits_expert_is_high.split(n)
        penalty = None
        if self.grad_penalty_coef > 0.0:
            outputs = output.penalised(self.grad_penalty_target)
            if self.grad_penalty_on == "expert":
                outputs = tuple(each[:n] for each in outputs)
            penalty = self.grad_penalty_coef * gradient_penalty(outputs, output.inputs)
        loss = discriminator_loss(
            logits_expert,
            logits_generator,
            kl=output.kl,
            beta=beta,
            information_limit=self.information_limit,
            gradient_penalty=penalty,
            kind=self.loss_kind,
        )
        return loss, output
