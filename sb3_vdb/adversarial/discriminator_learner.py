"""The discriminator's updates: gradient descent on its objective, dual ascent on beta."""

from __future__ import annotations

import warnings

import torch as th

from sb3_vdb.adversarial.discriminator_update import Gradients, update_gradients
from sb3_vdb.adversarial.objective import Objective
from sb3_vdb.adversarial.round_metrics import MeanCodeAccuracy, UpdateMetrics, not_finite
from sb3_vdb.adversarial.settings import AdversarialSettings
from sb3_vdb.adversarial.traced_update import traced_gradients
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.networks.gradients import laid_out_like
from sb3_vdb.vdb import DualVariable
from sb3_vdb.views import EncodedTransitions


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
        self.objective = Objective(
            settings.demo_batch_size,
            settings.grad_penalty_coef,
            settings.grad_penalty_on,
            settings.grad_penalty_target,
            None if dual is None else dual.information_limit,
            settings.disc_loss,
            settings.grad_penalty_kind,
        )
        self.optimizer = th.optim.Adam(
            discriminator.parameters(), lr=settings.disc_learning_rate, fused=True
        )
        self.n_updates = 0
        self._gradients: Gradients | None = None

    def train_round(
        self, expert: EncodedTransitions, generator: EncodedTransitions
    ) -> UpdateMetrics:
        """Carry out one round of updates.

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
            for pair in zip(expert.tensors(), generator.tensors(), strict=True)
        ]
        batches = [EncodedTransitions.of_tensors(tensors) for tensors in zip(*mixed, strict=True)]
        self.discriminator.train()
        metrics = [self._update(batch) for batch in batches]
        self.discriminator.eval()
        self.n_updates += n
        return UpdateMetrics(*th.stack(metrics).unbind(dim=1))

    @th.no_grad()
    def mean_code_accuracy(
        self, expert: EncodedTransitions, generator: EncodedTransitions
    ) -> MeanCodeAccuracy:
        """Compute the accuracy at the mean codes on the samples of a round's last update.

        :param expert: expert samples of the round
        :param generator: as many generator samples
        """
        size = self.settings.demo_batch_size
        pairs = zip(expert.tensors(), generator.tensors(), strict=True)
        mixed = [th.cat([each[-size:] for each in pair]) for pair in pairs]
        output = self.discriminator(EncodedTransitions.of_tensors(mixed), False)
        return MeanCodeAccuracy.of(output.logits_expert_is_high)

    def _update(self, mixed: EncodedTransitions) -> th.Tensor:
        """Take one gradient step, then one step of the dual variable.

        :param mixed: an equal mix, experts first
        :return: metrics, shape (8,)
        """
        parameters = list(self.discriminator.parameters())
        beta = 0.0 if self.dual is None else self.dual.beta
        result = self._present_gradients(mixed)(
            [*parameters, *self.discriminator.buffers()], mixed, mixed.terminated.new_tensor(beta)
        )
        if not bool(result.is_finite):
            names = [name for name, _ in self.discriminator.named_parameters()]
            raise not_finite(result.metrics, dict(zip(names, result.gradients, strict=True)))
        for parameter, gradient in zip(parameters, result.gradients, strict=True):
            parameter.grad = laid_out_like(parameter, gradient)
        self.optimizer.step()
        if self.dual is not None:
            self.dual.update(result.kl)
        return result.metrics

    def _present_gradients(self, mixed: EncodedTransitions) -> Gradients:
        """Return what computes the gradients; autograd alone while it looks for anomalies
        (``torch.autograd.set_detect_anomaly``), of which a trace would tell nothing.
        """
        if th.is_anomaly_enabled():
            return update_gradients(self.discriminator, self.objective)
        if self._gradients is None:
            self._gradients = self._make_gradients(mixed)
        return self._gradients

    def _make_gradients(self, mixed: EncodedTransitions) -> Gradients:
        """Trace the update where that is asked for, or can be done and saves something: a network
        that sees pictures spends its time on arithmetic, not on calls, and one whose sizes depend
        on the data has no trace.
        """
        wanted = self.settings.trace_updates
        untraceable = any(
            getattr(each, "is_data_dependent", False) for each in self.discriminator.modules()
        )
        if wanted is None and not (mixed.has_pictures or untraceable):
            try:
                return traced_gradients(self.discriminator, self.objective, mixed)
            except RuntimeError as error:
                warnings.warn(f"{error}; this run goes on so", stacklevel=2)
        if wanted:
            return traced_gradients(self.discriminator, self.objective, mixed)
        return update_gradients(self.discriminator, self.objective)
