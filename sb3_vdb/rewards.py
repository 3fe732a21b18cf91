"""Reward conventions: what a policy is paid for a logit. D = sigmoid(logit) is the probability of
"expert". The sign decides what a learner makes of episodes whose length it can influence:

- ``gail``, -log(1 - D): positive; every step pays, a learner gains by staying alive
- ``log_d``, log D: negative; every step costs, a learner gains by ending the episode
- ``probability``, D: in (0, 1); like ``gail``, and bounded. The reward of V-MAIL's published code
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


LOGIT_REWARDS: Mapping[str, Callable[[th.Tensor], th.Tensor]] = MappingProxyType(
    {
        "gail": gail_reward,
        "log_d": log_d_reward,
        "probability": probability_reward,
        "logit": logit_reward,
    }
)

# of the rewards that have one sign: what each further step of an episode pays or costs
SIGNS: Mapping[str, int] = MappingProxyType({"gail": 1, "probability": 1, "log_d": -1})
