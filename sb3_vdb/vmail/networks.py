"""The blocks that V-MAIL's networks are built of: perceptrons, and convolutions for pictures of
any size.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise, product
from typing import Any

import torch as th
from torch import nn

ENCODER_KERNEL, STRIDE = 4, 2
DECODER_KERNELS = range(3, 9)
MAX_DEPTH_FACTOR = 8  # channels of a layer, as a multiple of the first layer's


def mlp(input_dim: int, width: int, n_layers: int, output_dim: int) -> nn.Sequential:
    """Hidden layers of one width with ELU, and a linear output.

    :param input_dim: number of inputs
    :param width: of the hidden layers
    :param n_layers: number of hidden layers
    :param output_dim: number of outputs
    """
    widths = [input_dim, *[width] * n_layers]
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ELU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], output_dim))


def initialize(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, the defaults of the library that the authors' code is
    written in (recurrent weights orthogonal). For :meth:`torch.nn.Module.apply`.
    """
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, nn.GRUCell):
        for part in module.weight_ih.chunk(3):
            nn.init.xavier_uniform_(part)
        for part in module.weight_hh.chunk(3):
            nn.init.orthogonal_(part)
        nn.init.zeros_(module.bias_ih)
        nn.init.zeros_(module.bias_hh)


def n_conv_layers(image_size: int) -> int:
    """Layers that halve a picture: 4 for 64 pixels and 5 for 128, as in the authors' code.

    :param image_size: height and width, pixels
    :raises ValueError: it is too small
    """
    if image_size < 16:
        raise ValueError(f"pictures of {image_size} pixels are too small; use at least 16")
    return image_size.bit_length() - 3


def decoder_kernels(image_size: int) -> tuple[int, ...]:
    """Kernels of transposed convolutions with stride 2 that grow one pixel to ``image_size``; the
    most even ones, 5-5-6-6 for 64 pixels as in Dreamer.

    :raises ValueError: there are none
    """
    found = []
    for kernels in product(DECODER_KERNELS, repeat=n_conv_layers(image_size)):
        size = 1
        for kernel in kernels:
            size = (size - 1) * STRIDE + kernel
        if size == image_size:
            found.append((max(kernels) - min(kernels), kernels))
    if not found:
        raise ValueError(
            f"no decoder draws pictures of {image_size} pixels; use 32, 48, 64, 84, 96 or 128"
        )
    return min(found)[1]


def _channels_last(module: nn.Module) -> None:
    """Lay out a module's kernels with channels last: its passes are twice as fast on CPUs."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=th.channels_last)


def _bf16(tensor: th.Tensor, enabled: bool) -> AbstractContextManager[Any]:
    """A block whose products and convolutions are in bfloat16, or as they were."""
    if not enabled:
        return nullcontext()
    # without its cache of converted weights, a CUDA graph can hold it
    return th.autocast(tensor.device.type, th.bfloat16, cache_enabled=False)


class ConvEncoder(nn.Module):
    """Pictures to vectors: convolutions with kernel 4 and stride 2.

    :param shape: channels, height and width of a picture, with height = width
    :param depth: channels of the first layer; they double from layer to layer
    :param bf16: compute in bfloat16; weights and vectors are single precision
    """

    def __init__(self, shape: tuple[int, int, int], depth: int, bf16: bool = False) -> None:
        super().__init__()
        self.bf16 = bf16
        channels, size, _ = shape
        layers: list[nn.Module] = []
        for i in range(n_conv_layers(size)):
            width = depth * min(2**i, MAX_DEPTH_FACTOR)
            layers += [nn.Conv2d(channels, width, ENCODER_KERNEL, STRIDE), nn.ReLU()]
            channels, size = width, (size - ENCODER_KERNEL) // STRIDE + 1
        self.layers = nn.Sequential(*layers, nn.Flatten())
        _channels_last(self)
        self.output_dim = channels * size * size

    def forward(self, pictures: th.Tensor) -> th.Tensor:
        """Vectors of shape (batch, output_dim) from pictures (batch, channels, height, width)."""
        with _bf16(pictures, self.bf16):
            vectors = self.layers(pictures.contiguous(memory_format=th.channels_last))
        return vectors.float()


class ConvDecoder(nn.Module):
    """Vectors to pictures: a linear layer and transposed convolutions with stride 2.

    :param input_dim: width of the vectors
    :param shape: channels, height and width of a picture, with height = width
    :param depth: channels before the last layer
    :param bf16: compute in bfloat16; weights and pictures are single precision
    """

    def __init__(
        self, input_dim: int, shape: tuple[int, int, int], depth: int, bf16: bool = False
    ) -> None:
        super().__init__()
        self.bf16 = bf16
        kernels = decoder_kernels(shape[1])
        channels = depth * min(2 ** (len(kernels) + 1), 4 * MAX_DEPTH_FACTOR)
        self.start = nn.Linear(input_dim, channels)
        layers: list[nn.Module] = []
        for i, kernel in enumerate(kernels):
            last = i == len(kernels) - 1
            after = shape[0] if last else depth * 2 ** (len(kernels) - 2 - i)
            layers += [nn.ConvTranspose2d(channels, after, kernel, STRIDE)]
            layers += [] if last else [nn.ReLU()]
            channels = after
        self.layers = nn.Sequential(*layers)
        _channels_last(self)

    def forward(self, features: th.Tensor) -> th.Tensor:
        """Pictures of shape (batch, channels, height, width) from vectors (batch, input_dim)."""
        with _bf16(features, self.bf16):
            return self._draw(features).float().contiguous()

    def _draw(self, features: th.Tensor) -> th.Tensor:
        first = self.layers[0]
        assert isinstance(first, nn.ConvTranspose2d)
        assert first.bias is not None
        # of a single pixel, a transposed convolution is a product with its kernels
        kernels = first.weight.permute(2, 3, 1, 0)  # (height, width, channels, inputs)
        bias = first.bias.repeat(kernels.shape[0] * kernels.shape[1])
        grown = nn.functional.linear(self.start(features), kernels.flatten(0, 2), bias)
        pictures = grown.unflatten(1, kernels.shape[:3]).permute(0, 3, 1, 2)
        return self.layers[1:](pictures)
