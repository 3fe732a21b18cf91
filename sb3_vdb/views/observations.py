"""Views of one observation: chosen parts and columns of vectors, pictures, and several of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import (
    is_image_space,
    is_image_space_channels_first,
    preprocess_obs,
)

from sb3_vdb.networks.normalizers import Bounds, Normalizer, box_bounds, make_normalizer
from sb3_vdb.transitions import Array, Observations
from sb3_vdb.views.seen import Seen

Space = spaces.Space[Any]
FLAT = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


class ObservationView(ABC):
    """What is seen of an observation. A subclass is a frozen dataclass whose fields are plain
    values, arrays or other views, so that files can describe it.

    ``expert_is_zero`` tells that every demonstrated step looks the same: no difference.
    """

    expert_is_zero: ClassVar[bool] = False

    @abstractmethod
    def encode(self, observations: Observations, space: Space, device: th.device) -> Seen:
        """Turn raw observations into tensors.

        :param observations: shape (batch, ...), or one such array a part of a Dict space
        :param space: observation space of the environment
        :param device: where the tensors go
        :raises ValueError: there is no such view of the space, naming part and remedy
        """

    def keys(self, space: Space) -> tuple[str, ...] | None:
        """Name the parts of a Dict space that are looked at, which demonstrations need; None where
        the space is no Dict. By default all of them.
        """
        return tuple(space.spaces) if isinstance(space, spaces.Dict) else None

    def probe(self, space: Space) -> Seen:
        """Encode one observation of zeros, for its shapes.

        :raises ValueError: there is no such view of the space
        """
        return self.encode(zero_observation(space), space, th.device("cpu"))

    def bounds(self, space: Space) -> Bounds | None:
        """Give low and high of each entry of the vector; None where they are not known."""
        return None

    def raw_entries(self, space: Space) -> th.Tensor:
        """Mark the entries of the vector that no normaliser may change, bool, shape
        (vector_dim,).
        """
        return th.zeros(self.probe(space).vectors.shape[1], dtype=th.bool)

    def centred_entries(self, space: Space) -> th.Tensor:
        """Mark the entries of the vector whose zero is to stay zero: their mean is not subtracted;
        bool, shape (vector_dim,).
        """
        return th.zeros(self.probe(space).vectors.shape[1], dtype=th.bool)

    def pixel_gradients(self, vectors: th.Tensor, space: Space) -> th.Tensor | None:
        """Bring gradients back to the pixels that the vector was computed from.

        :param vectors: gradients by the entries of the vector, shape (batch, vector_dim)
        :param space: observation space
        :return: shape (batch, channels, height, width); None where no pixels are in it
        """
        return None

    def make_normalizer(self, kind: str, space: Space) -> Normalizer:
        """Make the normaliser of the vector.

        :param kind: ``"running"``, ``"bounds"`` or ``"none"``
        :param space: observation space
        :raises ValueError: the kind is unknown, or needs bounds that are not finite
        """
        raw, centred = self.raw_entries(space), self.centred_entries(space)
        return make_normalizer(
            kind,
            len(raw),
            self.bounds(space),
            raw if raw.any() else None,
            centred if centred.any() else None,
        )


@dataclass(frozen=True)
class Vector(ObservationView):
    """Sees numbers: a Box flattened, discrete spaces one-hot.

    :param key: part of a Dict space; None where the space is no Dict
    :param columns: entries of the flattened part that are seen; None for all
    :param normalize: whether they are normalised; a phase, say, stays as it is
    :param centred: whether their zero stays zero: the mean is not subtracted
    """

    key: str | None = None
    columns: tuple[int, ...] | None = None
    normalize: bool = True
    centred: bool = False

    def encode(self, observations: Observations, space: Space, device: th.device) -> Seen:
        """See the chosen columns; see :meth:`ObservationView.encode`."""
        values, part = select(observations, space, self.key)
        check_flat(part, "observation")
        flat = flatten(values, part, device)
        if self.columns is None:
            return Seen.of(flat)
        return Seen.of(flat[:, list(self._checked_columns(flat.shape[1]))].contiguous())

    def _checked_columns(self, dim: int) -> tuple[int, ...]:
        assert self.columns is not None
        wrong = [column for column in self.columns if not -dim <= column < dim]
        if wrong or not self.columns:
            of = "the observation" if self.key is None else f"observation {self.key!r}"
            raise ValueError(
                f"`columns` {list(self.columns)} are not of {of}, which has {dim} entries; choose "
                f"from 0 to {dim - 1}"
            )
        return tuple(self.columns)

    def keys(self, space: Space) -> tuple[str, ...] | None:
        """Name the part, of a Dict space."""
        return None if self.key is None else (self.key,)

    def bounds(self, space: Space) -> Bounds | None:
        """Give the bounds of a Box's entries."""
        part = select_space(space, self.key)
        if not isinstance(part, spaces.Box):
            return None
        low, high = box_bounds(part)
        if self.columns is None:
            return low, high
        chosen = list(self.columns)
        return low[chosen], high[chosen]

    def raw_entries(self, space: Space) -> th.Tensor:
        """Mark all entries, or none."""
        return th.full((self.probe(space).vectors.shape[1],), not self.normalize)

    def centred_entries(self, space: Space) -> th.Tensor:
        """Mark all entries, or none."""
        return th.full((self.probe(space).vectors.shape[1],), self.centred)


