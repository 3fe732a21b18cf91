"""What is seen, as tensors: of observations, of transitions, and by a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch as th


class Seen(NamedTuple):
    """What is seen of a batch of observations, as it is stored.

    :param vectors: shape (batch, vector_dim); without columns where no vector is seen
    :param pictures: uint8, shape (batch, channels, height, width); without channels where no
        picture is seen
    """

    vectors: th.Tensor
    pictures: th.Tensor

    @staticmethod
    def of(vectors: th.Tensor | None = None, pictures: th.Tensor | None = None) -> Seen:
        """Fill in what is not seen.

        :param vectors: as above; None for no vector
        :param pictures: as above; None for no picture
        """
        given = vectors if vectors is not None else pictures
        assert given is not None
        if vectors is None:
            vectors = th.zeros((len(given), 0), device=given.device)
        if pictures is None:
            shape = (len(given), 0, 0, 0)
            pictures = th.zeros(shape, dtype=th.uint8, device=given.device)
        return Seen(vectors, pictures)

    @staticmethod
    def nothing(n: int, device: th.device) -> Seen:
        """Give n observations of which nothing is seen."""
        return Seen.of(th.zeros((n, 0), device=device))

    def rows(self, indices: th.Tensor) -> Seen:
        """Give the chosen rows."""
        return Seen(self.vectors[indices], self.pictures[indices])


class Inputs(NamedTuple):
    """What a network sees: normalised vectors and scaled pictures, single precision.

    :param vectors: shape (batch, vector_dim); without columns where no vector is seen
    :param pictures: in [-1/2, 1/2], shape (batch, channels, height, width); None where no picture
        is seen
    """

    vectors: th.Tensor
    pictures: th.Tensor | None = None

    def present(self) -> tuple[th.Tensor, ...]:
        """Give those of both that hold something."""
        vectors = (self.vectors,) if self.vectors.shape[1] else ()
        return vectors if self.pictures is None else (*vectors, self.pictures)

    def map(self, function: Callable[[th.Tensor], th.Tensor]) -> Inputs:
        """Apply a function to those of both that hold something."""
        return Inputs(
            function(self.vectors) if self.vectors.shape[1] else self.vectors,
            None if self.pictures is None else function(self.pictures),
        )

    @staticmethod
    def side_by_side(several: Sequence[Inputs]) -> Inputs:
        """Put vectors side by side and stack the channels of pictures."""
        pictures = [each.pictures for each in several if each.pictures is not None]
        return Inputs(
            th.cat([each.vectors for each in several], dim=1),
            th.cat(pictures, dim=1) if pictures else None,
        )

    @staticmethod
    def behind_each_other(several: Sequence[Inputs]) -> Inputs:
        """Put the rows of batches behind each other."""
        pictures = [each.pictures for each in several if each.pictures is not None]
        return Inputs(
            th.cat([each.vectors for each in several]), th.cat(pictures) if pictures else None
        )


class EncodedTransitions(NamedTuple):
    """Transitions as tensors on a discriminator's device.

    :param observations: what is seen of them
    :param actions: shape (batch, action_dim); without columns where they are not seen
    :param next_observations: what is seen of them
    :param terminated: 0 or 1, shape (batch,)
    :param log_probs: log-density of the actions under the policy, shape (batch,); zeros where it is
        not used
    """

    observations: Seen
    actions: th.Tensor
    next_observations: Seen
    terminated: th.Tensor
    log_probs: th.Tensor

    def rows(self, indices: th.Tensor) -> EncodedTransitions:
        """Give the chosen rows."""
        return EncodedTransitions(
            self.observations.rows(indices),
            self.actions[indices],
            self.next_observations.rows(indices),
            self.terminated[indices],
            self.log_probs[indices],
        )

    @property
    def has_pictures(self) -> bool:
        """Whether pictures are seen."""
        return bool(self.observations.pictures.shape[1] or self.next_observations.pictures.shape[1])

    def tensors(self) -> list[th.Tensor]:
        """Give all tensors in order; :meth:`of_tensors` is the inverse."""
        return [
            *self.observations,
            self.actions,
            *self.next_observations,
            self.terminated,
            self.log_probs,
        ]

    @staticmethod
    def of_tensors(tensors: Sequence[th.Tensor]) -> EncodedTransitions:
        """Rebuild transitions from :meth:`tensors`."""
        vectors, pictures, actions, next_vectors, next_pictures, terminated, log_probs = tensors
        return EncodedTransitions(
            Seen(vectors, pictures),
            actions,
            Seen(next_vectors, next_pictures),
            terminated,
            log_probs,
        )
