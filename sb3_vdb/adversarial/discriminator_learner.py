"""The discriminator's half of the circle: a round of updates on an equal mix of samples."""

from __future__ import annotations

import torch as th

from sb3_vdb.adversarial.round_metrics import UpdateMetrics, check_finite, check_finite_gradients
from sb3_vdb.adversarial.settings import AdversarialSettings
from sb3_vdb.discriminators import Batch, Discriminator
from sb3_vdb.vdb import (
    DiscriminatorLoss,
    DualVariable,
    bottleneck_loss,
    expert_loss,
    generator_loss,
    gradient_penalty,
)


class DiscriminatorLearner:
    """Gradient descent on the Lagrangian of eq. 10, dual ascent on beta (eq. 9).

    :param discriminator: what learns
    :param settings: batch size, number of updates, penalty
    :param dual: dual variable of the bottleneck; None for no bottleneck
    """

    def __init__(
        self,
        discriminator: Discriminator,
        settings: AdversarialSettings,
        dual: DualVariable | None,
    ) -> None:
        self.discriminator, self.settings, self.dual = discriminator, settings, dual
        self.optimizer = th.optim.Adam(discriminator.parameters(), lr=settings.disc_learning_rate)

    def train_round(self, expert: Batch, generator: Batch) -> list[UpdateMetrics]:
        """One round of updates.

        :param expert: expert samples, n_updates * batch_size of them
        :param generator: as many generator samples
        :return: metrics of every update
        :raises NonFiniteError: a loss or gradient is not finite; the weights are still those of the
            update before
        """
        n, size = self.settings.n_disc_updates_per_round, self.settings.demo_batch_size
        # (n_updates, 2 batch_size, ...): each update sees an equal mix, experts first
        mixed = [
            th.cat([each.view(n, size, *each.shape[1:]) for each in pair], dim=1)
            for pair in zip(expert, generator, strict=True)
        ]
        self.discriminator.train()
        metrics = [self._update(Batch(*(field[i] for field in mixed))) for i in range(n)]
        self.discriminator.eval()
        return metrics

    def _update(self, mixed: Batch) -> UpdateMetrics:
        """One gradient step, then one step of the dual variable."""
        n, coef = self.settings.demo_batch_size, self.settings.grad_penalty_coef
        output = self.discriminator(mixed, sample=True, inputs_require_grad=coef > 0.0)
        logits_expert, logits_generator = output.logits_expert_is_high.split(n)
        penalty = bottleneck = logits_expert.new_zeros(())
        if coef > 0.0:
            outputs = output.penalised(self.settings.grad_penalty_target)
            if self.settings.grad_penalty_on == "expert":
                outputs = tuple(each[:n] for each in outputs)
            penalty = coef * gradient_penalty(outputs, output.inputs)
        if self.dual is not None:
            bottleneck = bottleneck_loss(output.kl, self.dual.beta, self.dual.information_limit)
        loss = DiscriminatorLoss(
            expert_loss(logits_expert), generator_loss(logits_generator), bottleneck, penalty
        )
        check_finite(loss)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total().backward()
        check_finite_gradients(self.discriminator)
        self.optimizer.step()
        if self.dual is not None:
            self.dual.update(output.kl)
        return UpdateMetrics.of(loss, logits_expert, logits_generator, output.kl)
