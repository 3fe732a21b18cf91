"""Losses of a discriminator with a variational bottleneck: one pure function a term of eq. 10, and
the one assembly of the terms.

Sign convention: logits are high for expert samples, D(x) = sigmoid(logit) is the probability of
"expert".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch as th
from torch.nn import functional

Loss = Callable[[th.Tensor], th.Tensor]


class DiscriminatorLoss(NamedTuple):
    """Terms of the Lagrangian of eq. 10 with the penalty of eq. 15; scalars, of which the sum is
    minimised.

    :param expert: E_expert[-log D]
    :param generator: E_generator[-log(1 - D)]
    :param bottleneck: beta (E[KL] - I_c), zero without a bottleneck
    :param gradient_penalty: ``w_GP E_expert[|grad_x D|^2 / 2]``, zero without a penalty
    """

    expert: th.Tensor
    generator: th.Tensor
    bottleneck: th.Tensor
    gradient_penalty: th.Tensor

    def total(self) -> th.Tensor:
        """Sum of the terms."""
        return self.expert + self.generator + self.bottleneck + self.gradient_penalty


def kl_to_standard_normal(mean: th.Tensor, log_std: th.Tensor) -> th.Tensor:
    """Divergence KL[N(mean, diag(std^2)) || N(0, I)] of each sample, the integrand of the
    information constraint (eq. 7).

    :param mean: encoder means, shape (batch, code_dim)
    :param log_std: logarithms of the standard deviations, shape (batch, code_dim)
    :return: divergences in nats, shape (batch,)
    """
    return 0.5 * (mean.square() + (2.0 * log_std).exp() - 2.0 * log_std - 1.0).sum(dim=-1)


def expert_loss(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """E_expert[-log D], computed from logits as softplus(-logit); logits of expert samples, shape
    (batch,).
    """
    return functional.softplus(-logits_expert_is_high).mean()


def generator_loss(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """E_generator[-log(1 - D)], computed from logits as softplus(logit); logits of generator
    samples, shape (batch,).
    """
    return functional.softplus(logits_expert_is_high).mean()


def least_squares_expert_loss(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """E_expert[(d - 1)^2], the expert's half of AMP's loss (Peng et al. 2021, eq. 6); shape
    (batch,).
    """
    return (logits_expert_is_high - 1.0).square().mean()


def least_squares_generator_loss(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """E_generator[(d + 1)^2], the generator's half of AMP's loss; shape (batch,)."""
    return (logits_expert_is_high + 1.0).square().mean()


LOSSES: Mapping[str, tuple[Loss, Loss]] = MappingProxyType(
    {
        "cross_entropy": (expert_loss, generator_loss),
        "least_squares": (least_squares_expert_loss, least_squares_generator_loss),
    }
)


def bottleneck_loss(kl: th.Tensor, beta: float | th.Tensor, information_limit: float) -> th.Tensor:
    """Beta (E[KL] - I_c) of eq. 10.

    :param kl: divergences of an equal mix of expert and generator samples in nats, shape (batch,)
    :param beta: Lagrange multiplier, not negative
    :param information_limit: I_c in nats
    """
    return beta * (kl.mean() - information_limit)


def discriminator_loss(
    logits_expert: th.Tensor,
    logits_generator: th.Tensor,
    *,
    kl: th.Tensor | None = None,
    beta: float | th.Tensor = 0.0,
    information_limit: float | None = None,
    gradient_penalty: th.Tensor | None = None,
    kind: str = "cross_entropy",
) -> DiscriminatorLoss:
    """Assemble the adversarial loss of every discriminator of the package: the Lagrangian of eq. 10
    with the penalty of eq. 15.

    :param logits_expert: logits of expert samples, high for expert, shape (n_expert,)
    :param logits_generator: logits of generator samples, shape (n_generator,)
    :param kl: divergences of an equal mix of both in nats, any shape; only with a bottleneck
    :param beta: dual variable
    :param information_limit: I_c in nats; None for no bottleneck
    :param gradient_penalty: weighted penalty, scalar; None for no penalty
    :param kind: ``"cross_entropy"``, or ``"least_squares"`` with targets of 1 and -1
    """
    of_expert, of_generator = LOSSES[kind]
    zero = logits_expert.new_zeros(())
    bottleneck = zero
    if information_limit is not None:
        assert kl is not None
        bottleneck = bottleneck_loss(kl, beta, information_limit)
    return DiscriminatorLoss(
        of_expert(logits_expert),
        of_generator(logits_generator),
        bottleneck,
        zero if gradient_penalty is None else gradient_penalty,
    )


def add_noise(values: th.Tensor, std: float) -> th.Tensor:
    """Instance noise: values + N(0, std^2), the baselines "GAIL - noise" (on inputs) and "GAIL -
    noise z" (hidden layer).

    :param values: any shape
    :param std: standard deviation in units of the values; 0 returns them unchanged
    """
    return values + std * th.randn_like(values) if std > 0.0 else values
