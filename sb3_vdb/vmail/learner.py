"""Updates one after another, through an engine, with the dual variable between them."""

from __future__ import annotations

import torch as th

from sb3_vdb.vdb import DualVariable
from sb3_vdb.vmail.engines import Engine, EngineName, make_engine
from sb3_vdb.vmail.metrics import UpdateMetrics
from sb3_vdb.vmail.replay_buffer import SequenceBatch
from sb3_vdb.vmail.update import Update, UpdateInputs, checked_metrics


class Learner:
    """Carries out updates.

    :param update: update of all networks
    :param dual: dual variable of the discriminator's bottleneck; None for no bottleneck
    :param engine: see ``sb3_vdb.vmail.engines``
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    """

    def __init__(
        self, update: Update, dual: DualVariable | None, engine: EngineName, tf32: bool = True
    ) -> None:
        self.update, self.dual, self.engine, self.tf32 = update, dual, engine, tf32
        self._engine: Engine | None = None

    def step(self, batch: SequenceBatch, expert: SequenceBatch, n_updates: int) -> th.Tensor:
        """Update all networks once.

        :param batch: sequences of the joint buffer
        :param expert: sequences of the expert
        :param n_updates: updates before this one
        :return: the fields of :class:`~sb3_vdb.vmail.metrics.UpdateMetrics`, on the CPU
        :raises NonFiniteError: a loss is not finite; the weights are still those before the update
        """
        settings = self.update.settings
        due = (n_updates + 1) % settings.target_update_interval == 0
        beta = 0.0 if self.dual is None else self.dual.beta
        scalars = batch.actions.new_tensor([beta, settings.tau if due else 0.0])
        inputs = UpdateInputs(batch, expert, *scalars.unbind())
        if self._engine is None:
            self._engine = make_engine(self.update, self.engine, self.tf32, inputs)
        metrics = checked_metrics(self._engine(inputs).cpu())
        if self.dual is not None:
            self.dual.update(UpdateMetrics(*metrics).code_kl.reshape(1))
        return metrics
