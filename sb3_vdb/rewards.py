"""Reward conventions: what a policy is paid for a logit. D = sigmoid(logit) is the probability of
"expert". The sign decides what a learner makes of episodes whose length it can influence:

- ``gail``, -log(1 - D): positive; every step pays, a learner gains by staying alive
- ``log_d``, log D: negative; every step costs, a learner gains by ending the episode
- ``probability``, D: in (0, 1); like ``gail``, and bounded. The reward of V-MAIL's published code
- ``least_squares``, max(0, 1 - (d - 1)^2 / 4): in [0, 1], for a discriminator d that was trained
  with ``disc_loss="least_squares"`` (AMP, Peng et al. 2021, eq. 7)
- ``logit``, log D - log(1 - D): either sign; no bias at D = 1/2. AIRL's reward, with the policy's
  log-density

AIRL-type discriminators offer their own terms instead, ``g`` and ``f``
(:class:`~sb3_vdb.discriminators.AIRLDiscriminator`), which are free up to a constant
and therefore biased by that constant where episode lengths vary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch as th
from torch.nn import functional

LEAST_SQUARES = "least_squares"  # both the loss and its reward


def gail_reward(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """-log(1 - D), the reward of GAIL and VAIL (VDB paper, section 4.2); positive. Same shape as
    the logits.
    """
    return functional.softplus(logits_expert_is_high)


def log_d_reward(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """Log D; negative. Same shape as the logits."""
    return -functional.softplus(-logits_expert_is_high)


def probability_reward(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """D itself; in (0, 1). Same shape as the logits."""
    return th.sigmoid(logits_expert_is_high)


def logit_reward(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """Log D - log(1 - D), the logit itself."""
    return logits_expert_is_high


def least_squares_reward(logits_expert_is_high: th.Tensor) -> th.Tensor:
    """max(0, 1 - (d - 1)^2 / 4), AMP's reward; in [0, 1], 1 for what looks like the expert. Same
    shape as the logits.
    """
    return (1.0 - 0.25 * (logits_expert_is_high - 1.0).square()).clamp_min(0.0)


LOGIT_REWARDS: Mapping[str, Callable[[th.Tensor], th.Tensor]] = MappingProxyType(
    {
        "gail": gail_reward,
        "log_d": log_d_reward,
        "probability": probability_reward,
        "logit": logit_reward,
    }
)

# of the rewards that have one sign: what each further step of an episode pays or costs
SIGNS: Mapping[str, int] = MappingProxyType(
    {"gail": 1, "probability": 1, LEAST_SQUARES: 1, "log_d": -1}
)
