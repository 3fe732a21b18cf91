"""One linear unit on the code of an encoder: the network under every discriminator of the
package.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch as th
from torch import nn

from sb3_vdb.vdb import GaussianEncoder, add_noise, kl_to_standard_normal


class UnitOutput(NamedTuple):
    """Values of the unit, shape (batch,), and divergences of its codes in nats, shape (batch,),
    zero without a bottleneck.
    """

    values: th.Tensor
    kl: th.Tensor


class CodeUnit(nn.Module):
    """D(z) = w^T z + b on z ~ E(z|x) (VDB paper, section 4), or on the last hidden layer where
    there is no bottleneck.

    :param input_dim: number of input features
    :param net_arch: widths of the hidden layers before the code
    :param code_dim: dimension of the code z; None for no bottleneck
    :param activation_fn: activation of the hidden layers
    :param hidden_noise_std: instance noise on the last hidden layer while training (baseline "GAIL
        - noise z")
    """

    def __init__(
        self,
        input_dim: int,
        net_arch: Sequence[int],
        code_dim: int | None,
        activation_fn: type[nn.Module] = nn.ReLU,
        hidden_noise_std: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [input_dim, *net_arch]
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            layers += [nn.Linear(width_in, width_out), activation_fn()]
        self.trunk = nn.Sequential(*layers)
        self.encoder = None if code_dim is None else GaussianEncoder(widths[-1], code_dim)
        self.unit = nn.Linear(widths[-1] if code_dim is None else code_dim, 1)
        self.hidden_noise_std = hidden_noise_std

    def forward(self, inputs: th.Tensor, sample: bool) -> UnitOutput:
        """Values for ``inputs`` of shape (batch, input_dim).

        :param sample: draw the code and the noise (training the discriminator) or use the mean code
            (rewards)
        """
        hidden = self.trunk(inputs)
        if sample:
            hidden = add_noise(hidden, self.hidden_noise_std)
        if self.encoder is None:
            return UnitOutput(self.unit(hidden).squeeze(-1), inputs.new_zeros(len(inputs)))
        code = self.encoder(hidden)
        values = self.unit(code.sample() if sample else code.mean).squeeze(-1)  # (batch,)
        return UnitOutput(values, kl_to_standard_normal(code.mean, code.log_std))
