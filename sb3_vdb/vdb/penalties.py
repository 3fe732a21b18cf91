"""Gradient penalties of a discriminator: one formula a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import torch as th

GradientPenalty = Literal["zero_centered", "one_centered", "one_centered_weights"]
NORM_FLOOR = 1e-12  # under the root of a squared norm, whose gradient is infinite at 0


def zero_centered(outputs: Sequence[th.Tensor], inputs: Sequence[th.Tensor]) -> th.Tensor:
    """Compute ``E[sum_k |grad_x D_k(mean(x) + std(x) epsilon)|^2 / 2]`` of eq. 15 (VDB paper).

    The outputs must have been computed from ``inputs`` through sampled codes. Row i of an output
    may depend on row i of the inputs only; this is not checked.

    :param outputs: discriminator outputs D_k, each of shape (batch,)
    :param inputs: tensors x that require gradients, each of shape (batch, ...)
    :return: scalar
    """
    total = inputs[0].new_zeros(())
    for output in outputs:
        gradients = th.autograd.grad(output.sum(), inputs, create_graph=True, allow_unused=True)
        for gradient in gradients:
            if gradient is not None:
                total = total + 0.5 * gradient.square().sum() / len(output)
    return total


def one_centered(outputs: Sequence[th.Tensor], inputs: Sequence[th.Tensor]) -> th.Tensor:
    """Compute ``sum_k E[(|grad_x D_k(x)| - 1)^2]``, the penalty of WGAN-GP (Gulrajani et al. 2017).

    :param outputs: discriminator outputs D_k, each of shape (batch,)
    :param inputs: tensors x that require gradients, each of shape (batch or more, ...); the first
        rows are those of the outputs
    :return: scalar
    """
    total = inputs[0].new_zeros(())
    for output in outputs:
        gradients = th.autograd.grad(output.sum(), inputs, create_graph=True, allow_unused=True)
        seen = [each[: len(output)] for each in gradients if each is not None]
        squares = [gradient.flatten(1).square().sum(dim=1) for gradient in seen]
        norms = (th.stack(squares).sum(dim=0) + NORM_FLOOR).sqrt()
        total = total + (norms - 1.0).square().mean()
    return total


def one_centered_weights(outputs: Sequence[th.Tensor], inputs: Sequence[th.Tensor]) -> th.Tensor:
    """Compute ``sum_k (|grad_w E[D_k]| - 1)^2`` over all weights w at once, as the released code of
    V-MAIL does.

    :param outputs: discriminator outputs D_k, each of shape (batch,)
    :param inputs: the discriminator's weights
    :return: scalar
    """
    total = outputs[0].new_zeros(())
    for output in outputs:
        gradients = th.autograd.grad(output.mean(), inputs, create_graph=True, allow_unused=True)
        squared = th.stack([each.square().sum() for each in gradients if each is not None]).sum()
        total = total + ((squared + NORM_FLOOR).sqrt() - 1.0).square()
    return total


PENALTIES: Mapping[str, Callable[[Sequence[th.Tensor], Sequence[th.Tensor]], th.Tensor]] = (
    MappingProxyType(
        {
            "zero_centered": zero_centered,
            "one_centered": one_centered,
            "one_centered_weights": one_centered_weights,
        }
    )
)


def gradient_penalty(
    outputs: Sequence[th.Tensor],
    inputs: Sequence[th.Tensor],
    kind: GradientPenalty = "zero_centered",
) -> th.Tensor:
    """Compute a gradient penalty by its name in ``PENALTIES``; differentiable.

    :param outputs: discriminator outputs, each of shape (batch,)
    :param inputs: what gradients are taken with respect to: inputs, or weights for
        ``"one_centered_weights"``
    :param kind: name of the formula
    :return: scalar
    """
    return PENALTIES[kind](outputs, inputs)