@dataclass(frozen=True)
class Picture(ObservationView):
    """Sees a picture, kept as uint8 with channels first.

    :param key: part of a Dict space; None where the space is no Dict
    """

    key: str | None = None

    def encode(self, observations: Observations, space: Space, device: th.device) -> Seen:
        """See the picture; see :meth:`ObservationView.encode`."""
        values, part = select(observations, space, self.key)
        if not is_image_space(part):
            of = "the observation" if self.key is None else f"observation {self.key!r}"
            raise ValueError(
                f"{of} is {part}, no picture (uint8 in [0, 255], three axes); see it with Vector()"
            )
        pictures = np.asarray(values)
        if not is_image_space_channels_first(part):  # type: ignore[arg-type]
            pictures = np.moveaxis(pictures, -1, 1)
        return Seen.of(pictures=th.as_tensor(np.ascontiguousarray(pictures), device=device))

    def keys(self, space: Space) -> tuple[str, ...] | None:
        """Name the part, of a Dict space."""
        return None if self.key is None else (self.key,)


@dataclass(frozen=True)
class Join(ObservationView):
    """Sees what several views see: vectors side by side, pictures of one size with their channels
    stacked.

    :param views: at least one
    """

    views: tuple[ObservationView, ...]

    def __post_init__(self) -> None:
        if not self.views or not all(isinstance(each, ObservationView) for each in self.views):
            raise ValueError(f"`views` must be a tuple of views of observations, got {self.views}")

    def encode(self, observations: Observations, space: Space, device: th.device) -> Seen:
        """See all of them; see :meth:`ObservationView.encode`."""
        several = [each.encode(observations, space, device) for each in self.views]
        pictures = [each.pictures for each in several if each.pictures.shape[1]]
        sizes = {tuple(each.shape[2:]) for each in pictures}
        if len(sizes) > 1:
            raise ValueError(
                f"pictures of {' and '.join(map(str, sorted(sizes)))} pixels cannot be stacked; "
                "resize them in the environment, or see one of them"
            )
        vectors = th.cat([each.vectors for each in several], dim=1)
        return Seen.of(vectors, th.cat(pictures, dim=1) if pictures else None)

    def keys(self, space: Space) -> tuple[str, ...] | None:
        """Name the parts that any of them looks at."""
        if not isinstance(space, spaces.Dict):
            return None
        return tuple(dict.fromkeys(key for each in self.views for key in each.keys(space) or ()))

    def bounds(self, space: Space) -> Bounds | None:
        """Give the bounds of all entries; None where one of them has none."""
        seeing = [each for each in self.views if each.probe(space).vectors.shape[1]]
        bounds = [each.bounds(space) for each in seeing]
        known = [each for each in bounds if each is not None]
        if not known or len(known) < len(bounds):
            return None
        return th.cat([low for low, _ in known]), th.cat([high for _, high in known])

    def pixel_gradients(self, vectors: th.Tensor, space: Space) -> th.Tensor | None:
        """Bring gradients back to the pixels; channels of several pictures are stacked."""
        sizes = [each.probe(space).vectors.shape[1] for each in self.views]
        parts = zip(self.views, vectors.split(sizes, dim=1), strict=True)
        pixels = [each.pixel_gradients(part, space) for each, part in parts]
        known = [each for each in pixels if each is not None]
        return th.cat(known, dim=1) if known else None

    def raw_entries(self, space: Space) -> th.Tensor:
        """Mark the entries that any of them marks."""
        return th.cat([each.raw_entries(space) for each in self.views])

    def centred_entries(self, space: Space) -> th.Tensor:
        """Mark the entries that any of them marks."""
        return th.cat([each.centred_entries(space) for each in self.views])


