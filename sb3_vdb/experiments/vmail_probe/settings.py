"""Which settings of the world model are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

PRESET = "laptop"


class Variant(NamedTuple):
    """One row: what differs from the preset.

    :param changes: arguments of :class:`~sb3_vdb.VMAIL`
    :param sizes: entries of ``policy_kwargs``
    :param look: arguments of the pixel environment
    """

    changes: Mapping[str, Any] = {}
    sizes: Mapping[str, Any] = {}
    look: Mapping[str, Any] = {}


LOOK: Mapping[str, Any] = {"image_size": 24, "supersample": 6, "frame_stack": 2}
VARIANTS: Mapping[str, Variant] = {
    "preset": Variant(),
    **{f"kl_coef {coef:g}": Variant({"kl_coef": coef}) for coef in (0.01, 0.3, 1.0)},
    "no floor": Variant(look={"floor": False}),
    "deter 256": Variant(sizes={"deter_dim": 256, "hidden_dim": 256, "stoch_dim": 32}),
    "categorical": Variant(sizes={"latent": "categorical", "stoch_dim": 16, "n_classes": 16}),
    "convolutions": Variant(
        sizes={"picture_net": "conv", "cnn_depth": 16}, look={"image_size": 32}
    ),
    "learning_rate 4e-3": Variant({"learning_rate": 4e-3}),
}
# names of the physics state's numbers, in groups that are averaged; dm_control's positions come
# before its velocities
GROUPS: Mapping[str, Mapping[str, slice]] = {
    "WalkerWalk": {
        "height": slice(0, 1), "pitch": slice(2, 3), "joints": slice(3, 9), "rates": slice(9, 18),
    },
    "CheetahRun": {
        "height": slice(1, 2), "pitch": slice(2, 3), "joints": slice(3, 9), "rates": slice(9, 18),
    },
    "CartpoleSwingup": {"place": slice(0, 1), "angle": slice(1, 2), "rates": slice(2, 4)},
}  # fmt: skip
