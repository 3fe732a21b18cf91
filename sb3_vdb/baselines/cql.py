"""Conservative Q-learning: SAC that learns on stored steps alone."""

from __future__ import annotations

import math
from typing import Any

import torch as th
from stable_baselines3 import SAC
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.sac.policies import SACPolicy
from torch.nn import functional

from sb3_vdb.arguments import number_from_zero, whole_number


class CQL(SAC):
    """SAC whose critics give actions that the stored steps do not have no more than those that they
    have. Without it, critics that never see the consequences overrate what nobody has tried.

    *Paper*: Kumar, Zhou, Tucker, Levine, "Conservative Q-Learning for Offline Reinforcement
    Learning", NeurIPS 2020.

    *Equations*: eq. 4, CQL(H): the critics' loss grows by ``cql_coef`` times log sum_a exp Q(s, a)
    - Q(s, a of the step), the sum estimated by uniform actions and the policy's in s and s'
    (appendix F).

    *Differences from the reference*: the weight is fixed (no Lagrange multiplier); the temperature
    is SAC's.

    Fill the replay buffer with :func:`.fill_replay_buffer` and learn with
    :func:`.learn_offline`; ``DAC(...).learn_offline`` does both with a learned reward.

    :param policy: as of SAC
    :param env: for its spaces; it is not stepped by :func:`.learn_offline`
    :param cql_coef: weight of the conservative term
    :param n_cql_actions: actions of each kind by which the sum is estimated
    :param arguments: others of SAC
    :raises ValueError: a number is out of range
    """

    def __init__(
        self,
        policy: str | type[SACPolicy],
        env: GymEnv | str,
        cql_coef: float = 5.0,
        n_cql_actions: int = 10,
        **arguments: Any,
    ) -> None:
        self.cql_coef = number_from_zero("cql_coef", cql_coef)
        self.n_cql_actions = whole_number("n_cql_actions", n_cql_actions, 1)
        super().__init__(policy, env, **arguments)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """Carry out updates on steps of the replay buffer.

        :param gradient_steps: how many
        :param batch_size: steps of each
        """
        self.policy.set_training_mode(True)
        optimizers = [self.actor.optimizer, self.critic.optimizer]
        if self.ent_coef_optimizer is not None:
            optimizers.append(self.ent_coef_optimizer)
        self._update_learning_rate(optimizers)
        assert self.replay_buffer is not None
        figures = []
        for _ in range(gradient_steps):
            steps = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            if self.use_sde:
                self.actor.reset_noise()
            actions, log_probs = self.actor.action_log_prob(steps.observations)
            log_probs = log_probs.reshape(-1, 1)
            ent_coef = self._temperature(log_probs)
            bellman = self._bellman_loss(steps, ent_coef)
            gap = self._conservative_gap(steps)
            _step(self.critic.optimizer, bellman + self.cql_coef * gap)
            values = th.cat(self.critic(steps.observations, actions), dim=1).amin(1, keepdim=True)
            actor_loss = (ent_coef * log_probs - values).mean()
            _step(self.actor.optimizer, actor_loss)
            self._n_updates += 1
            polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
            polyak_update(self.batch_norm_stats, self.batch_norm_stats_target, 1.0)
            figures.append(th.stack([bellman, gap, actor_loss, ent_coef.mean()]).detach())
        if figures:
            self._log(th.stack(figures).mean(dim=0).tolist())

    def _temperature(self, log_probs: th.Tensor) -> th.Tensor:
        """Return SAC's temperature, and move it towards the entropy that is aimed at."""
        if self.ent_coef_optimizer is None or self.log_ent_coef is None:
            return self.ent_coef_tensor
        ent_coef = self.log_ent_coef.detach().exp()
        excess = (log_probs + float(self.target_entropy)).detach()
        _step(self.ent_coef_optimizer, -(self.log_ent_coef * excess).mean())
        return ent_coef

    def _bellman_loss(self, steps: Any, ent_coef: th.Tensor) -> th.Tensor:
        """Compute half the squared error of both critics, summed; scalar."""
        with th.no_grad():
            actions, log_probs = self.actor.action_log_prob(steps.next_observations)
            values = th.cat(self.critic_target(steps.next_observations, actions), dim=1)
            values = values.amin(1, keepdim=True) - ent_coef * log_probs.reshape(-1, 1)
            # newer SB3 says how far several steps at once are discounted
            own = getattr(steps, "discounts", None)
            discounts = self.gamma if own is None else own
            targets = steps.rewards + (1.0 - steps.dones) * discounts * values
        present = self.critic(steps.observations, steps.actions)
        return 0.5 * th.stack([functional.mse_loss(each, targets) for each in present]).sum()

    def _conservative_gap(self, steps: Any) -> th.Tensor:
        """Compute log sum_a exp Q(s, a) - Q(s, a of the step), summed over the critics, mean over
        the batch; scalar.
        """
        n = self.n_cql_actions
        uniform = 2.0 * th.rand(n, *steps.actions.shape, device=self.device) - 1.0
        density = -steps.actions.shape[1] * math.log(2.0)  # of actions in [-1, 1]
        proposals = [(uniform, uniform.new_full(uniform.shape[:2], density))]
        proposals += [
            self._several(observations, n)
            for observations in (steps.observations, steps.next_observations)
        ]
        actions = th.cat([each for each, _ in proposals])  # (3 n, batch, action_dim)
        log_probs = th.cat([each for _, each in proposals])  # (3 n, batch)
        features = self.critic.extract_features(steps.observations, self.critic.features_extractor)
        tried = th.cat([features.expand(len(actions), *features.shape), actions], dim=-1)
        stored = th.cat([features, steps.actions], dim=-1)
        gaps = []
        for q_network in self.critic.q_networks:
            weighted = q_network(tried).squeeze(-1) - log_probs  # (3 n, batch)
            log_sum = th.logsumexp(weighted, dim=0) - math.log(len(actions))
            gaps.append((log_sum - q_network(stored).squeeze(-1)).mean())
        return th.stack(gaps).sum()

    @th.no_grad()
    def _several(self, observations: Any, n: int) -> tuple[th.Tensor, th.Tensor]:
        """Sample actions of the policy and their log densities, shapes (n, batch, action_dim) and
        (n, batch).
        """
        mean, log_std, arguments = self.actor.get_action_dist_params(observations)
        samples = [
            self.actor.action_dist.log_prob_from_params(mean, log_std, **arguments)
            for _ in range(n)
        ]
        actions, log_probs = zip(*samples, strict=True)
        return th.stack(actions), th.stack([each.reshape(-1) for each in log_probs])

    def _log(self, figures: list[float]) -> None:
        names = ("critic_loss", "conservative_gap", "actor_loss", "ent_coef")
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, value in zip(names, figures, strict=True):
            self.logger.record(f"train/{name}", value)


def _step(optimizer: th.optim.Optimizer, loss: th.Tensor) -> None:
    """Take a step of an optimiser."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
