"""Watching whether the bottleneck's constraint holds when a run ends."""

from __future__ import annotations

import warnings
from collections import deque

from sb3_vdb.vdb.dual import DualVariable

WINDOW = 10  # rounds that are looked at, and the fewest of a run that is judged
EXCESS, SLACK = 1.5, 0.5  # times the limit: the information is far above or below it


class ConstraintWatch:
    """Keeps the information and beta of the latest rounds, and warns where a run ends far from its
    limit.

    Far above means: in each of the last rounds above the limit, on average by half, while beta
    still rises. Far below means: on average below half of it, with beta at 0. Where beta is held
    fixed nothing is said.

    :param dual: dual variable of the bottleneck
    """

    def __init__(self, dual: DualVariable) -> None:
        self.dual = dual
        self._rounds: deque[tuple[float, float]] = deque(maxlen=WINDOW)

    def note(self, kl: float) -> None:
        """Take note of a round.

        :param kl: its mean divergence in nats
        """
        self._rounds.append((kl, self.dual.beta))

    def warn(self) -> None:
        """Warn if the latest rounds are far from the limit; a shorter run is not judged."""
        if len(self._rounds) == WINDOW and self.dual.beta_step_size > 0.0:
            message = self._judge()
            if message is not None:
                warnings.warn(message, stacklevel=3)

    def _judge(self) -> str | None:
        dual, limit = self.dual, self.dual.information_limit
        kls, betas = zip(*self._rounds, strict=True)
        mean = sum(kls) / WINDOW
        state = (
            f"the last {WINDOW} rounds had {mean:.3g} nats of information on average, with "
            f"`information_limit` {limit:g}, beta at {dual.beta:.3g} and `beta_step_size` "
            f"{dual.beta_step_size:g}"
        )
        if min(kls) > limit and mean > EXCESS * limit and betas[-1] > betas[0]:
            return (
                f"{state}: beta still rises and the bottleneck has not taken hold; use a larger "
                "`beta_step_size` (10 or 100 times), a larger `beta` to begin with, or a longer run"
            )
        if mean < SLACK * limit and max(betas) == 0.0:
            return (
                f"{state}: the bottleneck does not bind and only adds noise; use an "
                f"`information_limit` below {mean:.2g}, or GAIL or AIRL without a bottleneck"
            )
        return None
