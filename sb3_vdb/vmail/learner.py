"""Updates carried out one after another: an engine for them, the check that they are finite, the
dual variable.
"""

from __future__ import annotations

import torch as th

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.vdb import DualVariable
from sb3_vdb.vmail.engines import CarryOut, EngineName, make_engine
from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.update import NETWORKS, UpdateMetrics
from sb3_vdb.vmail.whole_update import Inputs, WholeUpdate

LOSSES = ("model_loss", "discriminator_loss", "actor_loss", "value_loss")


class Learner:
    """Carries out updates.

    :param whole: the update
    :param dual: dual variable of the discriminator's bottleneck; None for no bottleneck
    :param engine: see :mod:`sb3_vdb.vmail.engines`
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    """

    def __init__(
        self,
        whole: WholeUpdate,
        dual: DualVariable | None,
        engine: EngineName,
        tf32: bool = True,
    ) -> None:
        self.whole, self.dual, self.engine, self.tf32 = whole, dual, engine, tf32
        self._carry_out: CarryOut | None = None

    def step(self, batch: SequenceBatch, expert: SequenceBatch, n_updates: int) -> th.Tensor:
        """One update of all networks.

        :param batch: sequences of the joint buffer
        :param expert: sequences of the expert
        :param n_updates: updates before this one
        :return: the fields of :class:`~sb3_vdb.vmail.update.UpdateMetrics`, on the CPU
        :raises NonFiniteError: a loss is not finite; the weights are still those before the update
        """
        steps = self.whole.steps
        due = (n_updates + 1) % steps.target_update_interval == 0
        beta = 0.0 if self.dual is None else self.dual.beta
        scalars = batch.actions.new_tensor([beta, steps.tau if due else 0.0])
        inputs = Inputs(batch, expert, *scalars.unbind())
        if self._carry_out is None:
            self._carry_out = make_engine(self.whole, self.engine, self.tf32, inputs)
        figures = self._carry_out(inputs).cpu()
        metrics, norms = figures.split([len(UpdateMetrics._fields), len(NETWORKS)])
        _check_finite(UpdateMetrics(*metrics), norms)
        if self.dual is not None:
            self.dual.update(UpdateMetrics(*metrics).code_kl.reshape(1))
        return metrics


def _check_finite(metrics: UpdateMetrics, norms: th.Tensor) -> None:
    """Raise the error that names what is not finite, the losses before what follows from them."""
    for name in (*LOSSES, *metrics._fields):
        if not getattr(metrics, name).isfinite():
            raise NonFiniteError(f"V-MAIL's `{name}` is not finite")
    for name, norm in zip(NETWORKS, norms, strict=True):
        if not norm.isfinite():
            raise NonFiniteError(f"the gradient of V-MAIL's {name} is not finite")
