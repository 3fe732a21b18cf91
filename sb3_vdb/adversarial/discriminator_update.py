"""One discriminator update as a pure function of weights and samples: the gradients of the
objective, by autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch as th
from torch.func import functional_call

from sb3_vdb.adversarial.objective import Objective
from sb3_vdb.adversarial.round_metrics import UpdateMetrics
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.views import EncodedTransitions


class UpdateResult(NamedTuple):
    """Gradients and figures of one update.

    :param gradients: of the Lagrangian, one for each parameter
    :param metrics: the fields of :class:`~sb3_vdb.adversarial.round_metrics.UpdateMetrics`, shape
        (8,)
    :param kl: divergences in nats, shape (2 batch_size,)
    :param is_finite: whether loss and gradients are finite, 0 or 1
    """

    gradients: list[th.Tensor]
    metrics: th.Tensor
    kl: th.Tensor
    is_finite: th.Tensor


Weights = Sequence[th.Tensor]  # parameters, then buffers
Gradients = Callable[[Weights, EncodedTransitions, th.Tensor], UpdateResult]


def update_gradients(discriminator: Discriminator, objective: Objective) -> Gradients:
    """Give the function of an update: the gradients of the objective, by autograd.

    :param discriminator: its modules are called with the weights that are given, not with its own
    :param objective: what it minimises
    """
    parameter_names = [name for name, _ in discriminator.named_parameters()]
    names = [*parameter_names, *(name for name, _ in discriminator.named_buffers())]
    n = len(parameter_names)

    def gradients(weights: Weights, batch: EncodedTransitions, beta: th.Tensor) -> UpdateResult:
        tensors = dict(zip(names, weights, strict=True))
        loss, output = objective.loss(
            lambda *args: functional_call(discriminator, tensors, args), batch, beta
        )
        metrics = UpdateMetrics.of(loss, output.logits_expert_is_high, output.kl)
        slopes = _slopes(loss.total(), weights[:n])
        norms = th.stack(th._foreach_norm(slopes)).sum()
        finite = th.isfinite(loss.total().detach() + norms)
        figures = th.stack([each.detach() for each in metrics])
        return UpdateResult(slopes, figures, output.kl.detach(), finite)

    return gradients


def _slopes(loss: th.Tensor, parameters: Sequence[th.Tensor]) -> list[th.Tensor]:
    """Compute the gradients of parameters, zeros for those that are frozen or not used."""
    learned = [each for each in parameters if each.requires_grad]
    gradients = iter(th.autograd.grad(loss, learned, materialize_grads=True))
    return [next(gradients) if each.requires_grad else th.zeros_like(each) for each in parameters]
