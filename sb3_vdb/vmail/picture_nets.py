"""Networks that see and draw pictures: convolutions for any size, and patches, which cost less."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from itertools import product
from typing import Any, Literal, NamedTuple, Protocol, get_args

import torch as th
from torch import nn
from torch.nn import functional

PictureNet = Literal["conv", "patches"]
PICTURE_NETS: tuple[str, ...] = get_args(PictureNet)
ENCODER_KERNEL, STRIDE = 4, 2
DECODER_KERNELS = range(3, 9)
MAX_DEPTH_FACTOR = 8  # channels of a layer, as a multiple of the first layer's
GRID = 8  # patches along a picture's height and width
LEAST_SIZE = 16  # pixels
# integers of so many bytes
WORDS = {1: th.uint8, 2: th.int16, 4: th.int32, 8: th.int64}
Shape = tuple[int, int, int]  # channels, height and width of a picture, with height = width


class PictureSettings(NamedTuple):
    """How pictures are seen and drawn.

    :param net: ``"conv"``, convolutions with stride 2 as in Dreamer, or ``"patches"``
    :param depth: channels of the first convolution, half the width of a patch's vector
    :param standardize: subtract the demonstrations' mean picture and divide by their standard
        deviation
    :param bf16: compute in bfloat16; weights and vectors are single precision
    """

    net: PictureNet = "conv"
    depth: int = 32
    standardize: bool = False
    bf16: bool = False

    def layout(self, shape: Shape) -> Layout:
        """How these networks want pictures in memory."""
        return PictureLayout() if self.net == "conv" else PatchLayout(patch_size(shape[1]))

    def encoder(self, shape: Shape) -> PictureEncoder:
        """What sees a picture in that layout."""
        if self.net == "conv":
            return ConvEncoder(shape, self.depth, self.bf16)
        return PatchEncoder(shape, self.depth, self.bf16)

    def decoder(self, input_dim: int, shape: Shape) -> PictureDecoder:
        """What draws a picture in that layout, from vectors of width ``input_dim``."""
        if self.net == "conv":
            return ConvDecoder(input_dim, shape, self.depth, self.bf16)
        return PatchDecoder(input_dim, shape, self.depth, self.bf16)


def _check_size(image_size: int) -> None:
    if image_size < LEAST_SIZE:
        raise ValueError(
            f"pictures of {image_size} pixels are too small; use at least {LEAST_SIZE}"
        )


def patch_size(image_size: int) -> int:
    """Height and width of each of the 8 x 8 patches of a picture, pixels.

    :raises ValueError: they do not come out even
    """
    _check_size(image_size)
    if image_size % GRID:
        raise ValueError(
            f"pictures of {image_size} pixels have no {GRID} x {GRID} equal patches; use a "
            f"multiple of {GRID} pixels, or `picture_net='conv'`"
        )
    return image_size // GRID


class Layout(Protocol):
    """How networks want pictures in memory."""

    def arrange(self, pictures: th.Tensor) -> th.Tensor:
        """Pictures of shape (..., channels, height, width) in this layout, which has three axes for
        them, too.
        """
        ...

    def restore(self, arranged: th.Tensor) -> th.Tensor:
        """The inverse of :meth:`arrange`."""
        ...


class PictureLayout:
    """Pictures as they are; see :class:`Layout`."""

    def arrange(self, pictures: th.Tensor) -> th.Tensor:
        """Pictures of shape (..., channels, height, width), unchanged."""
        return pictures

    def restore(self, arranged: th.Tensor) -> th.Tensor:
        """The same."""
        return arranged


class PatchLayout(NamedTuple):
    """Patch after patch, so that a layer for all of them is one product of matrices and a drawn
    picture is compared with a seen one as it is; see :class:`Layout`.

    :param size: height and width of a patch, pixels
    """

    size: int

    def arrange(self, pictures: th.Tensor) -> th.Tensor:
        """Patches of shape (..., 8, 8, channels * size^2), by channels, rows and columns each, from
        pictures of shape (..., channels, height, width).
        """
        words = self._words(pictures).unflatten(-1, (GRID, -1)).unflatten(-3, (GRID, self.size))
        # (..., channels, patch row, row, patch column, words of a row)
        patches = words.movedim((-4, -2), (-5, -4)).contiguous()
        if patches.dtype != pictures.dtype:  # no gradients pass a view of another type
            patches = patches.view(pictures.dtype)
        return patches.flatten(-3)

    def restore(self, arranged: th.Tensor) -> th.Tensor:
        """The inverse of :meth:`arrange`."""
        patches = arranged.unflatten(-1, (-1, self.size, self.size))
        return patches.movedim((-5, -4), (-4, -2)).flatten(-2).flatten(-3, -2)

    def _words(self, pictures: th.Tensor) -> th.Tensor:
        """Pictures with a patch's bytes of a row in as few numbers as possible, which move faster
        than bytes.
        """
        if pictures.dtype != th.uint8:
            return pictures
        return pictures.contiguous().view(WORDS[math.gcd(self.size, max(WORDS))])


def n_conv_layers(image_size: int) -> int:
    """Layers that halve a picture: 4 for 64 pixels and 5 for 128, as in the authors' code.

    :param image_size: height and width, pixels
    :raises ValueError: it is too small
    """
    _check_size(image_size)
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


class PictureEncoder(nn.Module):
    """Pictures to vectors.

    :param bf16: compute in bfloat16; weights and vectors are single precision
    """

    output_dim: int

    def __init__(self, bf16: bool) -> None:
        super().__init__()
        self.bf16 = bf16

    def forward(self, pictures: th.Tensor) -> th.Tensor:
        """Vectors of shape (batch, output_dim) from normalised pictures in the networks' layout,
        shape (batch, three axes).
        """
        with _bf16(pictures, self.bf16):
            return self._see(pictures).float()

    def _see(self, pictures: th.Tensor) -> th.Tensor:
        raise NotImplementedError


class PictureDecoder(nn.Module):
    """Vectors to pictures.

    :param bf16: compute in bfloat16; weights and pictures are single precision
    """

    def __init__(self, bf16: bool) -> None:
        super().__init__()
        self.bf16 = bf16

    def forward(self, features: th.Tensor) -> th.Tensor:
        """Pictures in the networks' layout, shape (batch, three axes), from vectors (batch,
        input_dim).
        """
        with _bf16(features, self.bf16):
            return self._draw(features).float().contiguous()

    def _draw(self, features: th.Tensor) -> th.Tensor:
        raise NotImplementedError


class ConvEncoder(PictureEncoder):
    """Pictures to vectors: convolutions with kernel 4 and stride 2.

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
        _channels_last(self)
        self.output_dim = channels * size * size

    def _see(self, pictures: th.Tensor) -> th.Tensor:
        return self.layers(pictures.contiguous(memory_format=th.channels_last))


