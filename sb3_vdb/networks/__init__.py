"""Networks that several algorithms share: trunks, dense layers, pictures, whole observations, and
normalisers.

This room knows no algorithm, no demonstrations and no environment.
"""

from sb3_vdb.networks.dense import initialize, mlp
from sb3_vdb.networks.normalizers import (
    BoundsNormalizer,
    Normalizer,
    RunningNormalizer,
    make_normalizer,
)
from sb3_vdb.networks.observation_parts import as_parts, is_picture, row_of, space_parts
from sb3_vdb.networks.observations import ObservationDecoder, ObservationEncoder, Observations
from sb3_vdb.networks.phase_functioned import PhaseLinear, PhaseTrunk
from sb3_vdb.networks.pictures import PICTURE_NETS, PictureNet, PictureSettings
from sb3_vdb.networks.random_shifts import RandomShift, randomly_shifted
from sb3_vdb.networks.trunks import ConvTrunk, DenseTrunk, PatchTrunk, make_trunk

__all__ = [
    "PICTURE_NETS",
    "BoundsNormalizer",
    "ConvTrunk",
    "DenseTrunk",
    "Normalizer",
    "ObservationDecoder",
    "ObservationEncoder",
    "Observations",
    "PatchTrunk",
    "PhaseLinear",
    "PhaseTrunk",
    "PictureNet",
    "PictureSettings",
    "RandomShift",
    "RunningNormalizer",
    "as_parts",
    "initialize",
    "is_picture",
    "make_normalizer",
    "make_trunk",
    "mlp",
    "randomly_shifted",
    "row_of",
    "space_parts",
]
