"""Distributions of the stochastic part of a latent state: what a vector of statistics means."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch as th
from torch.nn import functional

MIN_STD = 0.1  # of a Gaussian latent, as in Dreamer


class Latent(ABC):
    """Is a family of distributions of ``stoch``, given by statistics that a network computes.

    :param dim: width of ``stoch``
    :param n_statistics: width of the statistics
    """

    def __init__(self, dim: int, n_statistics: int) -> None:
        self.dim, self.n_statistics = dim, n_statistics

    @abstractmethod
    def sample(self, statistics: th.Tensor) -> th.Tensor:
        """Sample a value through which gradients reach the statistics, shape (..., dim)."""

    @abstractmethod
    def mode(self, statistics: th.Tensor) -> th.Tensor:
        """Return the most probable value, shape (..., dim)."""

    @abstractmethod
    def kl(self, posterior: th.Tensor, prior: th.Tensor) -> th.Tensor:
        """Compute KL[posterior || prior] in nats, from two tensors of statistics, shape (...)."""


class GaussianLatent(Latent):
    """Is a diagonal Gaussian; the statistics are its means and softplus-inverse deviations.

    :param dim: number of variables
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, 2 * dim)

    @staticmethod
    def mean_and_std(statistics: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Return means and deviations, each of shape (..., dim)."""
        mean, raw = statistics.chunk(2, dim=-1)
        return mean, functional.softplus(raw) + MIN_STD

    def sample(self, statistics: th.Tensor) -> th.Tensor:
        """Sample mean + std * epsilon."""
        mean, std = self.mean_and_std(statistics)
        return mean + std * th.randn_like(mean)

    def mode(self, statistics: th.Tensor) -> th.Tensor:
        """Return the mean."""
        return self.mean_and_std(statistics)[0]

    def kl(self, posterior: th.Tensor, prior: th.Tensor) -> th.Tensor:
        """Compute the KL between two diagonal Gaussians, in closed form."""
        mean_q, std_q = self.mean_and_std(posterior)
        mean_p, std_p = self.mean_and_std(prior)
        ratio = std_q / std_p
        distance = (mean_q - mean_p) / std_p
        return 0.5 * (ratio.square() + distance.square() - 1.0 - 2.0 * ratio.log()).sum(dim=-1)


class CategoricalLatent(Latent):
    """Is a set of one-hot variables; the statistics are their logits. Samples carry
    straight-through gradients (DreamerV2).

    :param n_variables: number of variables
    :param n_classes: classes of each
    """

    def __init__(self, n_variables: int, n_classes: int) -> None:
        super().__init__(n_variables * n_classes, n_variables * n_classes)
        self.shape = (n_variables, n_classes)

    def _log_probs(self, statistics: th.Tensor) -> th.Tensor:
        return functional.log_softmax(statistics.unflatten(-1, self.shape), dim=-1)

    def sample(self, statistics: th.Tensor) -> th.Tensor:
        """Sample one-hot vectors, joined, by the Gumbel-max trick, with the probabilities'
        gradients.
        """
        log_probs = self._log_probs(statistics)
        gumbel = -(-th.rand_like(log_probs).clamp_min(1e-20).log()).log()
        chosen = functional.one_hot((log_probs + gumbel).argmax(dim=-1), self.shape[1])
        probs = log_probs.exp()
        return (chosen.to(probs.dtype) + (probs - probs.detach())).flatten(-2)

    def mode(self, statistics: th.Tensor) -> th.Tensor:
        """Return the likeliest class of each variable, one-hot."""
        chosen = self._log_probs(statistics).argmax(dim=-1)
        return functional.one_hot(chosen, self.shape[1]).to(statistics.dtype).flatten(-2)

    def kl(self, posterior: th.Tensor, prior: th.Tensor) -> th.Tensor:
        """Sum the variables' divergences."""
        log_q, log_p = self._log_probs(posterior), self._log_probs(prior)
        return (log_q.exp() * (log_q - log_p)).sum(dim=(-2, -1))
