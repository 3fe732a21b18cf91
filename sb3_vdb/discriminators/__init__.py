"""Discriminator networks over the bottleneck: the GAIL type (a logit) and the AIRL type (f = g +
gamma h' - h), over any trunk and any view.
"""

from sb3_vdb.discriminators.airl import AIRLDiscriminator
from sb3_vdb.discriminators.base import (
    PENALTY_TARGETS,
    Discriminator,
    DiscriminatorOutput,
    PenaltyTarget,
)
from sb3_vdb.discriminators.gail import GAILDiscriminator
from sb3_vdb.discriminators.unit import CodeUnit

__all__ = [
    "PENALTY_TARGETS",
    "AIRLDiscriminator",
    "CodeUnit",
    "Discriminator",
    "DiscriminatorOutput",
    "GAILDiscriminator",
    "PenaltyTarget",
]
