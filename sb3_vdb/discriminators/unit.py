"""One linear unit on the code of an encoder: the network under every discriminator of the
package.
"""

from __future__ import annotations

from typing import NamedTuple

import torch as th
from torch import nn

from sb3_vdb.vdb import GaussianEncoder, add_noise, kl_to_standard_normal


class UnitOutput(NamedTuple):
    """What the unit gives.

    :param values: shape (batch,)
    :param kl: divergences of its codes in nats, shape (batch,); zero without a bottleneck
    """

    values: th.Tensor
    kl: th.Tensor


class CodeUnit(nn.Module):
    """D(z) = w^T z + b on z ~ E(z|x) (VDB paper, section 4), or on the trunk's features where there
    is no bottleneck.

    :param trunk: maps inputs to features, and tells its ``features_dim``
    :param code_dim: dimension of the code z; None for no bottleneck
    :param hidden_noise_std: instance noise on the features while training (baseline "GAIL - noise
        z")
    :param fusion: maps the trunk's features and the vector seen beside a picture, joined, to
        features, and tells its ``features_dim``; None where nothing is seen beside it
    """

    def __init__(
        self,
        trunk: nn.Module,
        code_dim: int | None,
        hidden_noise_std: float = 0.0,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.trunk, self.fusion, self.hidden_noise_std = trunk, fusion, hidden_noise_std
        last = trunk if fusion is None else fusion
        features_dim = int(last.features_dim)  # type: ignore[arg-type]
        self.encoder = None if code_dim is None else GaussianEncoder(features_dim, code_dim)
        self.unit = nn.Linear(features_dim if code_dim is None else code_dim, 1)

    def forward(
        self, inputs: th.Tensor, sample: bool, beside: th.Tensor | None = None
    ) -> UnitOutput:
        """Compute values and divergences.

        :param inputs: what the trunk takes, shape (batch, ...)
        :param sample: sample code and noise (training the discriminator) or use the mean code
            (rewards)
        :param beside: vector that joins the trunk's features, shape (batch, beside_dim); None for
            none
        """
        features = self.trunk(inputs)
        if self.fusion is not None:
            assert beside is not None
            features = self.fusion(th.cat([features, beside], dim=1))
        if sample:
            features = add_noise(features, self.hidden_noise_std)
        if self.encoder is None:
            return UnitOutput(self.unit(features).squeeze(-1), features.new_zeros(len(features)))
        code = self.encoder(features)
        values = self.unit(code.sample() if sample else code.mean).squeeze(-1)  # (batch,)
        return UnitOutput(values, kl_to_standard_normal(code.mean, code.log_std))
