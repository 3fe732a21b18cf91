"""Networks that learners of every kind share: trunks, normalisers, and what embeds observations."""

from sb3_vdb.networks.normalizers import (
    BoundsNormalizer,
    Normalizer,
    RunningNormalizer,
    make_normalizer,
)
from sb3_vdb.networks.trunks import DenseTrunk, make_trunk

__all__ = [
    "BoundsNormalizer",
    "DenseTrunk",
    "Normalizer",
    "RunningNormalizer",
    "make_normalizer",
    "make_trunk",
]
