"""The dual variable beta, which holds the average information at its limit (eqs. 9 and 10)."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Literal

import torch as th

Constraint = Literal["average", "pointwise"]

# holds the limit within some 260 updates in the maze (study "tuning"); the papers' 1e-5 needs a
# hundred thousand
DEFAULT_BETA_STEP_SIZE = 1e-2


class DualVariable:
    """Lagrange multiplier of the information constraint, raised while the constraint is violated
    and lowered else.

    :param information_limit: I_c in nats, positive
    :param beta: initial multiplier, not negative
    :param beta_step_size: alpha_beta of eq. 9, not negative; 0 holds beta fixed. With ``beta=0``
        as well the bottleneck only adds noise, the paper's ablation "beta = 0".
    :param constraint: ``"average"``: beta follows the mean divergence (eq. 9); ``"pointwise"``: it
        follows the largest divergence of the batch (appendix A)
    :raises ValueError: an argument is out of range
    """

    def __init__(
        self,
        information_limit: float,
        beta: float = 0.1,
        beta_step_size: float = DEFAULT_BETA_STEP_SIZE,
        constraint: Constraint = "average",
    ) -> None:
        if not _number(information_limit) > 0.0:
            raise ValueError(
                f"`information_limit` must be positive (nats), got {information_limit}; "
                "use GAIL or AIRL for a discriminator without a bottleneck"
            )
        if not _number(beta) >= 0.0:
            raise ValueError(
                f"`beta` must not be negative, got {beta}; 0 switches the constraint off and "
                "keeps the noise"
            )
        if not _number(beta_step_size) >= 0.0:
            raise ValueError(
                f"`beta_step_size` must not be negative, got {beta_step_size}; 0 holds `beta` fixed"
            )
        if constraint not in ("average", "pointwise"):
            raise ValueError(f'`constraint` must be "average" or "pointwise", got {constraint!r}')
        self.information_limit = float(information_limit)
        self.beta = float(beta)
        self.beta_step_size = float(beta_step_size)
        self.constraint: Constraint = constraint

    def update(self, kl: th.Tensor) -> None:
        """beta <- max(0, beta + alpha_beta (KL - I_c)), eq. 9; call it after the step that used
        beta.

        :param kl: divergences of the batch in nats, shape (batch,)
        """
        violation = float(
            kl.detach().max() if self.constraint == "pointwise" else kl.detach().mean()
        )
        self.beta = max(0.0, self.beta + self.beta_step_size * (violation - self.information_limit))

    def state_dict(self) -> dict[str, Any]:
        """Multiplier and settings, JSON-able."""
        return dict(vars(self))

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> DualVariable:
        """Make the variable that :meth:`state_dict` described."""
        return cls(**state)


def _number(value: Any) -> float:
    """Return a real number as a float, and NaN for everything else."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
