"""GAIL, and GAIL with a variational discriminator bottleneck: VAIL."""

from __future__ import annotations

from typing import ClassVar

from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.discriminators import Discriminator, GAILDiscriminator


class GAIL(AdversarialTrainer):
    """Generative adversarial imitation learning; arguments as for :class:`.AdversarialTrainer`.

    *Paper*: Ho & Ermon 2016; the baselines GAIL, GAIL - GP, GAIL - noise and GAIL - noise z of
    Peng et al. 2019.

    *Equations*: the discriminator minimises E_expert[-log D] + E_generator[-log(1 - D)], the
    policy is paid -log(1 - D) (other signs: ``reward_type``).

    *Differences from the reference*: any SB3 algorithm in place of TRPO; expert and generator
    share one normaliser of observations; no entropy bonus but the generator's own.
    """

    discriminator_class: ClassVar[type[Discriminator]] = GAILDiscriminator
    has_bottleneck: ClassVar[bool] = False


class VAIL(GAIL):
    """Variational adversarial imitation learning; arguments as for :class:`.AdversarialTrainer`.

    *Paper*: Peng et al. 2019, section 4.2; VAIL - GP with ``grad_penalty_coef``.

    *Equations*: eq. 12, with the updates of eqs. 9 and 10; the policy is paid -log(1 - D(mean(s))).

    *Differences from the reference*: any SB3 algorithm in place of PPO; Adam in place of momentum
    for the discriminator.
    """

    has_bottleneck: ClassVar[bool] = True
