"""VDAC, the ablation of V-MAIL's Figure 4: the world model serves as a representation only, and
actor and critic learn from what is stored instead of from imagination.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv
from torch import nn

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.networks import mlp
from sb3_vdb.rewards import LOGIT_REWARDS
from sb3_vdb.vmail.policies import VMAILPolicy
from sb3_vdb.vmail.replay import SequenceBatch
from sb3_vdb.vmail.rssm import Belief
from sb3_vdb.vmail.update import Losses, Update
from sb3_vdb.vmail.vmail import VMAIL

N_CRITICS = 2


class TwinQ(nn.Module):
    """Two estimates of Q(z, a).

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
        """Both estimates, shape (2, ...), from features and actions of shape (..., width)."""
        inputs = th.cat([feat, actions], dim=-1)
        return th.stack([net(inputs).squeeze(-1) for net in self.nets])


class VDACPolicy(VMAILPolicy):
    """Networks of VDAC: those of V-MAIL, with :class:`TwinQ` for the value.

    Parameters are those of :class:`~sb3_vdb.vmail.policies.VMAILPolicy`.
    """

    def make_value(self, feat_dim: int, units: int, n_layers: int) -> TwinQ:
        """Two critics of states and actions."""
        return TwinQ(feat_dim, self.action_dim, units, n_layers)


class CnnPolicy(VDACPolicy):
    """For pictures."""


class MlpPolicy(VDACPolicy):
    """For vectors."""


class MultiInputPolicy(VDACPolicy):
    """For a Dict of pictures and vectors."""


class ReplayUpdate(Update):
    """An update whose discriminator, critics and actor see stored transitions, not imagined ones.

    The world model learns from both batches; beliefs of both, without their gradients, are what
    critics and actor learn on. The discriminator compares the policy's with the expert's.
    """

    value_class = TwinQ

    def losses(self, batch: SequenceBatch, expert: SequenceBatch, beta: th.Tensor) -> Losses:
        """The four losses.

        :param batch: sequences of the policy
        :param expert: sequences of the expert
        :param beta: dual variable of the discriminator's bottleneck, scalar
        """
        both, n = batch.joined(expert), batch.actions.shape[1]
        world_model = self.policy.world_model
        normalized = world_model.encoder.normalize(both.observations)
        belief: Belief = self._scan(world_model.encoder(normalized), both.actions)
        model = self._model_loss(belief, normalized)
        inputs = self._stored_inputs(belief, both).detach()
        adversarial = self._adversarial(inputs[:, n:], inputs[:, :n], beta)
        feat = belief.state.feat[self.form.burn_in :].detach()
        distribution = self.policy.actor(feat)
        actions, log_probs = distribution.sample_with_log_prob()
        rewards, targets = self._targets(inputs, feat[1:], actions[1:])
        q_values = self.policy.value(*inputs.split([feat.shape[-1], actions.shape[-1]], dim=-1))
        value = 0.5 * (q_values - targets).square().sum(dim=0).mean()
        entropy = -log_probs.mean()
        cloning = self._cloning(inputs[:, n:])
        objective = self.policy.value(feat, actions).amin(dim=0).mean()
        actor = self._actor_loss(objective, entropy, cloning)
        std = distribution.std.mean().detach()
        metrics = self._metrics(
            model, adversarial, actor, rewards, targets, std, entropy, cloning, value, q_values
        )
        return Losses(model.total(), adversarial.loss.total(), actor, value, metrics)

    @th.no_grad()
    def _targets(
        self, inputs: th.Tensor, feat: th.Tensor, actions: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """Rewards of stored transitions, and r + gamma min Q'(z', a'), shape (time, batch).

        :param inputs: features and stored actions, shape (time, batch, feat_dim + action_dim)
        :param feat: features of the states after them
        :param actions: of the policy in those, shape (time, batch, action_dim)
        """
        logits = self.policy.discriminator(inputs.flatten(0, 1))[0].unflatten(0, inputs.shape[:2])
        rewards = LOGIT_REWARDS[self.form.reward_type](logits)
        return rewards, rewards + self.form.gamma * self.policy.value_target(feat, actions).amin(0)


class VDAC(VMAIL):
    """Variational discriminator-actor-critic: V-MAIL's world model as a representation, and on its
    beliefs an off-policy discriminator, two critics and an actor.

    *Paper*: `Visual Adversarial Imitation Learning using Variational Models
    <https://arxiv.org/abs/2107.08829>`_, section 5.1 and Figure 4 (right); discriminator and
    critics as in `Discriminator-Actor-Critic <https://arxiv.org/abs/1809.02925>`_

    *Differences from the reference*: the paper gives no sizes; they are V-MAIL's. The critics'
    targets have no entropy, and no state is absorbing.

    Parameters are those of :class:`~sb3_vdb.VMAIL`, with the same defaults but for ``tau``, which
    has to be small where values bootstrap from every step. Half of the ``batch_size`` sequences are
    the policy's and half the expert's. What shapes imagination has no effect: ``horizon``,
    ``n_imagined``, ``returns``, ``td_lambda``, ``drop_last_reward``, ``values_of_next_states``, and
    ``expert_fraction``.

    :param tau: how far the critics' slow targets follow at a time
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "CnnPolicy": CnnPolicy,
        "MlpPolicy": MlpPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }
    update_class = ReplayUpdate
    min_batch_size = 2

    def __init__(
        self,
        policy: str | type[VDACPolicy],
        env: GymEnv | str,
        demonstrations: Demonstrations | None = None,
        *,
        tau: float = 0.005,
        **kwargs: Any,
    ) -> None:
        super().__init__(policy, env, demonstrations, **{**kwargs, "tau": tau})

    def present_expert_fraction(self) -> float:
        """Half of the sequences are the expert's."""
        return (self.batch_size // 2) / self.batch_size

    def draw(self) -> tuple[SequenceBatch, SequenceBatch]:
        """Sequences of the policy (of the expert, before there are any) and of the expert."""
        assert self.replay_buffer is not None
        n_expert = self.batch_size // 2
        policy = self.replay_buffer.sample(self.batch_size - n_expert, expert_fraction=0.0)
        return policy, self.replay_buffer.sample_expert(n_expert)
