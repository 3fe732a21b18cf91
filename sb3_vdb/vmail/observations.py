"""Observations as the world model sees and draws them: pictures, vectors, and several of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from torch import nn

from sb3_vdb.vmail.networks import mlp
from sb3_vdb.vmail.picture_nets import Layout, PictureLayout, PictureSettings

Observations = Mapping[str, th.Tensor]  # raw, as the environment gave them; shape (..., *space)

KEY = "observation"  # of the only part, where the space is no Dict
PIXEL_RANGE = 255.0
MAX_DEVIATION = 10.0  # vectors are clipped to that many standard deviations of the demonstrations
MIN_STD = 1e-2  # of a vector's entry, as a fraction of the largest one
N_VECTOR_LAYERS = 2


def space_parts(space: gym.Space[Any]) -> dict[str, gym.spaces.Box]:
    """The named parts of an observation space, one ``"observation"`` where it is no Dict.

    :param space: as SB3's algorithms see it, pictures with channels first
    :raises ValueError: a part is neither a square picture nor a vector of numbers
    """
    parts = dict(space.spaces) if isinstance(space, gym.spaces.Dict) else {KEY: space}
    boxes: dict[str, gym.spaces.Box] = {}
    for name, part in parts.items():
        if not isinstance(part, gym.spaces.Box):
            raise ValueError(
                f"observation {name!r} is a {type(part).__name__}; V-MAIL's world model draws "
                "pictures and vectors (Box), one-hot encode the others with a wrapper"
            )
        if is_picture(part) and not (
            is_image_space_channels_first(part) and part.shape[1] == part.shape[2]
        ):
            raise ValueError(
                f"observation {name!r} is a picture of shape {part.shape}; V-MAIL needs square "
                "ones, use gymnasium.wrappers.ResizeObservation"
            )
        if not is_picture(part) and len(part.shape) != 1:
            raise ValueError(
                f"observation {name!r} has shape {part.shape} and dtype {part.dtype}; give "
                "pictures as uint8 in [0, 255] and other observations as vectors"
            )
        boxes[name] = part
    return boxes


def is_picture(space: gym.Space[Any]) -> bool:
    """Whether a space is one of uint8 pictures."""
    return is_image_space(space)


def as_parts(observations: Any) -> dict[str, Any]:
    """Observations by part, also where there is only one."""
    return dict(observations) if isinstance(observations, Mapping) else {KEY: observations}


def row_of(observations: Any, i: int) -> dict[str, Any]:
    """Observation of one environment, by part."""
    return {name: part[i] for name, part in as_parts(observations).items()}


def module_key(name: str) -> str:
    """Name of a part's network: torch forbids points, and names that modules have already."""
    return "part_" + name.replace(".", "/")


class PictureNormalizer(nn.Module):
    """Pixel values 0 ... 255 to -0.5 ... 0.5, or, once fitted, to their differences from the
    demonstrations' mean picture in standard deviations: a decoder then need not learn the
    background, and what moves is of the size that networks learn best. Acting and training both go
    through here.

    :param shape: of a picture, channels first
    :param layout: of normalised pictures
    """

    def __init__(self, shape: tuple[int, ...], layout: Layout | None = None) -> None:
        super().__init__()
        self.layout = layout or PictureLayout()
        self.mean: th.Tensor
        self.std: th.Tensor
        self.register_buffer("mean", th.full(shape, 0.5))
        self.register_buffer("std", th.ones(()))

    def fit(self, pictures: np.ndarray) -> None:
        """Take the mean of ``pictures``, shape (n, *shape), uint8, and one standard deviation for
        all pixels.
        """
        scaled = pictures.astype(np.float32) / PIXEL_RANGE
        mean = scaled.mean(axis=0, dtype=np.float64)
        deviation = float(np.sqrt(np.mean((scaled - mean) ** 2)))
        self.mean.copy_(th.as_tensor(mean))
        self.std.fill_(max(deviation, 1.0 / PIXEL_RANGE))

    def forward(self, pictures: th.Tensor) -> th.Tensor:
        """Normalised pictures in the networks' layout, from pictures of shape (..., *shape)."""
        # in place: a batch of pictures is too large for the processor's cache
        scaled = self.layout.arrange(pictures).to(th.float32, copy=True).div_(PIXEL_RANGE)
        return scaled.sub_(self.layout.arrange(self.mean)).div_(self.std)

    def pixels(self, normalized: th.Tensor) -> th.Tensor:
        """The inverse, rounded and clipped, uint8."""
        scaled = self.layout.restore(normalized) * self.std + self.mean
        return (scaled * PIXEL_RANGE).round().clamp(0, PIXEL_RANGE).to(th.uint8)


