"""Phase-functioned networks (Holden et al. 2017): weights are a function of a motion's phase."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch as th
from torch import nn


class Groups(NamedTuple):
    """Rows in groups of one size, one group for each interval between two sets of weights.

    :param rows: which row stands in each place, shape (groups * size,); places that are left over
        have any
    :param places: in which place each row stands, shape (batch,)
    :param shares: how far a row is on its way to the second set, shape (groups, size, 1)
    """

    rows: th.Tensor
    places: th.Tensor
    shares: th.Tensor


class PhaseLinear(nn.Module):
    """A linear layer whose weights are interpolated between sets, one at each of evenly spaced
    phases (VDB paper, appendix C).

    Each row is multiplied with the two sets that it lies between, all rows in one product.

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

    def forward(self, inputs: th.Tensor, shares: th.Tensor) -> th.Tensor:
        """Compute outputs, shape (groups, size, out_features).

        :param inputs: shape (groups, size, in_features)
        :param shares: of the second set, shape (groups, size, 1)
        """
        weight, bias = self._pairs(self.weight), self._pairs(self.bias)  # (groups, 2 out, ...)
        both = th.baddbmm(bias[:, None], inputs, weight.transpose(1, 2))
        first, second = both.chunk(2, dim=2)
        return first.lerp(second, shares)

    def _pairs(self, sets: th.Tensor) -> th.Tensor:
        """Put each set and the one that follows behind each other."""
        following = th.cat([sets[1:], sets[:1]]) if self.cyclic else sets[1:]
        return th.cat([sets[: len(following)], following], dim=1)


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
        column = self.phase_column
        groups = self._groups(inputs[:, column])
        others = th.cat([inputs[:, :column], inputs[:, column + 1 :]], dim=1)
        hidden = others[groups.rows].unflatten(0, groups.shares.shape[:2])
        for layer in self.layers:
            hidden = self.activation(layer(hidden, groups.shares))
        return hidden.flatten(0, 1)[groups.places]

    def _groups(self, phase: th.Tensor) -> Groups:
        """Group rows by the interval that their phase lies in.

        :param phase: shape (batch,)
        """
        n = self.n_sets if self.cyclic else self.n_sets - 1  # intervals
        share = (phase - self.span[0]) / (self.span[1] - self.span[0])
        share = share.remainder(1.0) if self.cyclic else share.clamp(0.0, 1.0)
        interval = (share.detach() * n).long().clamp(max=n - 1)
        order, counts = interval.argsort(stable=True), interval.bincount(minlength=n)
        size = max(1, int(counts.max()))
        first = counts.cumsum(0) - counts  # of each group, among the sorted rows
        sorted_intervals = interval[order]
        ranks = th.arange(len(phase), device=phase.device) - first[sorted_intervals]
        slots = sorted_intervals * size + ranks
        rows = order.new_zeros(n * size).index_put((slots,), order)
        places = th.empty_like(order).index_put((order,), slots)
        shares = share.new_zeros(n * size).index_put((places,), share * n - interval)
        return Groups(rows, places, shares.view(n, size, 1))
