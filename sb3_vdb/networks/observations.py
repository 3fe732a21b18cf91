"""Encoders and decoders of whole observations: pictures, vectors, and several of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from torch import nn

from sb3_vdb.networks.dense import mlp
from sb3_vdb.networks.observation_parts import is_picture, space_parts
from sb3_vdb.networks.observation_scales import PictureNormalizer, VectorNormalizer
from sb3_vdb.networks.pictures import PictureSettings

Observations = Mapping[str, th.Tensor]  # raw, as the environment gave them; shape (..., *space)

N_VECTOR_LAYERS = 2


def module_key(name: str) -> str:
    """Name a part's network; torch forbids points, and names that modules have already."""
    return "part_" + name.replace(".", "/")


class ObservationEncoder(nn.Module):
    """Embeds every part of an observation and joins the embeddings.

    :param space: observation space, pictures with channels first
    :param width: width of the perceptrons that embed vectors
    :param pictures: how pictures are encoded
    """

    def __init__(self, space: gym.Space[Any], width: int, pictures: PictureSettings) -> None:
        super().__init__()
        self.standardize_pictures = pictures.standardize
        parts = space_parts(space)
        self.names = tuple(parts)
        self.picture_names = frozenset(name for name, part in parts.items() if is_picture(part))
        self.nets, self.normalizers = nn.ModuleDict(), nn.ModuleDict()
        self.embed_dim = 0
        for name, part in parts.items():
            net: nn.Module
            if name in self.picture_names:
                shape = part.shape[0], part.shape[1], part.shape[2]
                net = pictures.encoder(shape)
                normalizer: nn.Module = PictureNormalizer(shape, pictures.layout(shape))
                self.embed_dim += net.output_dim
            else:
                net = mlp(part.shape[0], width, N_VECTOR_LAYERS, width)
                normalizer = VectorNormalizer(part.shape[0])
                self.embed_dim += width
            self.nets[module_key(name)] = net
            self.normalizers[module_key(name)] = normalizer

    def fit(self, episodes: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Take the scale of vectors, and of pictures where it is asked for, from demonstrations.

        :param episodes: observations by part, shape ``(length, *space)``
        """
        for name in self.names:
            if self.standardize_pictures or name not in self.picture_names:
                values = np.concatenate([each[name] for each in episodes])
                self.normalizer(name).fit(values)

    def normalizer(self, name: str) -> PictureNormalizer | VectorNormalizer:
        """Return the normaliser of a part."""
        normalizer = self.normalizers[module_key(name)]
        assert isinstance(normalizer, (PictureNormalizer, VectorNormalizer))
        return normalizer

    def likelihood_scales(self) -> dict[str, th.Tensor]:
        """Return by what an error of each part's normalised entries is multiplied in the
        likelihood: that of pictures is of pixel values from 0 to 1, whether they are standardised
        or not, that of vectors of what they are normalised to. Scalars.
        """
        stds = {name: self.normalizer(name).std for name in self.names}
        return {
            name: std if name in self.picture_names else std.new_ones(())
            for name, std in stds.items()
        }

    def normalize(self, observations: Observations) -> dict[str, th.Tensor]:
        """Compute what the networks see and the decoder makes: vectors of the same shapes, pictures
        in the networks' layout.

        :param observations: raw, shape ``(..., *space)`` a part
        """
        return {name: self.normalizer(name)(observations[name]) for name in self.names}

    def forward(self, normalized: Mapping[str, th.Tensor]) -> th.Tensor:
        """Compute embeddings of shape (..., embed_dim).

        :param normalized: what :meth:`normalize` gives
        """
        embeds = []
        for name in self.names:
            values = normalized[name]
            n_axes = 3 if name in self.picture_names else 1
            leading = values.shape[: values.dim() - n_axes]
            embeds.append(
                self.nets[module_key(name)](values.flatten(0, -n_axes - 1)).unflatten(0, leading)
            )
        return th.cat(embeds, dim=-1)


class ObservationDecoder(nn.Module):
    """Decodes features to every part of an observation: to means of Gaussians, whose variance is 1
    in the units of :meth:`ObservationEncoder.likelihood_scales`.

    :param feat_dim: width of the features
    :param space: observation space, pictures with channels first
    :param width: width of the perceptrons that make vectors
    :param pictures: how pictures are decoded
    """

    def __init__(
        self, feat_dim: int, space: gym.Space[Any], width: int, pictures: PictureSettings
    ) -> None:
        super().__init__()
        self.nets = nn.ModuleDict()
        self.names = tuple(space_parts(space))
        for name, part in space_parts(space).items():
            self.nets[module_key(name)] = (
                pictures.decoder(feat_dim, part.shape)  # type: ignore[arg-type]
                if is_picture(part)
                else mlp(feat_dim, width, N_VECTOR_LAYERS, part.shape[0])
            )

    def forward(self, feat: th.Tensor) -> dict[str, th.Tensor]:
        """Compute normalised observations, as of :meth:`ObservationEncoder.normalize`.

        :param feat: features, shape (..., feat_dim)
        """
        leading, flat = feat.shape[:-1], feat.flatten(0, -2)
        decoded = {name: self.nets[module_key(name)](flat) for name in self.names}
        return {name: values.unflatten(0, leading) for name, values in decoded.items()}
