"""What every network from or to pictures has in common."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch as th
from torch import nn


def use_channels_last(module: nn.Module) -> None:
    """Lay out a module's kernels with channels last: its passes are twice as fast on CPUs.

    :param module: whose parameters are laid out anew
    """
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=th.channels_last)


def _bf16(tensor: th.Tensor, enabled: bool) -> AbstractContextManager[Any]:
    """Open a block whose products and convolutions are in bfloat16, or as they were."""
    if not enabled:
        return nullcontext()
    # without its cache of converted weights, a CUDA graph can hold it
    return th.autocast(tensor.device.type, th.bfloat16, cache_enabled=False)


class PictureEncoder(nn.Module):
    """Maps pictures to vectors of width ``output_dim``.

    :param bf16: compute in bfloat16; weights and vectors are single precision
    """

    output_dim: int

    def __init__(self, bf16: bool) -> None:
        super().__init__()
        self.bf16 = bf16

    def forward(self, pictures: th.Tensor) -> th.Tensor:
        """Compute vectors of shape (batch, output_dim).

        :param pictures: normalised, in the networks' layout, shape (batch, three axes)
        """
        with _bf16(pictures, self.bf16):
            return self._encode(pictures).float()

    def _encode(self, pictures: th.Tensor) -> th.Tensor:
        raise NotImplementedError


class PictureDecoder(nn.Module):
    """Maps vectors to pictures.

    :param bf16: compute in bfloat16; weights and pictures are single precision
    """

    def __init__(self, bf16: bool) -> None:
        super().__init__()
        self.bf16 = bf16

    def forward(self, features: th.Tensor) -> th.Tensor:
        """Compute pictures in the networks' layout, shape (batch, three axes).

        :param features: shape (batch, input_dim)
        """
        with _bf16(features, self.bf16):
            return self._decode(features).float().contiguous()

    def _decode(self, features: th.Tensor) -> th.Tensor:
        raise NotImplementedError
