"""Where a trainer logs, and what it logs about a round of discriminator updates."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch as th
from stable_baselines3.common.logger import Logger, make_output_format
from torch import nn
from torch.nn import functional

from sb3_vdb.vdb import DiscriminatorLoss


class NonFiniteError(FloatingPointError):
    """A loss or reward is not finite; the message names the term and the checkpoint that was
    written.
    """


class UpdateMetrics(NamedTuple):
    """Scalars of one discriminator update, still on its device."""

    loss_expert: th.Tensor
    loss_generator: th.Tensor
    loss_bottleneck: th.Tensor
    gradient_penalty: th.Tensor
    accuracy_expert: th.Tensor
    accuracy_generator: th.Tensor
    entropy: th.Tensor
    kl: th.Tensor

    @classmethod
    def of(
        cls,
        loss: DiscriminatorLoss,
        logits_expert: th.Tensor,
        logits_generator: th.Tensor,
        kl: th.Tensor,
    ) -> UpdateMetrics:
        """Metrics of one update.

        :param loss: terms of the loss
        :param logits_expert: logits of expert samples, high for expert, shape (batch,)
        :param logits_generator: logits of generator samples, shape (batch,)
        :param kl: divergences in nats, shape (2 batch,)
        """
        logits = th.cat([logits_expert, logits_generator]).detach()
        probability = th.sigmoid(logits)
        return cls(
            loss.expert.detach(),
            loss.generator.detach(),
            loss.bottleneck.detach(),
            loss.gradient_penalty.detach(),
            (logits_expert > 0).float().mean(),
            (logits_generator <= 0).float().mean(),
            functional.binary_cross_entropy_with_logits(logits, probability),
            kl.detach().mean(),
        )


def make_logger(folder: str, verbose: int, suffix: str = "") -> Logger:
    """Logger to csv and TensorBoard files in a folder, and to the terminal if ``verbose``.

    :param suffix: part of the csv's name, so that a run that goes on does not overwrite its past
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    formats = (["stdout"] if verbose else []) + ["csv", "tensorboard"]
    return Logger(folder, [make_output_format(each, folder, suffix) for each in formats])


def record_means(logger: Logger, updates: list[UpdateMetrics]) -> None:
    """Record the means over a round under ``discriminator/``."""
    for name, values in zip(UpdateMetrics._fields, zip(*updates, strict=True), strict=True):
        logger.record(f"discriminator/{name}", float(th.stack(values).mean()))


def check_finite(loss: DiscriminatorLoss) -> None:
    """Refuse to go on with a loss that is not finite.

    :raises NonFiniteError: naming the terms
    """
    if bool(th.isfinite(loss.total())):
        return
    bad = [name for name, term in loss._asdict().items() if not bool(th.isfinite(term))]
    raise NonFiniteError(f"discriminator loss term `{', '.join(bad) or 'total'}` is not finite")


def check_finite_gradients(module: nn.Module) -> None:
    """Refuse to take a step along a gradient that is not finite.

    :raises NonFiniteError: naming the first parameter
    """
    gradients = [each.grad for each in module.parameters() if each.grad is not None]
    if bool(th.isfinite(th.stack(th._foreach_norm(gradients)).sum())):
        return
    for name, parameter in module.named_parameters():
        if parameter.grad is not None and not bool(th.isfinite(parameter.grad).all()):
            raise NonFiniteError(f"the gradient of the discriminator's `{name}` is not finite")


def is_finite(module: nn.Module) -> bool:
    """Whether all parameters are finite."""
    return all(bool(th.isfinite(each).all()) for each in module.parameters())
