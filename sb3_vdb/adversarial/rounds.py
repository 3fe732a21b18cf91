"""Rounds: what the discriminator does with the samples that a generator has collected."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from sb3_vdb.adversarial.densities import transition_log_prob
from sb3_vdb.adversarial.discriminator_learner import DiscriminatorLearner
from sb3_vdb.adversarial.replay import ReplaySteps
from sb3_vdb.adversarial.reward_scaling import RewardScaling
from sb3_vdb.adversarial.round_metrics import MeanCodeAccuracy, UpdateMetrics
from sb3_vdb.adversarial.settings import AdversarialSettings
from sb3_vdb.demonstrations import Demonstrations, EpochSampler
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.transitions import Transitions
from sb3_vdb.vdb import ConstraintWatch, DualVariable
from sb3_vdb.views import EncodedTransitions


class RoundResult(NamedTuple):
    """The result of a round of discriminator updates.

    :param rewards: of the round's transitions by the discriminator as it is now, not scaled, shape
        (batch,)
    :param metrics: of every discriminator update, each of shape (n_updates,)
    :param accuracy: at the mean codes, after the last update
    """

    rewards: th.Tensor
    metrics: UpdateMetrics
    accuracy: MeanCodeAccuracy


class Rounds:
    """The discriminator's half of the circle: it learns from an equal mix of expert and generator
    samples, and says what these are worth.

    :param discriminator: what learns
    :param demonstrations: the expert's
    :param gen_algo: the generator, for its density
    :param settings: numbers of the run
    :param dual: dual variable of the bottleneck; None for no bottleneck
    :param reward_type: what the generator is paid
    """

    def __init__(
        self,
        discriminator: Discriminator,
        demonstrations: Demonstrations,
        gen_algo: BaseAlgorithm,
        settings: AdversarialSettings,
        dual: DualVariable | None,
        reward_type: str,
    ) -> None:
        self.discriminator, self.settings, self.reward_type = discriminator, settings, reward_type
        self.gen_algo = gen_algo
        self.normalize: VecNormalize | None = None  # what normalises its observations
        self.learner = DiscriminatorLearner(discriminator, settings, dual)
        self.constraint = None if dual is None else ConstraintWatch(dual)
        self.reward_scaling = RewardScaling(settings.reward_scaling)
        self.replay: ReplaySteps | None = None  # what the generator has done, to learn from
        self.expert = demonstrations.transitions()
        self.expert_batch = discriminator.encode(self.expert)
        self.expert_sampler = EpochSampler(demonstrations.n_steps, settings.seed)
        self.terminal_reward = settings.terminal_reward
        self.n_rounds = 0
        discriminator.normalizer.update(discriminator.observed(self.expert_batch).vectors)

    def finish(self, transitions: Transitions) -> RoundResult:
        """Learn from the samples of a round, and pay them.

        :param transitions: of the generator, raw
        :raises NonFiniteError: a loss, a gradient or a reward is not finite
        """
        generator = self.encode(transitions)
        self._update_normalizer(generator)
        metrics, accuracy = self.train_discriminator(generator)
        if self.constraint is not None:
            self.constraint.note(float(metrics.kl.mean()))
        with th.no_grad():
            rewards = self._rewards(generator)
        if not bool(th.isfinite(rewards).all()):
            raise NonFiniteError(f"the learned reward `{self.reward_type}` is not finite")
        self.reward_scaling.update(rewards, bool(transitions.terminated.any()))
        self.n_rounds += 1
        return RoundResult(rewards, metrics, accuracy)

    def train_discriminator(
        self, generator: EncodedTransitions
    ) -> tuple[UpdateMetrics, MeanCodeAccuracy]:
        """Carry out one round of discriminator updates (eqs. 9, 10 and 15).

        :param generator: the generator's samples of this round
        :return: metrics of every update, each of shape (n_updates,), and the accuracy at the mean
            codes after the last one
        """
        n = self.settings.n_disc_updates_per_round * self.settings.demo_batch_size
        expert_rows = self.expert_sampler.sample(n)
        chosen = self._chosen(generator, n)
        device = self.discriminator.device
        expert = self.expert_batch.rows(th.as_tensor(expert_rows, device=device))
        if self.discriminator.needs_density:
            expert = expert._replace(log_probs=self._log_probs(self.expert.take(expert_rows)))
        metrics = self.learner.train_round(expert, chosen)
        return metrics, self.learner.mean_code_accuracy(expert, chosen)

    def _chosen(self, generator: EncodedTransitions, n: int) -> EncodedTransitions:
        """Choose what the discriminator learns from beside the expert's: of this round, or of all
        that the generator's replay buffer holds.
        """
        if self.replay is not None:
            return self.encode(self.replay.draw(n))
        seed = self.expert_sampler.spawn_seed()
        rows = EpochSampler(len(generator.terminated), seed).sample(n)
        return generator.rows(th.as_tensor(rows, device=self.discriminator.device))

    def encode(self, transitions: Transitions, log_probs: bool = True) -> EncodedTransitions:
        """Encode transitions for the discriminator.

        :param transitions: raw transitions
        :param log_probs: whether the policy's density is computed where the discriminator compares
            with it
        """
        batch = self.discriminator.encode(transitions)
        if log_probs and self.discriminator.needs_density:
            batch = batch._replace(log_probs=self._log_probs(transitions))
        return batch

    def _log_probs(self, transitions: Transitions) -> th.Tensor:
        log_probs = transition_log_prob(self.gen_algo, self.normalize, transitions)
        return log_probs.to(self.discriminator.device)

    def _update_normalizer(self, generator: EncodedTransitions) -> None:
        """Show the normaliser as many expert as generator observations."""
        observed, normalizer = self.discriminator.observed, self.discriminator.normalizer
        rows = self.expert_sampler.sample(len(generator.terminated))
        expert, vectors = observed(self.expert_batch).vectors, observed(generator).vectors
        if not bool(th.isfinite(vectors).all()):
            raise NonFiniteError(
                "what the discriminator sees of the generator's observations is not finite; look "
                "at the view and at the size of the environment's numbers"
            )
        normalizer.update(expert[th.as_tensor(rows, device=self.discriminator.device)])
        normalizer.update(vectors)

    def reward(self, transitions: Transitions) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Compute the reward that the generator is paid at present, scaled, shape (batch,)."""
        needs_density = "log_probs" in self.discriminator.reward_needs(self.reward_type)
        batch = self.encode(transitions, log_probs=needs_density)
        with th.no_grad():
            return self.reward_scaling(self._rewards(batch))

    def probability(
        self, transitions: Transitions
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Compute D at the mean codes, the probability of "expert", shape (batch,)."""
        with th.no_grad():
            probability = self.discriminator.reward(self.encode(transitions), "probability")
        return probability.cpu().numpy()

    def _rewards(self, batch: EncodedTransitions) -> th.Tensor:
        """Compute the rewards of transitions, not scaled, shape (batch,)."""
        rewards, terminal = self.discriminator.reward(batch, self.reward_type), self.terminal_reward
        if terminal is None:
            return rewards
        return th.where(batch.terminated > 0.0, terminal, rewards)

    def state_dict(self) -> dict[str, Any]:
        """Describe counters, samples and scale, JSON-able."""
        return {
            "n_rounds": self.n_rounds,
            "n_updates": self.learner.n_updates,
            "expert_sampler": self.expert_sampler.state_dict(),
            "reward_scaling": dict(vars(self.reward_scaling)),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.n_rounds, self.learner.n_updates = state["n_rounds"], state["n_updates"]
        self.expert_sampler.load_state_dict(state["expert_sampler"])
        vars(self.reward_scaling).update(state["reward_scaling"])
