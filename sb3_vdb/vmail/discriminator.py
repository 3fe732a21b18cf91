"""The discriminator of latent states and actions, and its loss (eqs. 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch as th
from torch import nn

from sb3_vdb.discriminators.unit import CodeUnit
from sb3_vdb.networks.trunks import DenseTrunk
from sb3_vdb.vdb import DiscriminatorLoss, discriminator_loss, gradient_penalty

GradientPenalty = Literal["one_centered", "one_centered_weights"]
GRADIENT_PENALTIES: tuple[GradientPenalty, ...] = get_args(GradientPenalty)


class LatentDiscriminator(nn.Module):
    """Judges D(z, a), with the variational bottleneck as an option.

    :param feat_dim: width of the features of a state
    :param action_dim: number of action dimensions
    :param net_arch: widths of the hidden layers
    :param code_dim: dimension of the bottleneck's code; None for no bottleneck
    """

    def __init__(
        self, feat_dim: int, action_dim: int, net_arch: Sequence[int], code_dim: int | None
    ) -> None:
        super().__init__()
        self.unit = CodeUnit(DenseTrunk((feat_dim + action_dim,), net_arch, nn.ELU), code_dim)

    def forward(self, inputs: th.Tensor, sample: bool = False) -> tuple[th.Tensor, th.Tensor]:
        """Compute logits, high for expert samples, and divergences of the codes in nats, each of
        shape (batch,).

        :param inputs: features and actions side by side, shape (batch, feat_dim + action_dim)
        :param sample: sample the codes, as in training, or take their means, as in rewards
        """
        return self.unit(inputs, sample)

    def logits(self, feat: th.Tensor, actions: th.Tensor) -> th.Tensor:
        """Compute logits at the mean codes, high for expert samples, shape (...).

        :param feat: shape (..., feat_dim)
        :param actions: shape (..., action_dim), in [-1, 1]
        """
        inputs = th.cat([feat, actions], dim=-1)
        return self(inputs.flatten(0, -2))[0].unflatten(0, inputs.shape[:-1])


class DiscriminatorOutput(NamedTuple):
    """Loss and figures of the discriminator.

    :param loss: terms, the generator's on imagined states
    :param logits_expert: detached, shape (n_expert,)
    :param logits_generator: detached, shape (n_generator,)
    :param kl: divergences of an equal mix of expert and policy, detached; scalar mean in nats
    """

    loss: DiscriminatorLoss
    logits_expert: th.Tensor
    logits_generator: th.Tensor
    kl: th.Tensor


def interpolate(expert: th.Tensor, generator: th.Tensor) -> th.Tensor:
    """Choose points on the lines between expert samples and random ones of the policy, shape of
    ``expert``.
    """
    chosen = generator[th.randint(len(generator), (len(expert),), device=expert.device)]
    return th.lerp(chosen, expert, th.rand_like(expert[:, :1]))


def latent_penalty(
    discriminator: LatentDiscriminator, points: th.Tensor, kind: GradientPenalty
) -> th.Tensor:
    """Compute how far gradients of the discriminator are from norm 1, differentiable.

    :param discriminator: what is penalised
    :param points: inputs, shape (batch, ...)
    :param kind: name of the formula in ``sb3_vdb.vdb.penalties``
    """
    points = points.detach().requires_grad_(kind == "one_centered")
    logits = discriminator(points, sample=True)[0]
    inputs = [points] if kind == "one_centered" else list(discriminator.parameters())
    return gradient_penalty([logits], inputs, kind)


def latent_discriminator_loss(
    discriminator: LatentDiscriminator,
    expert: th.Tensor,
    generator: th.Tensor,
    penalty: GradientPenalty | None,
    penalty_coef: float,
    beta: th.Tensor | float,
    information_limit: float | None,
) -> DiscriminatorOutput:
    """Compute the cross-entropy of eqs. 5 and 6, with the bottleneck's constraint and a gradient
    penalty.

    :param discriminator: what learns
    :param expert: belief states and actions of the expert, detached, shape (n_expert, ...)
    :param generator: imagined states and actions, detached, shape (n_generator, ...)
    :param penalty: kind of the gradient penalty; None for none
    :param penalty_coef: its weight
    :param beta: dual variable of the bottleneck
    :param information_limit: I_c in nats; None for no bottleneck
    """
    logits, kl = discriminator(th.cat([expert, generator]), sample=True)
    logits_expert, logits_generator = logits.split([len(expert), len(generator)])
    kl_expert, kl_generator = kl.split([len(expert), len(generator)])
    mixed_kl = 0.5 * (kl_expert.mean() + kl_generator.mean())
    weighted = None
    if penalty is not None:
        points = interpolate(expert, generator)
        weighted = penalty_coef * latent_penalty(discriminator, points, penalty)
    loss = discriminator_loss(
        logits_expert,
        logits_generator,
        kl=mixed_kl,
        beta=beta,
        information_limit=information_limit,
        gradient_penalty=weighted,
    )
    return DiscriminatorOutput(
        loss, logits_expert.detach(), logits_generator.detach(), mixed_kl.detach()
    )
