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

PenaltySide = Literal["expert", "both", "interpolates"]
PENALTY_SIDES: tuple[PenaltySide, ...] = ("expert", "both", "interpolates")
PenaltyKind = Literal["zero_centered", "one_centered"]
PENALTY_KINDS: tuple[PenaltyKind, ...] = ("zero_centered", "one_centered")


class Objective(NamedTuple):
    """The settings of the loss: what it depends on beside weights and samples.

    :param batch_size: expert samples, and as many of the generator
    :param grad_penalty_coef: w_GP of eq. 15
    :param grad_penalty_on: ``"expert"`` or ``"both"`` samples, or ``"interpolates"``, points
        between one of each (Gulrajani et al. 2017)
    :param grad_penalty_target: what is penalised
    :param information_limit: I_c in nats; None for no bottleneck
    :param loss_kind: ``"cross_entropy"`` or ``"least_squares"``
    :param grad_penalty_kind: ``"zero_centered"`` (eq. 15) or ``"one_centered"`` (WGAN-GP)
    """

    batch_size: int
    grad_penalty_coef: float
    grad_penalty_on: PenaltySide
    grad_penalty_target: PenaltyTarget
    information_limit: float | None
    loss_kind: str = "cross_entropy"
    grad_penalty_kind: PenaltyKind = "zero_centered"

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
        penalised, between = self.grad_penalty_coef > 0.0, self.grad_penalty_on == "interpolates"
        output = discriminator(batch, True, penalised and not between)
        logits_expert, logits_generator = output.logits_expert_is_high.split(self.batch_size)
        penalty = None
        if penalised:
            at = discriminator(interpolated(batch), True, True) if between else output
            penalty = self.grad_penalty_coef * self._penalty(at)
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

    def _penalty(self, output: DiscriminatorOutput) -> th.Tensor:
        """Compute the gradient penalty at the samples that are penalised."""
        outputs = output.penalised(self.grad_penalty_target)
        if self.grad_penalty_on == "expert":
            outputs = tuple(each[: self.batch_size] for each in outputs)
        return gradient_penalty(outputs, output.inputs, self.grad_penalty_kind)


def interpolated(batch: EncodedTransitions) -> EncodedTransitions:
    """Draw a point between each expert sample and one of the generator's.

    :param batch: as many samples of either, experts first
    :return: half as many
    """
    n = len(batch.terminated) // 2
    share = th.rand(n, device=batch.terminated.device)  # of the generator's

    def between(both: th.Tensor) -> th.Tensor:
        weights = share.reshape(n, *(1,) * (both.dim() - 1))
        expert, generator = both[:n], both[n:]
        return expert + weights * (generator.float() - expert.float())

    return EncodedTransitions.of_tensors([between(each) for each in batch.tensors()])
