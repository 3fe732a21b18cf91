"""Networks that several algorithms share: dense layers, pictures, and whole observations.

This room knows no algorithm, no demonstrations and no environment.
"""

from sb3_vdb.networks.dense import initialize, mlp
from sb3_vdb.networks.observation_parts import as_parts, is_picture, row_of, space_parts
from sb3_vdb.networks.observations import ObservationDecoder, ObservationEncoder, Observations
from sb3_vdb.networks.pictures import PICTURE_NETS, PictureNet, PictureSettings

__all__ = [
    "PICTURE_NETS",
    "ObservationDecoder",
    "ObservationEncoder",
    "Observations",
    "PictureNet",
    "PictureSettings",
    "as_parts",
    "initialize",
    "is_picture",
    "mlp",
    "row_of",
    "space_parts",
]
