"""Convolutions from and to pictures of any size, as in Dreamer."""

from __future__ import annotations

from itertools import product

import torch as th
from torch import nn
from torch.nn import functional

from sb3_vdb.networks.layouts import Shape, check_size
from sb3_vdb.networks.picture_nets import PictureDecoder, PictureEncoder, use_channels_last

ENCODER_KERNEL, STRIDE = 4, 2
DECODER_KERNELS = range(3, 9)
MAX_DEPTH_FACTOR = 8  # channels of a layer, as a multiple of the first layer's


def n_conv_layers(image_size: int) -> int:
    """Count the layers that halve a picture: 4 for 64 pixels and 5 for 128, as in V-MAIL's code.

    :param image_size: height and width, pixels
    :raises ValueError: the picture is too small
    """
    check_size(image_size)
    return image_size.bit_length() - 3


def decoder_kernels(image_size: int) -> tuple[int, ...]:
    """Find kernels of transposed convolutions with stride 2 that grow one pixel to ``image_size``;
    the most even ones, 5-5-6-6 for 64 pixels as in Dreamer.

    :param image_size: height and width, pixels
    :raises ValueError: there are none
    """
    candidates = [
        kernels
        for kernels in product(DECODER_KERNELS, repeat=n_conv_layers(image_size))
        if _decoded_size(kernels) == image_size
    ]
    if not candidates:
        raise ValueError(
            f"no decoder makes pictures of {image_size} pixels; use 32, 48, 64, 84, 96 or 128"
        )
    return min(candidates, key=lambda kernels: (max(kernels) - min(kernels), kernels))


def _decoded_size(kernels: tuple[int, ...]) -> int:
    """Compute the height that one pixel grows to, pixels."""
    size = 1
    for kernel in kernels:
        size = (size - 1) * STRIDE + kernel
    return size


class ConvEncoder(PictureEncoder):
    """Maps pictures to vectors by convolutions with kernel 4 and stride 2.

    :param shape: channels, height and width of a picture, with height = width
    :param depth: channels of the first layer; they double from layer to layer
    :param bf16: compute in bfloat16; weights and vectors are single precision
    """

    def __init__(self, shape: Shape, depth: int, bf16: bool = False) -> None:
        super().__init__(bf16)
        channels, size, _ = shape
        layers: list[nn.Module] = []
        for i in range(n_conv_layers(size)):
            width = depth * min(2**i, MAX_DEPTH_FACTOR)
            layers += [nn.Conv2d(channels, width, ENCODER_KERNEL, STRIDE), nn.ReLU()]
            channels, size = width, (size - ENCODER_KERNEL) // STRIDE + 1
        self.layers = nn.Sequential(*layers, nn.Flatten())
        use_channels_last(self)
        self.output_dim = channels * size * size

    def _encode(self, pictures: th.Tensor) -> th.Tensor:
        return self.layers(pictures.contiguous(memory_format=th.channels_last))


class ConvDecoder(PictureDecoder):
    """Maps vectors to pictures by a linear layer and transposed convolutions with stride 2.

    :param input_dim: width of the vectors
    :param shape: channels, height and width of a picture, with height = width
    :param depth: channels before the last layer
    :param bf16: compute in bfloat16; weights and pictures are single precision
    """

    def __init__(self, input_dim: int, shape: Shape, depth: int, bf16: bool = False) -> None:
        super().__init__(bf16)
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
        use_channels_last(self)

    def _decode(self, features: th.Tensor) -> th.Tensor:
        first = self.layers[0]
        assert isinstance(first, nn.ConvTranspose2d)
        assert first.bias is not None
        # of a single pixel, a transposed convolution is a product with its kernels
        kernels = first.weight.permute(2, 3, 1, 0)  # (height, width, channels, inputs)
        bias = first.bias.repeat(kernels.shape[0] * kernels.shape[1])
        grown = functional.linear(self.start(features), kernels.flatten(0, 2), bias)
        pictures = grown.unflatten(1, kernels.shape[:3]).permute(0, 3, 1, 2)
        return self.layers[1:](pictures)
