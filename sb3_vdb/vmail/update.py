"""One update of all networks: the gradient of each loss for its own network, clipping, a step of
each optimiser and of the slow copies (Algorithm 1, lines 12 to 19).

It works on tensors alone and leaves everything as it is where a number is not finite, so that a
CUDA graph can hold all of it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch as th
from torch import nn

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.networks.gradients import laid_out_like
from sb3_vdb.vmail.metrics import UpdateMetrics
from sb3_vdb.vmail.network_losses import NetworkLosses
from sb3_vdb.vmail.policies import NETWORKS
from sb3_vdb.vmail.replay_buffer import SequenceBatch

LOSSES = ("model_loss", "discriminator_loss", "actor_loss", "value_loss")
Gradients = list[tuple[th.Tensor, ...]]  # of each network's parameters, in the order of NETWORKS


class UpdateSettings(NamedTuple):
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


class UpdateInputs(NamedTuple):
    """What differs from update to update.

    :param batch: sequences of the joint buffer
    :param expert: sequences of the expert
    :param beta: dual variable of the discriminator's bottleneck, scalar
    :param target_share: how far the slow target follows the value this time, scalar
    """

    batch: SequenceBatch
    expert: SequenceBatch
    beta: th.Tensor
    target_share: th.Tensor


class Update:
    """Updates all networks of a policy once.

    :param losses: losses of the networks, whose policy has their optimisers
    :param settings: how gradients become steps
    """

    def __init__(self, losses: NetworkLosses, settings: UpdateSettings) -> None:
        self.losses, self.settings, self.policy = losses, settings, losses.policy
        self.networks = losses.policy.networks()

    def optimizers(self) -> dict[str, th.optim.Optimizer]:
        """Return the optimiser of each network."""
        return {name: getattr(self.policy, f"{name}_optimizer") for name in NETWORKS}

    def __call__(self, inputs: UpdateInputs, dry: bool = False) -> th.Tensor:
        """Take a step with each network, unless a loss or a gradient is not finite.

        :param inputs: what this update learns from
        :param dry: go through all of it and leave every weight as it is
        :return: the fields of :class:`~sb3_vdb.vmail.metrics.UpdateMetrics`, and the norm of each
            network's gradient in the order of ``sb3_vdb.vmail.policies.NETWORKS``
        """
        gradients, metrics = self.gradients(inputs.batch, inputs.expert, inputs.beta)
        norms = [th.stack(th._foreach_norm(each)).norm() for each in gradients]
        figures = th.stack([*metrics, *norms])
        skipped = th.ones_like(figures[0]) if dry else 1.0 - figures.isfinite().all().float()
        self.take_steps(gradients, skipped)
        taken = 1.0 - skipped
        _follow(self.policy.value_target, self.policy.value, taken * inputs.target_share)
        if self.policy.actor_average is not None:
            share = taken * (1.0 - self.settings.actor_decay)
            _follow(self.policy.actor_average, self.policy.actor, share)
        return figures

    def gradients(
        self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor
    ) -> tuple[Gradients, UpdateMetrics]:
        """Compute the gradients of each loss for the weights of its own network, and no other.

        :param batch: sequences of the joint buffer
        :param expert: sequences of the expert
        :param beta: dual variable of the discriminator's bottleneck, scalar
        """
        losses = self.losses(batch, expert, beta)
        gradients = [
            th.autograd.grad(loss, list(network.parameters()), allow_unused=True)
            for loss, network in zip(losses.by_network(), self.networks.values(), strict=True)
        ]
        return gradients, losses.metrics()

    def take_steps(self, gradients: Gradients, skipped: th.Tensor) -> None:
        """Clip each network's gradient and take its step.

        :param gradients: in the order of ``sb3_vdb.vmail.policies.NETWORKS``
        :param skipped: 1 to leave weights and optimisers as they are, else 0; scalar
        """
        for (name, optimizer), own in zip(self.optimizers().items(), gradients, strict=True):
            parameters = list(self.networks[name].parameters())
            for parameter, gradient in zip(parameters, own, strict=True):
                parameter.grad = laid_out_like(parameter, gradient)
            nn.utils.clip_grad_norm_(parameters, self.settings.max_grad_norm, foreach=True)
            # by the name under which fused optimisers look for what a GradScaler reports
            optimizer.found_inf = skipped  # type: ignore[attr-defined]
            optimizer.step()
            del optimizer.found_inf  # type: ignore[attr-defined]


@th.no_grad()
def _follow(slow: nn.Module, network: nn.Module, share: th.Tensor) -> None:
    """Move the weights of a slow copy a share of the way to those of a network."""
    weights: list[th.Tensor] = list(slow.parameters())
    th._foreach_lerp_(weights, list(network.parameters()), [share] * len(weights))


def checked_metrics(figures: th.Tensor) -> th.Tensor:
    """Return the fields of :class:`~sb3_vdb.vmail.metrics.UpdateMetrics` of an update's figures.

    :param figures: what :class:`Update` returns, on the CPU
    :raises NonFiniteError: naming what is not finite, the losses before what follows from them
    """
    values, norms = figures.split([len(UpdateMetrics._fields), len(NETWORKS)])
    metrics = UpdateMetrics(*values)
    for name in (*LOSSES, *metrics._fields):
        if not getattr(metrics, name).isfinite():
            raise NonFiniteError(f"V-MAIL's `{name}` is not finite")
    for name, norm in zip(NETWORKS, norms, strict=True):
        if not norm.isfinite():
            raise NonFiniteError(f"the gradient of V-MAIL's {name} is not finite")
    return values