def default_view(space: Space) -> ObservationView:
    """See a whole observation that is one picture or one vector.

    :raises ValueError: the space has parts, among which somebody has to choose
    """
    if isinstance(space, spaces.Dict):
        views = ", ".join(
            f"{'Picture' if is_image_space(part) else 'Vector'}({name!r})"
            for name, part in space.spaces.items()
        )
        raise ValueError(
            f"the observations have parts {', '.join(space.spaces)}; say which ones the "
            "discriminator sees: discriminator_kwargs=dict(view=View(...)) with one of "
            f"{views}, or several in Join((...)), from sb3_vdb.views"
        )
    return Picture() if is_image_space(space) else Vector()


def select_space(space: Space, key: str | None) -> Space:
    """Give a part of a Dict space, or the space itself.

    :raises ValueError: there is no such part
    """
    if isinstance(space, spaces.Dict):
        if key not in space.spaces:
            raise ValueError(
                f"the observations have parts {', '.join(space.spaces)}, and the view looks at "
                f"{key!r}; name one of them with `key`"
            )
        return space[key]
    if key is not None:
        raise ValueError(f"the view looks at part {key!r}, but the observations {space} have none")
    return space


def select(observations: Observations, space: Space, key: str | None) -> tuple[Array, Space]:
    """Give a part of observations, and its space.

    :raises ValueError: there is no such part
    """
    part = select_space(space, key)
    if not isinstance(observations, Mapping):
        return np.asarray(observations), part
    if key not in observations:
        raise ValueError(
            f"the view looks at part {key!r}, the observations given have {', '.join(observations)}"
        )
    return np.asarray(observations[key]), part


def check_flat(space: Space, noun: str) -> None:
    """Refuse a space whose elements are no vectors.

    :raises ValueError: naming the space and the remedy
    """
    if not isinstance(space, FLAT):
        raise ValueError(
            f"{noun} space {space} cannot be flattened for a discriminator; it must be a Box, "
            "Discrete, MultiDiscrete or MultiBinary space, or a Dict of such (for Tuple "
            "observations: gymnasium.wrappers.FlattenObservation)"
        )
    if is_image_space(space):
        raise ValueError(
            f"{noun} space {space} is an image, which Vector() does not see; use "
            "discriminator_kwargs=dict(view=View(Picture()), trunk_class=ConvTrunk)"
        )
    check_starts(space, noun)


def check_starts(space: Space, noun: str) -> None:
    """Refuse a discrete space whose numbers do not start at 0, or a Dict with such a part.

    :param space: of observations or actions
    :param noun: ``"observation"`` or ``"action"``, for the message
    :raises ValueError: naming the space and the remedy
    """
    for part in space.spaces.values() if isinstance(space, spaces.Dict) else (space,):
        if isinstance(part, (spaces.Discrete, spaces.MultiDiscrete)) and np.any(part.start):
            does = "adds" if noun == "action" else "subtracts"
            raise ValueError(
                f"{noun} space {space} has numbers that do not start at 0, and SB3's policies "
                f"count from 0; wrap the environment in a gymnasium.{noun.capitalize()}Wrapper "
                f"that has a space without `start` and {does} it, and subtract it from the "
                f"demonstrations' {noun}s"
            )


def flatten(values: Array, space: Space, device: th.device) -> th.Tensor:
    """Encode elements of a flat space as rows in single precision.

    float64 data is rounded here, once, for expert and generator alike; rows lie in memory one after
    the other, whatever the environment's layout, since sums round by it.

    :param values: shape (batch, ...)
    :param space: of which they are elements
    :param device: where the rows go
    """
    shaped = th.as_tensor(values, device=device).reshape(len(values), *(space.shape or ()))
    encoded = preprocess_obs(shaped, space)  # type: ignore[misc]
    assert isinstance(encoded, th.Tensor)
    return encoded.float().reshape(len(values), -1).contiguous()


def zero_observation(space: Space) -> Observations:
    """Make one observation of zeros, shape (1, ...)."""
    if isinstance(space, spaces.Dict):
        return {name: zero_observation(part) for name, part in space.spaces.items()}
    return np.zeros((1, *(space.shape or ())), dtype=space.dtype)
