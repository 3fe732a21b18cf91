"""AIRL, and AIRL with a variational discriminator bottleneck: VAIRL."""

from __future__ import annotations

from typing import ClassVar

from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.discriminators import AIRLDiscriminator, Discriminator


class AIRL(AdversarialTrainer):
    """Adversarial inverse reinforcement learning; arguments as for :class:`.AdversarialTrainer`.

    *Paper*: Fu et al. 2018; the baselines AIRL and AIRL - GP of Peng et al. 2019.

    *Equations*: eq. 13: D = exp f / (exp f + pi(a|s)) with f = g(s) + gamma h(s') - h(s). The
    policy is paid g, the reward that transfers (``reward_type="logit"`` is Fu's log D - log(1 -
    D)).

    *Differences from the reference*: any SB3 algorithm whose policy has a density; actions at a
    bound count with the mass SB3 clips onto it
    (:func:`~sb3_vdb.adversarial.densities.action_log_prob`); no replay of old samples, which
    measurably entangles the reward with the path; the potential uses the generator's gamma (the
    authors' code: 1).
    """

    discriminator_class: ClassVar[type[Discriminator]] = AIRLDiscriminator
    has_bottleneck: ClassVar[bool] = False


class VAIRL(AIRL):
    """Variational adversarial inverse reinforcement learning; arguments as for
    :class:`.AdversarialTrainer`.

    *Paper*: Peng et al. 2019, section 4.3; VAIRL - GP with ``grad_penalty_coef``, "beta = 0" with
    ``beta=0, beta_step_size=0``.

    *Equations*: eq. 13 with stochastic encoders of g and h; KL = KL_g(s) + KL_h(s) + KL_h(s');
    eqs. 9 and 10.

    *Differences from the reference*: as for :class:`.AIRL`.
    """

    has_bottleneck: ClassVar[bool] = True
