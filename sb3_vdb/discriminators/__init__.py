"""Discriminator networks over the bottleneck: the GAIL type (a logit) and the AIRL type (f = g +
gamma h' - h).
"""

from sb3_vdb.discriminators.airl import AIRLDiscriminator
from sb3_vdb.discriminators.architecture import ACTIVATIONS, Architecture
from sb3_vdb.discriminators.base import (
    PENALTY_TARGETS,
    Discriminator,
    DiscriminatorOutput,
    PenaltyTarget,
)
from sb3_vdb.discriminators.features import Batch, FeatureEncoder
from sb3_vdb.discriminators.gail import GAILDiscriminator
from sb3_vdb.discriminators.normalizer import (
    BoundsNormalizer,
    Normalizer,
    RunningNormalizer,
    make_normalizer,
)
from sb3_vdb.discriminators.unit import CodeUnit

__all__ = [
    "ACTIVATIONS",
    "PENALTY_TARGETS",
    "AIRLDiscriminator",
    "Architecture",
    "Batch",
    "BoundsNormalizer",
    "CodeUnit",
    "Discriminator",
    "DiscriminatorOutput",
    "FeatureEncoder",
    "GAILDiscriminator",
    "Normalizer",
    "PenaltyTarget",
    "RunningNormalizer",
    "make_normalizer",
]
