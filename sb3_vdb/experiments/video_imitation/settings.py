"""The methods of the video study, and how each of them is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sb3_vdb.adversarial import GAIL, VAIL
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.motion_imitation.settings import (
    PAPERS_PENALTY,
    WITHOUT_PENALTY,
    MotionMethod,
    differences,
)
from sb3_vdb.networks import PatchTrunk
from sb3_vdb.views import Join, Picture, Vector, View

PHASE = Vector("phase", normalize=False)
FIXED_BETAS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # of figure 6; the limit is held by none of them


def frames(_: Demonstrations) -> View:
    """See the frame after the step."""
    return View(Picture("frame"), sees=("next_observations",))


def frames_and_phase(_: Demonstrations) -> View:
    """See the frame after the step, and the phase as one number."""
    return View(Join((Picture("frame"), PHASE)), sees=("next_observations",))


def _method(trainer: Any, view: Any = frames, **changes: Any) -> MotionMethod:
    discriminator = {
        "trunk_class": PatchTrunk,
        "trunk_kwargs": {"depth": 16, "features_dim": 128},
    }
    # half the updates on half as many frames: a discriminator of pictures costs more than all else
    few = {"demo_batch_size": 128, "n_disc_updates_per_round": 8}
    return MotionMethod(trainer, view, {**few, **changes}, discriminator)


class HandMade(NamedTuple):
    """A reward that nobody learns.

    :param is_of_pixels: whether it is the pixels', not DeepMimic's
    """

    is_of_pixels: bool


HAND_MADE: Mapping[str, HandMade] = {"DeepMimic": HandMade(False), "pixel reward": HandMade(True)}

METHODS: Mapping[str, MotionMethod] = {
    **{name: MotionMethod(None) for name in HAND_MADE},
    "VAIL-difference": _method(VAIL, differences),
    "GAIL-difference": _method(GAIL, differences),
    "VAIL": _method(VAIL, **WITHOUT_PENALTY),
    "VAIL-GP": _method(VAIL, **PAPERS_PENALTY),
    "VAIL-GP, phase as input": _method(VAIL, frames_and_phase, **PAPERS_PENALTY),
    "GAIL": _method(GAIL, **WITHOUT_PENALTY),
    "GAIL-GP": _method(GAIL, **PAPERS_PENALTY),
    **{
        f"VAIL-difference, beta {beta:g}": _method(VAIL, differences, beta=beta, beta_step_size=0.0)
        for beta in FIXED_BETAS
    },
}
