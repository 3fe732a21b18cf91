"""Trunks: what turns an input into features, before a code or an output is made of them.

A trunk is any ``nn.Module`` that is made as ``trunk_class(input_shape, **trunk_kwargs)``, maps
(batch, *input_shape) to (batch, features_dim) and tells its ``features_dim``, as SB3's features
extractors do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch as th
from torch import nn

from sb3_vdb.networks.convolutions import ConvEncoder
from sb3_vdb.networks.layouts import PatchLayout, patch_size
from sb3_vdb.networks.patches import PatchEncoder
from sb3_vdb.networks.random_shifts import RandomShift

Shape = tuple[int, ...]


class DenseTrunk(nn.Module):
    """Hidden layers of a perceptron.

    :param input_shape: ``(n,)`` for vectors of n entries
    :param net_arch: widths of the hidden layers
    :param activation_fn: class of the activation behind each of them
    :raises ValueError: the input is no vector, or the layers are no list of widths
    """

    def __init__(
        self,
        input_shape: Shape,
        net_arch: Sequence[int] = (64, 64),
        activation_fn: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        if len(input_shape) != 1:
            raise ValueError(
                f"DenseTrunk takes vectors, the input has shape {input_shape}; for pictures use "
                "`trunk_class=sb3_vdb.networks.ConvTrunk`"
            )
        if isinstance(net_arch, Mapping):
            raise ValueError(
                f"`net_arch` must be a list of widths, got {net_arch}; a trunk has no policy and "
                "value part"
            )
        if not net_arch or any(width < 1 for width in net_arch):
            raise ValueError(f"`net_arch` must list at least one positive width, got {net_arch}")
        if not (isinstance(activation_fn, type) and issubclass(activation_fn, nn.Module)):
            raise ValueError(
                f"`activation_fn` must be a class such as torch.nn.ReLU, got {activation_fn!r}"
            )
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise([input_shape[0], *net_arch]):
            layers += [nn.Linear(width_in, width_out), activation_fn()]
        self.layers = nn.Sequential(*layers)
        self.features_dim = net_arch[-1]

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Compute features, shape (batch, features_dim)."""
        return self.layers(inputs)


class ConvTrunk(nn.Module):
    """Convolutions with kernel 4 and stride 2, and a dense layer on their features.

    :param input_shape: channels, height and width of a picture, with height = width
    :param depth: channels of the first layer; they double from layer to layer
    :param features_dim: width of the dense layer
    :param shift: pixels by which pictures are shifted at random while it learns
    :raises ValueError: the input is no square picture, or it is too small
    """

    def __init__(
        self, input_shape: Shape, depth: int = 16, features_dim: int = 256, shift: int = 0
    ) -> None:
        super().__init__()
        check_square(input_shape, "ConvTrunk")
        channels, height, width = input_shape
        self.shift = RandomShift(shift)
        encoder = ConvEncoder((channels, height, width), depth)
        self.layers = nn.Sequential(encoder, nn.Linear(encoder.output_dim, features_dim), nn.ReLU())
        self.features_dim = features_dim

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Compute features, shape (batch, features_dim), of pictures (batch, channels, height,
        width).
        """
        return self.layers(self.shift(inputs))


class PatchTrunk(nn.Module):
    """One layer for all 8 x 8 patches of a picture, a convolution over their grid, and a dense
    layer: on CPUs a fraction of the time of :class:`ConvTrunk`, whose first layers are as large as
    the picture.

    :param input_shape: channels, height and width of a picture, with height = width
    :param depth: half the width of a patch's vector
    :param features_dim: width of the dense layer
    :param shift: pixels by which pictures are shifted at random while it learns
    :raises ValueError: the input is no square picture, or has no 8 x 8 equal patches
    """

    def __init__(
        self, input_shape: Shape, depth: int = 16, features_dim: int = 128, shift: int = 0
    ) -> None:
        super().__init__()
        check_square(input_shape, "PatchTrunk")
        channels, height, width = input_shape
        self.shift = RandomShift(shift)
        encoder = PatchEncoder((channels, height, width), depth)
        self.layout = PatchLayout(patch_size(height))
        self.layers = nn.Sequential(encoder, nn.Linear(encoder.output_dim, features_dim), nn.ReLU())
        self.features_dim = features_dim

    def forward(self, inputs: th.Tensor) -> th.Tensor:
        """Compute features, shape (batch, features_dim), of pictures (batch, channels, height,
        width).
        """
        return self.layers(self.layout.arrange(self.shift(inputs)))


def check_square(input_shape: Shape, name: str) -> None:
    """Refuse inputs that are no square pictures.

    :param input_shape: of one input
    :param name: of the trunk, for the message
    :raises ValueError: naming the shape
    """
    if len(input_shape) != 3 or input_shape[1] != input_shape[2]:
        raise ValueError(
            f"{name} takes square pictures, the input has shape {input_shape}; for vectors "
            "use `trunk_class=sb3_vdb.networks.DenseTrunk`"
        )


def make_trunk(
    trunk_class: type[nn.Module],
    input_shape: Shape,
    trunk_kwargs: Mapping[str, Any] | None,
    noun: str = "trunk",
) -> nn.Module:
    """Make a trunk and try it on two inputs of zeros.

    :param trunk_class: see the module
    :param input_shape: of one input
    :param trunk_kwargs: arguments beside the shape
    :param noun: prefix of the arguments, for the messages
    :raises ValueError: it cannot be made so, or does not give what it tells
    """
    name = getattr(trunk_class, "__name__", trunk_class)
    if not (isinstance(trunk_class, type) and issubclass(trunk_class, nn.Module)):
        raise ValueError(
            f"`{noun}_class` must be a subclass of torch.nn.Module, got {trunk_class!r}"
        )
    try:
        trunk = trunk_class(input_shape, **(trunk_kwargs or {}))
    except TypeError as error:
        raise ValueError(
            f"`{noun}_class` {name} cannot be made with an input shape and `{noun}_kwargs` "
            f"{dict(trunk_kwargs or {})}: {error}"
        ) from error
    features_dim = getattr(trunk, "features_dim", None)
    if not isinstance(features_dim, int):
        raise ValueError(
            f"`{noun}_class` {name} must tell its `features_dim`, got {features_dim!r}"
        )
    with th.no_grad(), th.random.fork_rng(devices=[]):
        shape = tuple(trunk.eval()(th.zeros(2, *input_shape)).shape)
    if shape != (2, features_dim):
        raise ValueError(
            f"`{noun}_class` {name} tells `features_dim` {features_dim} and maps (2, "
            f"{', '.join(map(str, input_shape))}) to {shape}; it must give (batch, features_dim)"
        )
    return trunk.train()