class VectorNormalizer(nn.Module):
    """Vectors in standard deviations of the demonstrations.

    :param dim: number of entries
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mean: th.Tensor
        self.std: th.Tensor
        self.register_buffer("mean", th.zeros(dim))
        self.register_buffer("std", th.ones(dim))

    def fit(self, vectors: np.ndarray) -> None:
        """Take the moments of ``vectors``, shape (n, dim)."""
        std = vectors.std(axis=0)
        self.mean.copy_(th.as_tensor(vectors.mean(axis=0)))
        self.std.copy_(th.as_tensor(np.maximum(std, max(MIN_STD * std.max(), 1e-6))))

    def forward(self, vectors: th.Tensor) -> th.Tensor:
        """Normalised vectors, clipped; same shape."""
        normalized = (vectors.float() - self.mean) / self.std
        return normalized.clamp(-MAX_DEVIATION, MAX_DEVIATION)


class ObservationEncoder(nn.Module):
    """Embeds every part of an observation and joins the embeddings.

    :param space: observation space, pictures with channels first
    :param width: of the perceptrons that embed vectors
    :param pictures: how pictures are seen
    """

    def __init__(
        self,
        space: gym.Space[Any],
        width: int,
        pictures: PictureSettings,
    ) -> None:
        super().__init__()
        self.standardize_pictures = pictures.standardize
        parts = space_parts(space)
        self.names = tuple(parts)
        self.picture_names = frozenset(name for name, part in parts.items() if is_picture(part))
        self.nets, self.normalizers = nn.ModuleDict(), nn.ModuleDict()
        self.embed_dim = 0
        for name, part in parts.items():
            if name in self.picture_names:
                assert part.shape is not None
                shape = part.shape[0], part.shape[1], part.shape[2]
                net = pictures.encoder(shape)
                self.embed_dim += net.output_dim
                self.nets[module_key(name)] = net
                layout = pictures.layout(shape)
                self.normalizers[module_key(name)] = PictureNormalizer(shape, layout)
            else:
                self.nets[module_key(name)] = mlp(part.shape[0], width, N_VECTOR_LAYERS, width)
                self.normalizers[module_key(name)] = VectorNormalizer(part.shape[0])
                self.embed_dim += width

    def fit(self, episodes: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Take the scale of vectors, and of pictures where it is asked for, from demonstrations.

        :param episodes: observations by part, shape (length, *space)
        """
        for name in self.names:
            if self.standardize_pictures or name not in self.picture_names:
                values = np.concatenate([each[name] for each in episodes])
                self.normalizer(name).fit(values)

    def normalizer(self, name: str) -> PictureNormalizer | VectorNormalizer:
        """Of a part."""
        found = self.normalizers[module_key(name)]
        assert isinstance(found, (PictureNormalizer, VectorNormalizer))
        return found

    def likelihood_scales(self) -> dict[str, th.Tensor]:
        """By what an error of each part's normalised entries is multiplied in the likelihood: that
        of pictures is of pixel values from 0 to 1, whether they are standardised or not, that of
        vectors of what they are normalised to. Scalars.
        """
        stds = {name: self.normalizer(name).std for name in self.names}
        return {
            name: std if name in self.picture_names else std.new_ones(())
            for name, std in stds.items()
        }

    def normalize(self, observations: Observations) -> dict[str, th.Tensor]:
        """What the networks see and the decoder draws: vectors of the same shapes, pictures in the
        networks' layout.
        """
        return {name: self.normalizer(name)(observations[name]) for name in self.names}

    def forward(self, normalized: Mapping[str, th.Tensor]) -> th.Tensor:
        """Embeddings of shape (..., embed_dim) from what :meth:`normalize` gives."""
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
    """Draws every part of an observation from latent states: means of Gaussians, whose variance is
    1 in the units of :meth:`ObservationEncoder.likelihood_scales`.

    :param feat_dim: width of the features
    :param space: observation space, pictures with channels first
    :param width: of the perceptrons that draw vectors
    :param pictures: how pictures are drawn
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
        """Normalised observations, as of :meth:`ObservationEncoder.normalize`, from features of
        shape (..., feat_dim).
        """
        leading, flat = feat.shape[:-1], feat.flatten(0, -2)
        drawn = {name: self.nets[module_key(name)](flat) for name in self.names}
        return {name: values.unflatten(0, leading) for name, values in drawn.items()}
