"""The cross-entropy method (Rubinstein & Kroese 2004) as a planner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sb3_vdb.arguments import fraction, positive_number, whole_number
from sb3_vdb.planners.dynamics import Array
from sb3_vdb.planners.planner import Planner


class CEM(Planner):
    """Samples sequences from a Gaussian of each action, and fits it to the best of them, several
    times a step. The last plan is always among the samples, so that a plan is never left for a
    worse one.

    :param env_id: of an environment of states
    :param horizon: steps that are planned ahead
    :param n_samples: sequences of an iteration
    :param n_iterations: of a step
    :param n_elites: sequences that the Gaussian is fitted to
    :param std: standard deviation that a step begins with, in half widths of the action space
    :param correlation: of the samples' noise from step to step, in [0, 1); joints that are
        asked for something else at every step hardly move
    :param discount: of each step's reward
    :param env_kwargs: arguments of the environment
    :param seed: of the sequences
    :raises ValueError: a bad argument, or an environment that cannot be planned in
    """

    def __init__(
        self,
        env_id: str,
        horizon: int = 6,
        n_samples: int = 32,
        n_iterations: int = 3,
        n_elites: int = 6,
        std: float = 0.5,
        correlation: float = 0.8,
        discount: float = 1.0,
        env_kwargs: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        n_samples = whole_number("n_samples", n_samples, 2)
        if whole_number("n_elites", n_elites, 2) > n_samples:
            raise ValueError(
                f"`n_elites` must lie between 2 and `n_samples` ({n_samples}), got {n_elites}"
            )
        if fraction("correlation", correlation) == 1.0:
            raise ValueError(f"`correlation` must lie in [0, 1), got {correlation}")
        std = positive_number("std", std)
        self.n_iterations = whole_number("n_iterations", n_iterations, 1)
        self.n_elites, self.std, self.correlation = n_elites, std, correlation
        super().__init__(env_id, horizon, n_samples, discount, env_kwargs, seed)

    def improve(self, plan: Array) -> Array:
        """See :meth:`.Planner.improve`; the best sequence of all that were tried."""
        mean, std, best = plan, np.full(plan.shape, self.std), plan
        for _ in range(self.n_iterations):
            noise = correlated_noise(self._random, (self.n_samples, *plan.shape), self.correlation)
            samples = np.clip(mean + std * noise, -1.0, 1.0)
            samples[0] = np.clip(best, -1.0, 1.0)
            order = np.argsort(-self.returns(samples), kind="stable")
            elites = samples[order[: self.n_elites]]
            mean, std, best = elites.mean(axis=0), elites.std(axis=0), samples[order[0]]
        return best


def correlated_noise(
    generator: np.random.Generator, shape: tuple[int, ...], correlation: float
) -> Array:
    """Sample standard normal noise whose neighbouring steps are correlated.

    :param generator: of random numbers
    :param shape: (samples, horizon, actions)
    :param correlation: between a step and the next
    """
    noise = generator.standard_normal(shape)
    fresh = np.sqrt(1.0 - correlation**2)
    for t in range(1, shape[1]):
        noise[:, t] = correlation * noise[:, t - 1] + fresh * noise[:, t]
    return noise
