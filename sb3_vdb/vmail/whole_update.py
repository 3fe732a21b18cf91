"""A whole training update: gradients, clipping, the four optimisers' steps and the slow copies, on
tensors alone, so that a CUDA graph can hold all of it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch as th
from torch import nn

from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.update import NETWORKS, Update


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


class Inputs(NamedTuple):
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


class WholeUpdate:
    """One update of all networks.

    :param update: losses of the networks, whose policy has their optimisers
    :param steps: how gradients become steps
    """

    def __init__(self, update: Update, steps: Steps) -> None:
        self.update, self.steps, self.policy = update, steps, update.policy
        self.networks = update.networks()

    def optimizers(self) -> dict[str, th.optim.Optimizer]:
        """Optimiser of each network."""
        return {name: getattr(self.policy, f"{name}_optimizer") for name in NETWORKS}

    def __call__(self, inputs: Inputs, dry: bool = False) -> th.Tensor:
        """Take a step with each network, unless a loss or a gradient is not finite.

        :param inputs: of this update
        :param dry: go through all of it and leave every weight as it is
        :return: the fields of :class:`~sb3_vdb.vmail.update.UpdateMetrics`, and the norm of each
            network's gradient in the order of :data:`~sb3_vdb.vmail.update.NETWORKS`
        """
        gradients, metrics = self.update(inputs.batch, inputs.expert, inputs.beta)
        norms = [th.stack(th._foreach_norm(found)).norm() for found in gradients]
        figures = th.stack([*metrics, *norms])
        skipped = th.ones_like(figures[0]) if dry else 1.0 - figures.isfinite().all().float()
        self.apply(gradients, skipped)
        taken = 1.0 - skipped
        _follow(self.policy.value_target, self.policy.value, taken * inputs.target_share)
        if self.policy.actor_average is not None:
            share = taken * (1.0 - self.steps.actor_decay)
            _follow(self.policy.actor_average, self.policy.actor, share)
        return figures

    def apply(self, gradients: list[list[th.Tensor]], skipped: th.Tensor) -> None:
        """Clip each network's gradient and take its step.

        :param gradients: in the order of :data:`~sb3_vdb.vmail.update.NETWORKS`
        :param skipped: 1 to leave weights and optimisers as they are, else 0; scalar
        """
        for (name, optimizer), found in zip(self.optimizers().items(), gradients, strict=True):
            parameters = list(self.networks[name].parameters())
            for parameter, gradient in zip(parameters, found, strict=True):
                parameter.grad = _laid_out_like(parameter, gradient)
            nn.utils.clip_grad_norm_(parameters, self.steps.max_grad_norm, foreach=True)
            # by the name under which fused optimisers look for what a GradScaler found
            optimizer.found_inf = skipped  # type: ignore[attr-defined]
            optimizer.step()
            del optimizer.found_inf  # type: ignore[attr-defined]


def _laid_out_like(parameter: th.Tensor, gradient: th.Tensor) -> th.Tensor:
    """The gradient in the parameter's order in memory, as ``backward`` would leave it: fused Adam
    goes through both from end to end.
    """
    if gradient.stride() == parameter.stride():
        return gradient
    return th.empty_like(parameter).copy_(gradient)


@th.no_grad()
def _follow(slow: nn.Module, network: nn.Module, share: th.Tensor) -> None:
    """The weights of a slow copy go a share of the way to those of a network."""
    weights: list[th.Tensor] = list(slow.parameters())
    th._foreach_lerp_(weights, list(network.parameters()), [share] * len(weights))
