"""V-MAIL's losses on one pair of batches: lines 12 to 19 of Algorithm 1."""

from __future__ import annotations

import torch as th

from sb3_vdb.vmail.imagination import Imagined, imagine, starting_states
from sb3_vdb.vmail.losses import (
    Losses,
    LossSettings,
    adversarial_loss,
    cloning_loss,
    policy_entropy,
    policy_loss,
    policy_returns,
    value_loss,
    valued_features,
    world_model_loss,
)
from sb3_vdb.vmail.metrics import PolicyFigures
from sb3_vdb.vmail.network_losses import NetworkLosses
from sb3_vdb.vmail.policies import VMAILPolicy
from sb3_vdb.vmail.replay_buffer import SequenceBatch
from sb3_vdb.vmail.returns import discount_weights
from sb3_vdb.vmail.rssm import Belief, State


class VMAILLosses(NetworkLosses):
    """Computes V-MAIL's losses: the discriminator, the value and the policy see imagined states.

    :param policy: networks
    :param settings: what the losses depend on
    :raises ValueError: the policy is one of VDAC
    """

    def __init__(self, policy: VMAILPolicy, settings: LossSettings) -> None:
        super().__init__(policy, settings)
        self.loops["imagine"] = self._imagine

    def __call__(self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor) -> Losses:
        """Compute the four losses with the weights as they are.

        :param batch: sequences of the joint buffer (line 12)
        :param expert: sequences of the expert (line 15)
        :param beta: dual variable of the discriminator's bottleneck, scalar
        """
        policy, settings = self.policy, self.settings
        belief, expert_belief, normalized = self.infer_states(batch, expert)  # line 16
        model = world_model_loss(policy.world_model, belief, normalized, settings)  # 13
        imagined = self.rollouts(belief.state)  # 17
        expert_pairs = self.stored_pairs(expert_belief, expert.actions)
        adversarial = adversarial_loss(  # 18
            policy.discriminator, expert_pairs, imagined.pairs(), beta, settings
        )
        rewards, returns = policy_returns(  # 19
            imagined, policy.discriminator, policy.value_target, settings
        )
        weights = discount_weights(len(returns), settings.gamma, returns)
        entropy, action_std = policy_entropy(policy.actor(self._states_of_entropy(imagined)))
        cloning = cloning_loss(policy.actor, *self.split_pairs(expert_pairs.detach()))
        actor = policy_loss((weights * returns).mean(), entropy, cloning, settings)
        values = policy.value(valued_features(imagined, len(returns), settings)[:-1].detach())
        value = value_loss(values, returns, weights)
        figures = PolicyFigures(
            rewards.mean(), returns[0].mean(), action_std, entropy, cloning, values.mean()
        )
        return Losses(model, adversarial, actor, value, figures)

    def infer_states(
        self, batch: SequenceBatch, expert: SequenceBatch
    ) -> tuple[Belief, Belief, dict[str, th.Tensor]]:
        """Infer the belief states of both batches in one scan, and normalise the observations of
        the first. Nothing is learned from the expert's batch, which is why its pictures are encoded
        apart, without the gradients' half of the work.
        """
        model = self.policy.world_model
        normalized = model.encoder.normalize(batch.observations)
        with th.no_grad():
            expert_embed = model.embed(expert.observations)
        embed = th.cat([model.encoder(normalized), expert_embed], dim=1)
        before = None
        if batch.before is not None and expert.before is not None:
            before = th.cat([batch.before, expert.before])
        joint = self.observe(embed, th.cat([batch.actions, expert.actions], dim=1), before)
        n = batch.actions.shape[1]
        belief = joint.map(lambda part: part[:, :n])
        return belief, joint.map(lambda part: part[:, n:].detach()), normalized

    def rollouts(self, states: State) -> Imagined:
        """Imagine rollouts from belief states of a batch, shape (time, batch, ...)."""
        settings = self.settings
        start = starting_states(states, settings.burn_in, settings.n_imagined)
        imagined: Imagined = self.loops["imagine"](start)
        return imagined

    def _imagine(self, start: State) -> Imagined:
        """Imagine rollouts from states of shape (n_rollouts, ...)."""
        rssm = self.policy.world_model.rssm
        return imagine(self.policy.actor, rssm, start, self.settings.horizon)

    def _states_of_entropy(self, imagined: Imagined) -> th.Tensor:
        """Return features of the states in which the entropy is estimated: only the first ones
        where nothing is paid for it, shape (n, batch, feat_dim), detached.
        """
        feat = imagined.states.feat
        return (feat[:-1] if self.settings.ent_coef > 0.0 else feat[:1]).detach()
