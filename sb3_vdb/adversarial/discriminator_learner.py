"""The discriminator's half of the circle: a round of updates on an equal mix of samples."""

from __future__ import annotations

import torch as th

from sb3_vdb.adversarial.discriminator_update import (
    Gradients,
    UpdateForm,
    recorded_gradients,
    update_gradients,
)
from sb3_vdb.adversarial.round_metrics import UpdateMetrics, not_finite
from sb3_vdb.adversarial.settings import AdversarialSettings
from sb3_vdb.discriminators import Architecture, Batch, Discriminator
from sb3_vdb.vdb import DualVariable


class DiscriminatorLearner:
    """Gradient descent on the Lagrangian of eq. 10, dual ascent on beta (eq. 9).

    :param discriminator: what learns
    :param architecture: what it was built from
    :param settings: batch size, number of updates, penalty
    :param dual: dual variable of the bottleneck; None for no bottleneck
    """

    def __init__(
        self,
        discriminator: Discriminator,
        architecture: Architecture,
        settings: AdversarialSettings,
        dual: DualVariable | None,
    ) -> None:
        self.discriminator, self.settings, self.dual = discriminator, settings, dual
        self.architecture = architecture
        self.form = UpdateForm(
            settings.demo_batch_size,
            settings.grad_penalty_coef,
            settings.grad_penalty_on,
            settings.grad_penalty_target,
            None if dual is None else dual.information_limit,
        )
        self.optimizer = th.optim.Adam(
            discriminator.parameters(), lr=settings.disc_learning_rate, fused=True
        )
        self._gradients: Gradients | None = None

    def train_round(self, expert: Batch, generator: Batch) -> UpdateMetrics:
        """One round of updates.

        :param expert: expert samples, n_updates * batch_size of them
        :param generator: as many generator samples
        :return: metrics, each of shape (n_updates,)
        :raises NonFiniteError: a loss or gradient is not finite; the weights are still those of the
            update before
        """
        n, size = self.settings.n_disc_updates_per_round, self.settings.demo_batch_size
        # (n_updates, 2 batch_size, ...): each update sees an equal mix, experts first
        mixed = [
            th.cat([each.view(n, size, *each.shape[1:]) for each in pair], dim=1).unbind()
            for pair in zip(expert, generator, strict=True)
        ]
        self.discriminator.train()
        metrics = [self._update(Batch(*fields)) for fields in zip(*mixed, strict=True)]
        self.discriminator.eval()
        return UpdateMetrics(*th.stack(metrics).unbind(dim=1))

    def _update(self, mixed: Batch) -> th.Tensor:
        """One gradient step, then one step of the dual variable; metrics of shape (8,)."""
        parameters = list(self.discriminator.parameters())
        beta = 0.0 if self.dual is None else self.dual.beta
        if self._gradients is None:
            self._gradients = self._make_gradients(mixed)
        found = self._gradients(
            [*parameters, *self.discriminator.buffers()],
            mixed,
            mixed.observations.new_tensor(beta),
        )
        if not bool(found.is_finite):
            names = [name for name, _ in self.discriminator.named_parameters()]
            raise not_finite(found.metrics, dict(zip(names, found.gradients, strict=True)))
        for parameter, gradient in zip(parameters, found.gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        if self.dual is not None:
            self.dual.update(found.kl)
        return found.metrics

    def _make_gradients(self, mixed: Batch) -> Gradients:
        if not self.settings.record_updates:
            return update_gradients(self.discriminator, self.form)
        return recorded_gradients(self.discriminator, self.architecture, self.form, mixed)
