"""Updates carried out: gradients by one of several engines, clipping, four optimisers, the dual
variable and the slow target.
"""

from __future__ import annotations

from typing import NamedTuple

import torch as th
from torch import nn

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.vdb import DualVariable
from sb3_vdb.vmail.engines import EngineName, Gradients, make_gradients
from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.update import NETWORKS, Update, UpdateMetrics

LOSSES = ("model_loss", "discriminator_loss", "actor_loss", "value_loss")


class Steps(NamedTuple):
    """How gradients become steps.

    :param max_grad_norm: global norm to which each network's gradient is clipped
    :param tau: how far the slow target follows the value
    :param target_update_interval: updates between two steps of the target
    :param actor_decay: share of the actor's average that an update keeps, where there is one
    """

    max_grad_norm: float
    tau: float
    target_update_interval: int
    actor_decay: float = 0.0


class Learner:
    """Carries out updates.

    :param update: losses of the networks, whose policy has their optimisers
    :param steps: how gradients become steps
    :param dual: dual variable of the discriminator's bottleneck; None for no bottleneck
    :param engine: see :mod:`sb3_vdb.vmail.engines`
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    """

    def __init__(
        self,
        update: Update,
        steps: Steps,
        dual: DualVariable | None,
        engine: EngineName,
        tf32: bool = True,
    ) -> None:
        self.update, self.steps, self.dual, self.engine = update, steps, dual, engine
        self.policy, self.tf32 = update.policy, tf32
        self.networks = update.networks()
        self._gradients: Gradients | None = None

    def optimizer(self, network: str) -> th.optim.Optimizer:
        """Optimiser of a network, by its name in :data:`NETWORKS`."""
        return getattr(self.policy, f"{network}_optimizer")

    def step(self, batch: SequenceBatch, expert: SequenceBatch, n_updates: int) -> th.Tensor:
        """One update of all networks.

        :param batch: sequences of the joint buffer
        :param expert: sequences of the expert
        :param n_updates: updates before this one
        :return: the fields of :class:`UpdateMetrics`
        :raises NonFiniteError: a loss is not finite; the weights are still those before the update
        """
        beta = batch.actions.new_tensor(0.0 if self.dual is None else self.dual.beta)
        if self._gradients is None:
            inputs = (batch, expert, beta)
            self._gradients = make_gradients(self.update, self.engine, self.tf32, inputs)
        gradients, metrics = self._gradients(batch, expert, beta)
        self._check_finite(gradients, metrics)
        self._apply(gradients)
        if self.dual is not None:
            self.dual.update(UpdateMetrics(*metrics).code_kl.reshape(1))
        if (n_updates + 1) % self.steps.target_update_interval == 0:
            _follow(self.policy.value_target, self.policy.value, self.steps.tau)
        if self.policy.actor_average is not None:
            _follow(self.policy.actor_average, self.policy.actor, 1.0 - self.steps.actor_decay)
        return metrics

    def _apply(self, gradients: list[list[th.Tensor]]) -> None:
        """Clip each network's gradient and take its step."""
        for name, found in zip(NETWORKS, gradients, strict=True):
            parameters = list(self.networks[name].parameters())
            for parameter, gradient in zip(parameters, found, strict=True):
                parameter.grad = _laid_out_like(parameter, gradient)
            nn.utils.clip_grad_norm_(parameters, self.steps.max_grad_norm, foreach=True)
            self.optimizer(name).step()

    def _check_finite(self, gradients: list[list[th.Tensor]], metrics: th.Tensor) -> None:
        norms = th.stack([th.stack(th._foreach_norm(found)).sum() for found in gradients])
        if bool(th.isfinite(th.cat([metrics, norms])).all()):
            return
        figures = UpdateMetrics(*metrics)
        for name in (*LOSSES, *figures._fields):
            if not bool(th.isfinite(getattr(figures, name))):
                raise NonFiniteError(f"V-MAIL's `{name}` is not finite")
        bad = next(name for name, norm in zip(NETWORKS, norms, strict=True) if not norm.isfinite())
        raise NonFiniteError(f"the gradient of V-MAIL's {bad} is not finite")


def _laid_out_like(parameter: th.Tensor, gradient: th.Tensor) -> th.Tensor:
    """The gradient in the parameter's order in memory, as ``backward`` would leave it: fused Adam
    goes through both from end to end.
    """
    if gradient.stride() == parameter.stride():
        return gradient
    return th.empty_like(parameter).copy_(gradient)


@th.no_grad()
def _follow(slow: nn.Module, network: nn.Module, share: float) -> None:
    """The weights of a slow copy go a share of the way to those of a network."""
    th._foreach_lerp_(list(slow.parameters()), list(network.parameters()), share)
