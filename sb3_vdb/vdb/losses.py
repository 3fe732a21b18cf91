"""Losses of a discriminator with a variational bottleneck: one pure function per term of eqs. 10
and 15.

Sign convention: logits are high for expert samples, D(x) = sigmoid(logit) is the probability of
"expert".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch as th
from torch.nn import functional


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


def bottleneck_loss(kl: th.Tensor, beta: float | th.Tensor, information_limit: float) -> th.Tensor:
    """Beta (E[KL] - I_c) of eq. 10.

    :param kl: divergences of an equal mix of expert and generator samples in nats, shape (batch,)
    :param beta: Lagrange multiplier, not negative
    :param information_limit: I_c in nats
    """
    return beta * (kl.mean() - information_limit)


def gradient_penalty(outputs: Sequence[th.Tensor], inputs: Sequence[th.Tensor]) -> th.Tensor:
    """``E[sum_k |grad_x D_k(mean(x) + std(x) epsilon)|^2 / 2]`` of eq. 15, differentiable.

    The outputs must have been computed from ``inputs`` through sampled codes. Row i of an output
    may depend on row i of the inputs only; this is not checked.

    :param outputs: discriminator outputs D_k, each of shape (batch,)
    :param inputs: tensors x that require gradients, each of shape (batch, features)
    :return: scalar
    """
    total = inputs[0].new_zeros(())
    for output in outputs:
        gradients = th.autograd.grad(output.sum(), inputs, create_graph=True, allow_unused=True)
        for gradient in gradients:
            if gradient is not None:
                total = total + 0.5 * gradient.square().sum() / len(output)
    return total


def add_noise(values: th.Tensor, std: float) -> th.Tensor:
    """Instance noise: values + N(0, std^2), the baselines "GAIL - noise" (on inputs) and "GAIL -
    noise z" (hidden layer).

    :param values: any shape
    :param std: standard deviation in units of the values; 0 returns them unchanged
    """
    return values + std * th.randn_like(values) if std > 0.0 else values
