"""Figures of discriminator updates, and what is not finite in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch as th
from torch.nn import functional

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.vdb import DiscriminatorLoss


class UpdateMetrics(NamedTuple):
    """Figures of one discriminator update, or of several; still on their device."""

    loss_expert: th.Tensor
    loss_generator: th.Tensor
    loss_bottleneck: th.Tensor
    gradient_penalty: th.Tensor
    accuracy_expert: th.Tensor
    accuracy_generator: th.Tensor
    entropy: th.Tensor
    kl: th.Tensor

    @classmethod
    def of(cls, loss: DiscriminatorLoss, logits: th.Tensor, kl: th.Tensor) -> UpdateMetrics:
        """Compute the metrics of one update.

        :param loss: terms of the loss
        :param logits: of an equal mix of samples, experts first, high for expert, shape (2 batch,)
        :param kl: divergences in nats, shape (2 batch,)
        """
        logits_expert, logits_generator = logits.detach().chunk(2)
        probability = th.sigmoid(logits.detach())
        return cls(
            loss.expert.detach(),
            loss.generator.detach(),
            loss.bottleneck.detach(),
            loss.gradient_penalty.detach(),
            (logits_expert > 0).float().mean(),
            (logits_generator <= 0).float().mean(),
            functional.binary_cross_entropy_with_logits(logits.detach(), probability),
            kl.detach().mean(),
        )


class MeanCodeAccuracy(NamedTuple):
    """Shares of samples that are told rightly at the mean codes.

    :param expert: of expert samples
    :param generator: of generator samples
    """

    expert: float
    generator: float

    @classmethod
    def of(cls, logits: th.Tensor) -> MeanCodeAccuracy:
        """Compute the shares.

        :param logits: at the mean codes, of an equal mix of samples, experts first, shape
            (2 batch,)
        """
        expert, generator = logits.chunk(2)
        return cls(float((expert > 0).float().mean()), float((generator <= 0).float().mean()))


def not_finite(metrics: th.Tensor, gradients: Mapping[str, th.Tensor]) -> NonFiniteError:
    """Make the error that names what is not finite in an update.

    :param metrics: the fields of :class:`UpdateMetrics`, shape (8,)
    :param gradients: by the name of the parameter
    """
    values = UpdateMetrics(*metrics)._asdict()
    bad = [name for name in DiscriminatorLoss._fields if not _all_finite(values[_logged(name)])]
    if bad:
        return NonFiniteError(f"discriminator loss term `{', '.join(bad)}` is not finite")
    bad = [name for name, gradient in gradients.items() if not _all_finite(gradient)]
    if bad:
        return NonFiniteError(f"the gradient of the discriminator's `{bad[0]}` is not finite")
    return NonFiniteError("the discriminator's gradients are too large for their norms")


def _logged(term: str) -> str:
    return term if term in UpdateMetrics._fields else f"loss_{term}"


def _all_finite(values: th.Tensor) -> bool:
    return bool(th.isfinite(values).all())
