"""Where a trainer logs, and what it logs about a round of discriminator updates."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger, make_output_format
from torch import nn
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


def log_to(gen_algo: BaseAlgorithm, folder: str, verbose: int, suffix: str) -> None:
    """Give a generator a logger of its own to csv and TensorBoard files.

    :param gen_algo: the generator
    :param folder: of the files
    :param verbose: 1 to print as well
    :param suffix: see :func:`make_logger`
    """
    if gen_algo.tensorboard_log is not None:
        warnings.warn(
            "`log_dir` takes the place of the generator's `tensorboard_log`, "
            f"{gen_algo.tensorboard_log}",
            stacklevel=4,
        )
    gen_algo.set_logger(make_logger(folder, max(verbose, gen_algo.verbose), suffix))


def make_logger(folder: str, verbose: int, suffix: str = "") -> Logger:
    """Logger to csv and TensorBoard files in a folder, and to the terminal if ``verbose``.

    :param suffix: part of the csv's name, so that a run that goes on does not overwrite its past
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    formats = (["stdout"] if verbose else []) + ["csv", "tensorboard"]
    return Logger(folder, [make_output_format(each, folder, suffix) for each in formats])


def record_means(logger: Logger, updates: UpdateMetrics) -> None:
    """Record the means over a round under ``discriminator/``.

    :param updates: metrics, each of shape (n_updates,)
    """
    for name, values in updates._asdict().items():
        logger.record(f"discriminator/{name}", float(values.mean()))


def not_finite(metrics: th.Tensor, gradients: Mapping[str, th.Tensor]) -> NonFiniteError:
    """The error that names what is not finite in an update.

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


def is_finite(module: nn.Module) -> bool:
    """Whether all parameters are finite."""
    return all(bool(th.isfinite(each).all()) for each in module.parameters())
