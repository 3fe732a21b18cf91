"""V-MAIL's four losses in the order of Algorithm 1: world model (eq. 7, line 13), discriminator
(eq. 6, line 18), policy (eq. 8, line 19) and the value that eq. 8 ends with.

Each equation is a function of tensors. :class:`~sb3_vdb.vmail.vmail_losses.VMAILLosses` goes
through lines 12 to 19 with them, :class:`~sb3_vdb.vmail.vdac_losses.VDACLosses` through VDAC's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch as th

from sb3_vdb.rewards import LOGIT_REWARDS
from sb3_vdb.vmail.actor_critic import Actor, TanhNormal
from sb3_vdb.vmail.discriminator import (
    DiscriminatorOutput,
    GradientPenalty,
    LatentDiscriminator,
    latent_discriminator_loss,
)
from sb3_vdb.vmail.imagination import Imagined, random_indices
from sb3_vdb.vmail.metrics import PolicyFigures, UpdateMetrics
from sb3_vdb.vmail.returns import discounted_sum, lambda_returns
from sb3_vdb.vmail.rssm import Belief
from sb3_vdb.vmail.world_model import ModelLoss, WorldModel, kl_loss, reconstruction_loss

Returns = Literal["lambda", "sum"]


class LossSettings(NamedTuple):
    """What the losses depend on, weights and samples excepted; :class:`sb3_vdb.VMAIL` has arguments
    of the same names and explains them.
    """

    kl_coef: float
    free_nats: float
    kl_balance: float | None
    burn_in: int
    n_reconstructed: int | None
    horizon: int
    n_imagined: int | None
    gamma: float
    returns: Returns
    td_lambda: float
    drop_last_reward: bool
    values_of_next_states: bool
    reward_type: str
    ent_coef: float
    bc_coef: float
    gradient_penalty: GradientPenalty | None
    gradient_penalty_coef: float
    information_limit: float | None


class Losses(NamedTuple):
    """The losses of an update with their terms, and figures that are reported.

    :param model: negative bound of eq. 7
    :param discriminator: eq. 6
    :param actor: negative objective of eq. 8, scalar
    :param value: regression on the returns, scalar
    :param figures: what is reported of actor and value
    """

    model: ModelLoss
    discriminator: DiscriminatorOutput
    actor: th.Tensor
    value: th.Tensor
    figures: PolicyFigures

    def by_network(self) -> tuple[th.Tensor, th.Tensor, th.Tensor, th.Tensor]:
        """Return the losses of model, discriminator, actor and value; scalars with gradients."""
        return self.model.total(), self.discriminator.loss.total(), self.actor, self.value

    def metrics(self) -> UpdateMetrics:
        """Return all figures, detached."""
        terms, output = self.discriminator.loss, self.discriminator
        metrics = UpdateMetrics(
            model_loss=self.model.total(),
            reconstruction=self.model.reconstruction,
            belief_kl=self.model.divergence,
            discriminator_loss=terms.total(),
            loss_expert=terms.expert,
            loss_generator=terms.generator,
            loss_bottleneck=terms.bottleneck,
            gradient_penalty=terms.gradient_penalty,
            accuracy_expert=(output.logits_expert > 0.0).float().mean(),
            accuracy_generator=(output.logits_generator < 0.0).float().mean(),
            code_kl=output.kl,
            actor_loss=self.actor,
            value_loss=self.value,
            **self.figures._asdict(),
        )
        return UpdateMetrics(*(each.detach() for each in metrics))


# ---------------------------------------------------------------------- world model, eq. 7


def world_model_loss(
    model: WorldModel,
    belief: Belief,
    normalized: Mapping[str, th.Tensor],
    settings: LossSettings,
) -> ModelLoss:
    """Compute the negative bound of eq. 7, sum_t -log U(x_t | z_t) + KL[q || T], on a batch.

    :param model: world model
    :param belief: posterior states of the batch and both distributions, shape (time, batch, ...)
    :param normalized: observations of the batch, shape (time, batch, ...) a part
    :param settings: ``kl_coef``, ``free_nats``, ``kl_balance``, ``n_reconstructed``
    """
    paid, divergence = kl_loss(model.rssm.latent, belief, settings.free_nats, settings.kl_balance)
    states = belief.state
    n, n_all = settings.n_reconstructed, states.deter.shape[:2].numel()
    if n is not None and n < n_all:
        chosen = random_indices(n, n_all, states.deter.device)
        states = states.map(lambda part: part.flatten(0, 1)[chosen].unsqueeze(1))
        normalized = {
            name: part.flatten(0, 1)[chosen].unsqueeze(1) for name, part in normalized.items()
        }
    reconstruction = reconstruction_loss(
        model.decode(states), normalized, model.encoder.likelihood_scales()
    )
    return ModelLoss(reconstruction, settings.kl_coef * paid, divergence)


# ---------------------------------------------------------------------- discriminator, eq. 6


def adversarial_loss(
    discriminator: LatentDiscriminator,
    expert_pairs: th.Tensor,
    policy_pairs: th.Tensor,
    beta: th.Tensor,
    settings: LossSettings,
) -> DiscriminatorOutput:
    """Compute eq. 6, E_expert[-log D(z, a)] + E_policy[-log(1 - D(z, a))], with the bottleneck's
    constraint and the gradient penalty; see
    :func:`~sb3_vdb.vmail.discriminator.latent_discriminator_loss`.

    :param discriminator: D
    :param expert_pairs: states and actions of the expert, shape (time, batch, feat_dim +
        action_dim)
    :param policy_pairs: states and actions of the policy, shape (time, batch, feat_dim +
        action_dim)
    :param beta: dual variable of the bottleneck, scalar
    :param settings: ``gradient_penalty``, ``gradient_penalty_coef``, ``information_limit``
    """
    return latent_discriminator_loss(
        discriminator,
        expert_pairs.detach().flatten(0, 1),
        policy_pairs.detach().flatten(0, 1),
        settings.gradient_penalty,
        settings.gradient_penalty_coef,
        beta,
        settings.information_limit,
    )


# ---------------------------------------------------------------------- policy, eq. 8


class PolicyReturns(NamedTuple):
    """Value of the policy in imagined states.

    :param rewards: log D(z, a) or another reward, shape (horizon, batch)
    :param returns: V^K of eq. 8 of every state whose reward counts, with gradients, shape (n,
        batch)
    """

    rewards: th.Tensor
    returns: th.Tensor


def policy_returns(
    imagined: Imagined,
    discriminator: LatentDiscriminator,
    value: th.nn.Module,
    settings: LossSettings,
) -> PolicyReturns:
    """Compute eq. 8, V^K(z_t) = sum_{tau=t}^{t+K-1} gamma^(tau-t) log D(z_tau, a_tau) + gamma^K
    V(z_{t+K}), along rollouts; what the policy maximises by gradients through the forward model.

    ``td_lambda=1`` and ``reward_type="log_d"`` are eq. 8 itself, smaller values of ``td_lambda``
    average it over K; ``returns="sum"`` is the authors' code, without a value at the end.

    :param imagined: rollouts
    :param discriminator: D, at its mean codes
    :param value: V, here its slow copy
    :param settings: ``reward_type``, ``returns``, ``gamma``, ``td_lambda``, ``drop_last_reward``,
        ``values_of_next_states``
    """
    logits = discriminator.logits(imagined.states.feat[:-1], imagined.actions)
    rewards = LOGIT_REWARDS[settings.reward_type](logits)
    drops_last = settings.drop_last_reward or settings.values_of_next_states
    counted = rewards[:-1] if drops_last else rewards
    if settings.returns == "sum":
        return PolicyReturns(rewards, discounted_sum(counted, settings.gamma))
    values = value(valued_features(imagined, len(counted), settings))
    return PolicyReturns(
        rewards, lambda_returns(counted, values, settings.gamma, settings.td_lambda)
    )


def valued_features(imagined: Imagined, n_returns: int, settings: LossSettings) -> th.Tensor:
    """Return features of the states whose values belong to the returns, and of the one after them,
    shape (n_returns + 1, batch, feat_dim).

    :param imagined: rollouts
    :param n_returns: number of returns along a rollout
    :param settings: ``values_of_next_states``
    """
    first = 1 if settings.values_of_next_states else 0
    return imagined.states.feat[first : first + n_returns + 1]


def policy_loss(
    objective: th.Tensor, entropy: th.Tensor, cloning: th.Tensor, settings: LossSettings
) -> th.Tensor:
    """Compute the actor's loss: the negative objective, with the entropy's bonus and the price of
    acting unlike the expert, neither of which the paper has. Scalar.

    :param objective: mean of eq. 8, scalar
    :param entropy: entropy of the policy in nats, scalar
    :param cloning: of :func:`cloning_loss`, scalar
    :param settings: ``ent_coef``, ``bc_coef``
    """
    return settings.bc_coef * cloning - objective - settings.ent_coef * entropy


def policy_entropy(distribution: TanhNormal) -> tuple[th.Tensor, th.Tensor]:
    """Estimate the entropy of the policy in nats from one action a state, and return it with the
    mean deviation before tanh, detached; scalars.

    :param distribution: of the actions
    """
    entropy = -distribution.sample_with_log_prob()[1].mean()
    return entropy, distribution.std.mean().detach()


def cloning_loss(actor: Actor, feat: th.Tensor, actions: th.Tensor) -> th.Tensor:
    """Compute the mean squared difference between the policy's deterministic actions and the
    expert's, in the expert's states; scalar.

    :param actor: policy
    :param feat: features of the expert's states, shape (..., feat_dim)
    :param actions: actions of the expert in those, shape (..., action_dim)
    """
    return (actor(feat).mode() - actions).square().mean()


# ---------------------------------------------------------------------- value of eq. 8


def value_loss(values: th.Tensor, returns: th.Tensor, weights: th.Tensor) -> th.Tensor:
    """Compute half the mean squared error of V(z), which eq. 8 ends with, as a regression on the
    returns; scalar.

    :param values: V(z), shape (n, batch)
    :param returns: what they are to be, shape (n, batch)
    :param weights: how much each counts, shape (n, 1)
    """
    return 0.5 * (weights * (values - returns.detach()).square()).mean()
