"""One discriminator update as a pure function of weights and samples, and the same function
recorded once and replayed without Python or autograd in between.

The networks of inverse RL are tiny, so that an update's cost is not arithmetic but the calls to a
few hundred operations. The recorded function makes the same calls in the same order.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch as th
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from sb3_vdb.adversarial.round_metrics import UpdateMetrics
from sb3_vdb.adversarial.settings import PenaltySide
from sb3_vdb.discriminators import Architecture, Batch, Discriminator, PenaltyTarget
from sb3_vdb.discriminators.base import DiscriminatorOutput
from sb3_vdb.vdb import (
    DiscriminatorLoss,
    bottleneck_loss,
    expert_loss,
    generator_loss,
    gradient_penalty,
)


class UpdateForm(NamedTuple):
    """What the function of an update depends on beside weights and samples.

    :param batch_size: expert samples, and as many of the generator
    :param grad_penalty_coef: w_GP of eq. 15
    :param grad_penalty_on: ``"expert"`` or ``"both"``
    :param grad_penalty_target: what is penalised
    :param information_limit: I_c in nats; None for no bottleneck
    """

    batch_size: int
    grad_penalty_coef: float
    grad_penalty_on: PenaltySide
    grad_penalty_target: PenaltyTarget
    information_limit: float | None


class UpdateResult(NamedTuple):
    """Gradients and figures of one update.

    :param gradients: of the Lagrangian, one for each parameter
    :param metrics: the fields of :class:`UpdateMetrics`, shape (8,)
    :param kl: divergences in nats, shape (2 batch_size,)
    :param is_finite: whether loss and gradients are finite, 0 or 1
    """

    gradients: list[th.Tensor]
    metrics: th.Tensor
    kl: th.Tensor
    is_finite: th.Tensor


Weights = Sequence[th.Tensor]  # parameters, then buffers
Gradients = Callable[[Weights, Batch, th.Tensor], UpdateResult]


def lagrangian(
    discriminator: Callable[..., DiscriminatorOutput],
    batch: Batch,
    beta: th.Tensor | float,
    form: UpdateForm,
) -> tuple[DiscriminatorLoss, UpdateMetrics, th.Tensor]:
    """The loss of eqs. 10 and 15 on an equal mix of samples, experts first.

    :param discriminator: called as a :class:`Discriminator`
    :param batch: 2 batch_size samples
    :param beta: dual variable
    :param form: of the update
    :return: terms of the loss, metrics, divergences of shape (2 batch_size,)
    """
    n, coef = form.batch_size, form.grad_penalty_coef
    output = discriminator(batch, True, coef > 0.0)
    logits_expert, logits_generator = output.logits_expert_is_high.split(n)
    penalty = bottleneck = logits_expert.new_zeros(())
    if coef > 0.0:
        outputs = output.penalised(form.grad_penalty_target)
        if form.grad_penalty_on == "expert":
            outputs = tuple(each[:n] for each in outputs)
        penalty = coef * gradient_penalty(outputs, output.inputs)
    if form.information_limit is not None:
        bottleneck = bottleneck_loss(output.kl, beta, form.information_limit)
    loss = DiscriminatorLoss(
        expert_loss(logits_expert), generator_loss(logits_generator), bottleneck, penalty
    )
    return (
        loss,
        UpdateMetrics.of(loss, logits_expert, logits_generator, output.kl),
        output.kl.detach(),
    )


def update_gradients(discriminator: Discriminator, form: UpdateForm) -> Gradients:
    """The function of an update: gradients of :func:`lagrangian`, by autograd.

    :param discriminator: its modules are called with the weights that are given, not with its own
    :param form: of the update
    """
    names = [name for name, _ in discriminator.named_parameters()]
    n, names = len(names), names + [name for name, _ in discriminator.named_buffers()]

    def gradients(weights: Weights, batch: Batch, beta: th.Tensor) -> UpdateResult:
        tensors = dict(zip(names, weights, strict=True))
        loss, metrics, kl = lagrangian(
            lambda *args: functional_call(discriminator, tensors, args), batch, beta, form
        )
        found = th.autograd.grad(loss.total(), weights[:n])
        norms = th.stack(th._foreach_norm(found)).sum()
        finite = th.isfinite(loss.total().detach() + norms)
        return UpdateResult([*found], th.stack([each.detach() for each in metrics]), kl, finite)

    return gradients


_RECORDED: dict[tuple[Any, ...], Any] = {}  # shared by all discriminators of one shape


def recorded_gradients(
    discriminator: Discriminator, architecture: Architecture, form: UpdateForm, batch: Batch
) -> Gradients:
    """:func:`update_gradients`, recorded: the same operations in the same order, replayed by torch
    without Python or autograd in between. The random numbers it draws are the same too.

    :param discriminator: of that architecture; it is not changed
    :param architecture: what it was built from
    :param form: of the update
    :param batch: samples of the right shape
    """
    parameters = list(discriminator.parameters())
    weights = [*parameters, *discriminator.buffers()]
    shapes = tuple((each.shape, each.dtype, each.device) for each in (*weights, *batch))
    key = (architecture, form, shapes)
    if key not in _RECORDED:
        copied = copy.deepcopy(discriminator).train()
        _RECORDED[key] = _record(update_gradients(copied, form), weights, batch)
    replay, n = _RECORDED[key], len(parameters)

    def gradients(weights: Weights, batch: Batch, beta: th.Tensor) -> UpdateResult:
        with th.no_grad():
            found = replay(*weights, *batch, beta)
        return UpdateResult(list(found[:n]), *found[n:])

    return gradients


def _record(function: Gradients, weights: Weights, batch: Batch) -> Any:
    """The operations of a function, with the state of torch's generators left as it was."""
    n = len(weights)
    inputs = [each.detach().clone().requires_grad_(each.requires_grad) for each in weights]
    inputs += [*batch, batch.observations.new_tensor(0.1)]

    def flat(*tensors: th.Tensor) -> tuple[th.Tensor, ...]:
        found = function(tensors[:n], Batch(*tensors[n:-1]), tensors[-1])
        return (*found.gradients, *found[1:])

    devices = {each.device for each in inputs if each.is_cuda}
    with th.random.fork_rng(devices=devices), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit, on newer Pythons
        recorded = make_fx(flat)(*inputs)
        for node in list(recorded.graph.nodes):
            if node.target is th.ops.aten.detach.default:  # nothing to detach from in a replay
                node.replace_all_uses_with(node.args[0])
                recorded.graph.erase_node(node)
        recorded.recompile()
        with th.no_grad():
            return th.jit.trace(
                recorded, tuple(each.detach() for each in inputs), check_trace=False
            )
