"""Which network sees and decodes pictures, and how they lie in memory for it."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from sb3_vdb.networks.convolutions import ConvDecoder, ConvEncoder
from sb3_vdb.networks.layouts import Layout, PatchLayout, PictureLayout, Shape, patch_size
from sb3_vdb.networks.patches import PatchDecoder, PatchEncoder
from sb3_vdb.networks.picture_nets import PictureDecoder, PictureEncoder

PictureNet = Literal["conv", "patches"]
PICTURE_NETS: tuple[str, ...] = get_args(PictureNet)


class PictureSettings(NamedTuple):
    """Says how pictures are encoded and decoded.

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
        """Say how these networks want pictures of a shape in memory."""
        return PictureLayout() if self.net == "conv" else PatchLayout(patch_size(shape[1]))

    def encoder(self, shape: Shape) -> PictureEncoder:
        """Make an encoder of pictures in that layout."""
        if self.net == "conv":
            return ConvEncoder(shape, self.depth, self.bf16)
        return PatchEncoder(shape, self.depth, self.bf16)

    def decoder(self, input_dim: int, shape: Shape) -> PictureDecoder:
        """Make a decoder to pictures in that layout, from vectors of width ``input_dim``."""
        if self.net == "conv":
            return ConvDecoder(input_dim, shape, self.depth, self.bf16)
        return PatchDecoder(input_dim, shape, self.depth, self.bf16)
