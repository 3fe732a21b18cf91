"""Products with the Jacobian of a network's outputs with respect to its weights, over a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch as th
from torch import nn
from torch.nn import functional

BLOCK = 4096  # samples that are taken through all layers at a time, so that they stay in cache
ELEMENTWISE = (nn.Tanh, nn.ReLU, nn.ELU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Softplus)


class Jacobian(Protocol):
    """J, the derivative of outputs y of shape (n, n_outputs) with respect to some parameters."""

    def gram(self, direction: Sequence[th.Tensor], weights: th.Tensor) -> list[th.Tensor]:
        """J^T diag(weights) J v, the matrix of Gauss and Newton times v.

        :param direction: v, one tensor of each parameter's shape
        :param weights: of each output, the same for all samples, shape (n_outputs,)
        :return: one tensor of each parameter's shape
        """


class AutogradJacobian:
    """Of any network, from the graph of its outputs: J v is the derivative of <J^T u, v> with
    respect to u.

    :param outputs: with their graph, shape (n, n_outputs)
    :param parameters: those that move the outputs
    """

    def __init__(self, outputs: th.Tensor, parameters: Sequence[nn.Parameter]) -> None:
        self.outputs, self.parameters = outputs, parameters
        self._dummy = th.zeros_like(outputs, requires_grad=True)  # u
        self._pullback = th.autograd.grad(outputs, parameters, self._dummy, create_graph=True)

    def gram(self, direction: Sequence[th.Tensor], weights: th.Tensor) -> list[th.Tensor]:
        """See :meth:`Jacobian.gram`."""
        (pushed,) = th.autograd.grad(self._pullback, self._dummy, direction, retain_graph=True)
        return list(
            th.autograd.grad(self.outputs, self.parameters, pushed * weights, retain_graph=True)
        )


class _Block(NamedTuple):
    """A part of the batch.

    :param inputs: of each linear layer, shape (n, n_inputs)
    :param slopes: of the activation behind each linear layer but the last, shape (n, n_hidden)
    """

    inputs: list[th.Tensor]
    slopes: list[th.Tensor]


class PerceptronJacobian:
    """Of a perceptron, layer by layer without autograd, a block of samples at a time.

    :param layers: linear layers with biases, and elementwise activations between them
    :param inputs: of the first one, shape (n, n_inputs)
    """

    def __init__(self, layers: Sequence[nn.Module], inputs: th.Tensor) -> None:
        self.linears, activations = _split(layers)
        self.parameters = [each for linear in self.linears for each in linear.parameters()]
        self._blocks = [self._through(activations, part) for part in inputs.detach().split(BLOCK)]

    @staticmethod
    def fits(layers: Sequence[nn.Module]) -> bool:
        """Say whether layers are what this class can differentiate."""
        linears, activations = layers[::2], layers[1::2]
        return (
            len(layers) % 2 == 1
            and all(type(each) is nn.Linear and each.bias is not None for each in linears)
            and all(type(each) in ELEMENTWISE for each in activations)
        )

    def _through(self, activations: Sequence[nn.Module], part: th.Tensor) -> _Block:
        inputs, slopes = [part], []
        for linear, activation in zip(self.linears, activations, strict=False):
            with th.enable_grad():
                before = linear(inputs[-1]).detach().requires_grad_()
                after = activation(before.clone())  # it may work in place
                (slope,) = th.autograd.grad(after.sum(), before)
            inputs.append(after.detach())
            slopes.append(slope)
        return _Block(inputs, slopes)

    @th.no_grad()
    def gram(self, direction: Sequence[th.Tensor], weights: th.Tensor) -> list[th.Tensor]:
        """See :meth:`Jacobian.gram`."""
        products = [th.zeros_like(each) for each in self.parameters]
        for block in self._blocks:
            self._pull(block, self._push(block, direction).mul_(weights), products)
        return products

    def _push(self, block: _Block, direction: Sequence[th.Tensor]) -> th.Tensor:
        """J v of a block, shape (n, n_outputs)."""
        pairs = list(zip(direction[::2], direction[1::2], strict=True))
        tangent = functional.linear(block.inputs[0], *pairs[0])
        later = zip(pairs[1:], self.linears[1:], block.inputs[1:], block.slopes, strict=True)
        for (weight, bias), linear, inputs, slope in later:
            tangent.mul_(slope)
            tangent = functional.linear(inputs, weight, bias).addmm_(tangent, linear.weight.t())
        return tangent

    def _pull(self, block: _Block, cotangent: th.Tensor, products: list[th.Tensor]) -> None:
        """Add J^T u of a block."""
        for i in reversed(range(len(self.linears))):
            products[2 * i].addmm_(cotangent.t(), block.inputs[i])
            products[2 * i + 1].add_(cotangent.sum(dim=0))
            if i > 0:
                cotangent = cotangent.mm(self.linears[i].weight).mul_(block.slopes[i - 1])


def _split(layers: Sequence[nn.Module]) -> tuple[list[nn.Linear], list[nn.Module]]:
    """Linear layers, and the activations between them.

    :raises ValueError: they are something else
    """
    if not PerceptronJacobian.fits(layers):
        names = ", ".join(type(each).__name__ for each in layers)
        raise ValueError(
            f"PerceptronJacobian needs linear layers with biases and one elementwise activation "
            f"between two of them, got {names}; use AutogradJacobian"
        )
    return [each for each in layers[::2] if isinstance(each, nn.Linear)], list(layers[1::2])
