"""Networks that see and decode pictures patch by patch, which costs a CPU less than convolutions
over all pixels.
"""

from __future__ import annotations

import torch as th
from torch import nn
from torch.nn import functional

from sb3_vdb.networks.layouts import GRID, PatchLayout, Shape, patch_size
from sb3_vdb.networks.picture_nets import PictureDecoder, PictureEncoder, use_channels_last

STRIDE = 2  # of the convolution over the grid of patches


class PatchEncoder(PictureEncoder):
    """Maps pictures in :class:`~sb3_vdb.networks.layouts.PatchLayout` to vectors by one layer for
    all 8 x 8 patches, and a convolution over their grid. In pictures of 64 pixels it takes a
    fraction of a convolutional encoder's time, which goes into layers as large as the picture.

    :param shape: channels, height and width of a picture, with height = width
    :param depth: half the width of a patch's vector
    :param bf16: compute in bfloat16; weights and vectors are single precision
    :raises ValueError: the picture cannot be cut into equal patches
    """

    def __init__(self, shape: Shape, depth: int, bf16: bool = False) -> None:
        super().__init__(bf16)
        size = patch_size(shape[1])
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], 2 * depth, size, size),
            nn.ELU(),
            nn.Conv2d(2 * depth, 4 * depth, 3, STRIDE, padding=1),
            nn.ELU(),
            nn.Flatten(),
        )
        use_channels_last(self.layers[2])
        self.output_dim = 4 * depth * (GRID // STRIDE) ** 2

    def _encode(self, pictures: th.Tensor) -> th.Tensor:
        first = self.layers[0]
        assert isinstance(first, nn.Conv2d)
        # of patches side by side, a convolution is a product with its kernels
        vectors = functional.linear(pictures, first.weight.flatten(1), first.bias)
        return self.layers[1:](vectors.movedim(-1, 1))


class PatchDecoder(PictureDecoder):
    """Maps vectors to pictures in :class:`~sb3_vdb.networks.layouts.PatchLayout`: a perceptron
    makes a vector for each of 8 x 8 patches, and one layer the pixels of each; a bias of its own
    for every pixel is the background.

    :param input_dim: width of the vectors
    :param shape: channels, height and width of a picture, with height = width
    :param depth: half the width of a patch's vector
    :param bf16: compute in bfloat16; weights and pictures are single precision
    :raises ValueError: the picture cannot be cut into equal patches
    """

    def __init__(self, input_dim: int, shape: Shape, depth: int, bf16: bool = False) -> None:
        super().__init__(bf16)
        size, width, hidden = patch_size(shape[1]), 2 * depth, 16 * depth
        self.layout = PatchLayout(size)
        self.patches = nn.Sequential(
            nn.Linear(input_dim, hidden),
            nn.ELU(),
            nn.Linear(hidden, GRID * GRID * width),
            nn.ELU(),
            nn.Unflatten(1, (GRID, GRID, width)),
        )
        self.pixels = nn.Linear(width, shape[0] * size * size, bias=False)
        self.background = nn.Parameter(th.zeros(shape))

    def _decode(self, features: th.Tensor) -> th.Tensor:
        return self.pixels(self.patches(features)) + self.layout.arrange(self.background)
