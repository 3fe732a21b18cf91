"""Phase-functioned networks (Holden et al. 2017): weights are a function of a motion's phase."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch as th
from torch import nn


class Blend(NamedTuple):
    """Rows sorted by the interval between two sets of weights that their phase lies in.

    :param order: indices of the rows in this order, shape (batch,)
    :param sizes: rows of each interval
    :param shares: how far a row is on its way to the second set, in this order, shape (batch, 1)
    """

    order: th.Tensor
    sizes: list[int]
    shares: th.Tensor


class PhaseLinear(nn.Module):
    """A linear layer whose weights are interpolated between sets, one at each of evenly spaced
    phases (VDB paper, appendix C).

    Each row is multiplied with the two sets that it lies between, and no others.

    :param in_features: size of the input
    :param out_features: size of the output
    :param n_sets: number of sets
    :param cyclic: whether the first set follows the last one
    """

    def __init__(self, in_features: int, out_features: int, n_sets: int, cyclic: bool) -> None:
        super().__init__()
        layers = [nn.Linear(in_features, out_features) for _ in range(n_sets)]  # their first values
        self.weight = nn.Parameter(th.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(th.stack([layer.bias.detach() for layer in layers]))
        self.cyclic = cyclic

    def forward(self, inputs: th.Tensor, blend: Blend) -> th.Tensor:
        """Compute outputs, shape (batch, out_features), of rows in the order of ``blend``."""
        sets = list(zip(self.weight.unbind(), self.bias.unbind(), strict=True))
        outputs = []
        pieces = zip(inputs.split(blend.sizes), blend.shares.split(blend.sizes), strict=True)
        for i, (rows, shares) in enumerate(pieces):
            first, second = (nn.functional.linear(rows, *sets[k % len(sets)]) for k in (i, i + 1))
            outputs.append(first.lerp(second, shares))
        return th.cat(outputs)


class PhaseTrunk(nn.Module):
    """Hidden layers whose weights are a piecewise linear function of the phase: the VDB paper's
    discriminator of motions (appendix C).

    *Differences from the paper*: the layers behind the trunk, to the code and from it, have one set
    of weights.

    :param input_shape: ``(n,)`` for vectors of n entries, of which one is the phase
    :param net_arch: widths of the hidden layers
    :param activation_fn: class of the activation behind each of them
    :param n_sets: sets of weights (the paper's text has 5)
    :param cyclic: whether the first set follows the last one, as in Holden et al.; else there is
        one at the first phase and one at the last
    :param phase_column: entry of the input that tells the phase; the view must not normalise it
    :param span: its value at the first phase and at the last
    :raises ValueError: an argument is out of range
    """

    is_data_dependent = True  # the sizes of its products are; such networks cannot be traced

    def __init__(
        self,
        input_shape: tuple[int, ...],
        net_arch: Sequence[int] = (64, 64),
        activation_fn: type[nn.Module] = nn.ReLU,
        n_sets: int = 5,
        cyclic: bool = False,
        phase_column: int = -1,
        span: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        super().__init__()
        if len(input_shape) != 1 or input_shape[0] < 2:
            raise ValueError(
                f"PhaseTrunk takes vectors with a phase among their entries, the input has shape "
                f"{input_shape}"
            )
        dim = input_shape[0]
        if not -dim <= phase_column < dim:
            raise ValueError(f"`phase_column` is {phase_column}, and inputs have {dim} entries")
        if not span[0] < span[1]:
            raise ValueError(f"`span` must be two rising numbers, got {span}")
        if not net_arch or any(width < 1 for width in net_arch):
            raise ValueError(f"`net_arch` must list at least one positive width, got {net_arch}")
        if n_sets < 2:
            raise ValueError(f"`n_sets` must be a whole number from 2 on, got {n_sets}")
        self.n_sets = n_sets
        self.cyclic, self.phase_column, self.span = bool(cyclic), phase_column % dim, span
        self.layers = nn.ModuleList(
            PhaseLinear(width_in, width_out, self.n_sets, self.cyclic)
            for width_in, width_out in pairwise([dim - 1, *net_arch])
        )
        self.activation = activation_fn()
        self.features_dim = net_arch[-1]

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Compute features, shape (batch, features_dim)."""
        blend = self._blend(inputs[:, self.phase_column])
        column = self.phase_column
        hidden = th.cat([inputs[:, :column], inputs[:, column + 1 :]], dim=1)[blend.order]
        for layer in self.layers:
            hidden = self.activation(layer(hidden, blend))
        return hidden[blend.order.argsort()]

    def _blend(self, phase: th.Tensor) -> Blend:
        """Sort rows by the interval that their phase lies in.

        :param phase: shape (batch,)
        """
        n = self.n_sets if self.cyclic else self.n_sets - 1  # intervals
        share = (phase - self.span[0]) / (self.span[1] - self.span[0])
        share = share.remainder(1.0) if self.cyclic else share.clamp(0.0, 1.0)
        interval = (share.detach() * n).long().clamp(max=n - 1)
        order = interval.argsort(stable=True)
        sizes = interval.bincount(minlength=n).tolist()
        return Blend(order, sizes, (share * n - interval)[order, None])