class ConvDecoder(PictureDecoder):
    """Vectors to pictures: a linear layer and transposed convolutions with stride 2.

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
        _channels_last(self)

    def _draw(self, features: th.Tensor) -> th.Tensor:
        first = self.layers[0]
        assert isinstance(first, nn.ConvTranspose2d)
        assert first.bias is not None
        # of a single pixel, a transposed convolution is a product with its kernels
        kernels = first.weight.permute(2, 3, 1, 0)  # (height, width, channels, inputs)
        bias = first.bias.repeat(kernels.shape[0] * kernels.shape[1])
        grown = functional.linear(self.start(features), kernels.flatten(0, 2), bias)
        pictures = grown.unflatten(1, kernels.shape[:3]).permute(0, 3, 1, 2)
        return self.layers[1:](pictures)


class PatchEncoder(PictureEncoder):
    """Pictures in :class:`PatchLayout` to vectors: one layer for all 8 x 8 patches, and a
    convolution over their grid. In pictures of 64 pixels it takes a fraction of
    :class:`ConvEncoder`'s time, which goes into layers as large as the picture.

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
        _channels_last(self.layers[2])
        self.output_dim = 4 * depth * (GRID // STRIDE) ** 2

    def _see(self, pictures: th.Tensor) -> th.Tensor:
        first = self.layers[0]
        assert isinstance(first, nn.Conv2d)
        # of patches side by side, a convolution is a product with its kernels
        seen = functional.linear(pictures, first.weight.flatten(1), first.bias)
        return self.layers[1:](seen.movedim(-1, 1))


class PatchDecoder(PictureDecoder):
    """Vectors to pictures in :class:`PatchLayout`: a perceptron draws a vector for each of 8 x 8
    patches, one layer the pixels of each; a bias of its own for every pixel is the background.

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

    def _draw(self, features: th.Tensor) -> th.Tensor:
        return self.pixels(self.patches(features)) + self.layout.arrange(self.background)
