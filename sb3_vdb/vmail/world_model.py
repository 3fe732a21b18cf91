"""The variational world model: encoder, latent dynamics, decoder, and the bound they maximise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import torch as th
from torch import nn
from torch.nn import functional

from sb3_vdb.networks import ObservationDecoder, ObservationEncoder, Observations, PictureSettings
from sb3_vdb.vmail.latents import Latent
from sb3_vdb.vmail.rssm import RSSM, Belief, State


class ModelLoss(NamedTuple):
    """Terms of the negative bound of eq. 7; scalars, of which the sum is minimised.

    :param reconstruction: -E[log U(x_t | z_t)], without its constant
    :param kl: what is paid for E[KL[q || T]]
    :param divergence: E[KL[q || T]] itself in nats, detached; no part of the sum
    """

    reconstruction: th.Tensor
    kl: th.Tensor
    divergence: th.Tensor

    def total(self) -> th.Tensor:
        """Return the sum of the terms."""
        return self.reconstruction + self.kl


def reconstruction_loss(
    decoded: Mapping[str, th.Tensor],
    normalized: Mapping[str, th.Tensor],
    scales: Mapping[str, th.Tensor],
) -> th.Tensor:
    """Compute -log U(x | z) of Gaussians with variance 1, without its constant: half the squared
    error, summed over an observation's entries and averaged over time and batch.

    :param decoded: means, shape (time, batch, ...) a part
    :param normalized: observations, same shapes
    :param scales: of a part's errors, see
        :meth:`~sb3_vdb.networks.ObservationEncoder.likelihood_scales`
    """
    errors = [
        # one pass over the pictures, which are larger than a processor's cache
        scales[name] ** 2
        * functional.mse_loss(mean, normalized[name], reduction="sum")
        / mean.shape[:2].numel()
        for name, mean in decoded.items()
    ]
    return 0.5 * th.stack(errors).sum()


def kl_loss(
    latent: Latent,
    belief: Belief,
    free_nats: float,
    balance: float | None,
) -> tuple[th.Tensor, th.Tensor]:
    """Compute what is paid for the divergence of the belief from the forward model (eq. 7), and the
    mean divergence in nats, detached.

    :param latent: family of the distributions
    :param belief: beliefs along sequences
    :param free_nats: mean divergence below which nothing is gained
    :param balance: share of the gradient that goes to the forward model, DreamerV2's 0.8; None for
        the plain divergence
    """
    if balance is None:
        divergence = latent.kl(belief.posterior, belief.prior).mean()
        return divergence.clamp_min(free_nats), divergence.detach()
    to_prior = latent.kl(belief.posterior.detach(), belief.prior).mean()
    to_posterior = latent.kl(belief.posterior, belief.prior.detach()).mean()
    paid = balance * to_prior.clamp_min(free_nats)
    paid = paid + (1.0 - balance) * to_posterior.clamp_min(free_nats)
    return paid, to_prior.detach()


class WorldModel(nn.Module):
    """Has q(z_t | x_t, z_{t-1}, a_{t-1}), T(z_t | z_{t-1}, a_{t-1}) and U(x_t | z_t) (section 3.3).

    :param observation_space: pictures with channels first
    :param action_dim: number of action dimensions
    :param latent: distribution of the stochastic part
    :param deter_dim: width of the deterministic part
    :param hidden_dim: width of the layers around the GRU
    :param units: width of the perceptrons for vectors
    :param pictures: how pictures are encoded and decoded
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_dim: int,
        latent: Latent,
        deter_dim: int,
        hidden_dim: int,
        units: int,
        pictures: PictureSettings,
    ) -> None:
        super().__init__()
        self.encoder = ObservationEncoder(observation_space, units, pictures)
        self.rssm = RSSM(self.encoder.embed_dim, action_dim, latent, deter_dim, hidden_dim)
        self.decoder = ObservationDecoder(self.feat_dim, observation_space, units, pictures)

    @property
    def feat_dim(self) -> int:
        """Return the width of the features of a state."""
        return self.rssm.feat_dim

    def embed(self, observations: Observations) -> th.Tensor:
        """Embed raw observations, shape (..., embed_dim)."""
        return self.encoder(self.encoder.normalize(observations))

    def observe(
        self, observations: Observations, actions: th.Tensor, sample: bool = True
    ) -> Belief:
        """Infer beliefs along sequences of raw observations.

        :param observations: shape ``(time, batch, *space)`` a part
        :param actions: ``actions[t]`` led to observation t, shape (time, batch, action_dim)
        :param sample: sample ``stoch``, or take its mode
        """
        return self.rssm.observe(self.embed(observations), actions, sample=sample)

    def decode(self, state: State) -> dict[str, th.Tensor]:
        """Compute the normalised observations that a state shows, as of the encoder's
        ``normalize``.
        """
        return self.decoder(state.feat)
