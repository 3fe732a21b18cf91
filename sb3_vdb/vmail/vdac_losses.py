"""VDAC's losses: discriminator, critics and actor see stored transitions, not imagined ones."""

from __future__ import annotations

import torch as th
from torch import nn

from sb3_vdb.networks import mlp
from sb3_vdb.rewards import LOGIT_REWARDS
from sb3_vdb.vmail.losses import (
    Losses,
    adversarial_loss,
    cloning_loss,
    policy_loss,
    world_model_loss,
)
from sb3_vdb.vmail.metrics import PolicyFigures
from sb3_vdb.vmail.network_losses import NetworkLosses
from sb3_vdb.vmail.replay_buffer import SequenceBatch

N_CRITICS = 2


class TwinQ(nn.Module):
    """Estimates Q(z, a) twice, with weights of their own.

    :param feat_dim: width of the features
    :param action_dim: number of action dimensions
    :param units: width of the hidden layers
    :param n_layers: number of hidden layers
    """

    def __init__(self, feat_dim: int, action_dim: int, units: int, n_layers: int) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            mlp(feat_dim + action_dim, units, n_layers, 1) for _ in range(N_CRITICS)
        )

    def forward(self, feat: th.Tensor, actions: th.Tensor) -> th.Tensor:
        """Compute both estimates, shape (2, ...), from features and actions of shape (...,
        width).
        """
        inputs = th.cat([feat, actions], dim=-1)
        return th.stack([net(inputs).squeeze(-1) for net in self.nets])


class VDACLosses(NetworkLosses):
    """Computes VDAC's losses. The world model learns from both batches; beliefs of both, without
    their gradients, are what critics and actor learn on. The discriminator compares the policy's
    with the expert's.
    """

    value_class = TwinQ

    def __call__(self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor) -> Losses:
        """Compute the four losses with the weights as they are.

        :param batch: sequences of the policy
        :param expert: sequences of the expert
        :param beta: dual variable of the discriminator's bottleneck, scalar
        """
        policy, settings = self.policy, self.settings
        both, n = batch.joined(expert), batch.actions.shape[1]
        normalized = policy.world_model.encoder.normalize(both.observations)
        belief = self.observe(policy.world_model.encoder(normalized), both.actions, both.before)
        model = world_model_loss(policy.world_model, belief, normalized, settings)
        pairs = self.stored_pairs(belief, both.actions).detach()
        adversarial = adversarial_loss(
            policy.discriminator, pairs[:, n:], pairs[:, :n], beta, settings
        )
        feat = belief.state.feat[settings.burn_in :].detach()
        distribution = policy.actor(feat)
        actions, log_probs = distribution.sample_with_log_prob()
        rewards, targets = self.targets(pairs, feat[1:], actions[1:])
        q_values = policy.value(*self.split_pairs(pairs))  # (2, time, batch)
        value = 0.5 * (q_values - targets).square().sum(dim=0).mean()
        entropy = -log_probs.mean()
        cloning = cloning_loss(policy.actor, *self.split_pairs(pairs[:, n:]))
        objective = policy.value(feat, actions).amin(dim=0).mean()
        actor = policy_loss(objective, entropy, cloning, settings)
        std = distribution.std.mean().detach()
        figures = PolicyFigures(
            rewards.mean(), targets[0].mean(), std, entropy, cloning, q_values.mean()
        )
        return Losses(model, adversarial, actor, value, figures)

    @th.no_grad()
    def targets(
        self, pairs: th.Tensor, feat: th.Tensor, actions: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """Compute rewards r of stored transitions, and r + gamma min Q'(z', a'), shape (time,
        batch).

        :param pairs: features and stored actions, shape (time, batch, feat_dim + action_dim)
        :param feat: features of the states after them
        :param actions: actions of the policy in those, shape (time, batch, action_dim)
        """
        logits = self.policy.discriminator(pairs.flatten(0, 1))[0].unflatten(0, pairs.shape[:2])
        rewards = LOGIT_REWARDS[self.settings.reward_type](logits)
        values = self.policy.value_target(feat, actions).amin(0)
        return rewards, rewards + self.settings.gamma * values
