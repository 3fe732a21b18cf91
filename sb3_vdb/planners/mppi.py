"""Model-predictive path integral control with filtered noise, as PDDM plans (Nagabandi et al. 2019,
section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sb3_vdb.arguments import fraction, positive_number
from sb3_vdb.planners.dynamics import Array
from sb3_vdb.planners.planner import Planner


class MPPI(Planner):
    """Samples sequences around the plan with filtered noise, and takes their mean, weighted by the
    exponential of what they earn.

    *Differences from the reference*: PDDM filters the whole action, with the last one that was
    executed before the first; here the noise alone is filtered.

    :param env_id: of an environment of states
    :param horizon: steps that are planned ahead
    :param n_samples: sequences of a step
    :param temperature: by which returns are divided in the exponential, in units of the return
    :param std: of the noise, in half widths of the action space
    :param filter_coef: share of fresh noise in each step's, the rest is the step before's; PDDM's
        beta
    :param discount: of each step's reward
    :param env_kwargs: arguments of the environment
    :param seed: of the sequences
    :raises ValueError: a bad argument, or an environment that cannot be planned in
    """

    def __init__(
        self,
        env_id: str,
        horizon: int = 7,
        n_samples: int = 200,
        temperature: float = 0.05,
        std: float = 0.9,
        filter_coef: float = 0.6,
        discount: float = 1.0,
        env_kwargs: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        temperature = positive_number("temperature", temperature)
        std = positive_number("std", std)
        if fraction("filter_coef", filter_coef) == 0.0:
            raise ValueError(f"`filter_coef` must lie in (0, 1], got {filter_coef}")
        self.temperature, self.std, self.filter_coef = temperature, std, filter_coef
        super().__init__(env_id, horizon, n_samples, discount, env_kwargs, seed)

    def improve(self, plan: Array) -> Array:
        """See :meth:`.Planner.improve`."""
        noise = self.std * self._random.standard_normal((self.n_samples, *plan.shape))
        noise[:, 0] *= self.filter_coef  # nothing came before
        for t in range(1, self.horizon):  # n_t = beta u_t + (1 - beta) n_{t-1}
            noise[:, t] = (
                self.filter_coef * noise[:, t] + (1.0 - self.filter_coef) * noise[:, t - 1]
            )
        samples = np.clip(plan + noise, -1.0, 1.0)
        return weighted_mean(samples, self.returns(samples), self.temperature)


def weighted_mean(samples: Array, returns: Array, temperature: float) -> Array:
    """Average sequences with weights exp(return / temperature).

    :param samples: shape (n, horizon, actions)
    :param returns: shape (n,); at least one is finite
    :param temperature: in units of the return
    :return: shape (horizon, actions)
    """
    weights = np.exp((returns - returns.max()) / temperature)
    return np.tensordot(weights / weights.sum(), samples, axes=1)
