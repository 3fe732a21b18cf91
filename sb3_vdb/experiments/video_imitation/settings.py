"""The methods of the video study, and how each of them is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from sb3_vdb.adversarial import GAIL, VAIL
from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.motion_imitation.settings import (
    PAPERS_PENALTY,
    WITHOUT_PENALTY,
    MotionMethod,
    View_,
    differences,
)
from sb3_vdb.networks import PatchTrunk, PhaseTrunk
from sb3_vdb.views import Join, Picture, PictureDifference, Vector, View

PHASE = Vector("phase", normalize=False)
LIMITS = (1.0, 2.0, 4.0)  # nats, beside the paper's 0.5
FIXED_BETAS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # beside the adaptive one, figure 6


def frames(_: Demonstrations) -> View:
    """See the frame after the step."""
    return View(Picture("frame"), sees=("next_observations",))


def frames_and_phase(_: Demonstrations) -> View:
    """See the frame after the step, and the phase as one number."""
    return View(Join((Picture("frame"), PHASE)), sees=("next_observations",))


def pixel_differences(demonstrations: Demonstrations) -> View:
    """See the difference of every pixel to the video's at the same phase, after the step."""
    view = demonstrations.view
    assert view is not None
    assert isinstance(view.observation, PictureDifference)
    return replace(view, observation=replace(view.observation, grids=()))


def _of_pictures(
    trainer: type[AdversarialTrainer],
    changes: Mapping[str, Any] = MappingProxyType({}),
    view: View_ = frames,
    networks: Mapping[str, Any] = MappingProxyType({}),
) -> MotionMethod:
    """Make a method whose discriminator sees pictures.

    :param trainer: class that is trained
    :param changes: arguments in place of the preset's
    :param view: what the discriminator sees
    :param networks: more entries of ``discriminator_kwargs``
    """
    discriminator = {
        "trunk_class": PatchTrunk,
        "trunk_kwargs": {"depth": 16, "features_dim": 128},
        **networks,
    }
    # half the updates on half as many frames: such a discriminator costs more than all else
    few = {"demo_batch_size": 128, "n_disc_updates_per_round": 8}
    return MotionMethod(trainer, view, {**few, **changes}, discriminator)


class HandMade(NamedTuple):
    """A reward that nobody learns.

    :param is_of_pixels: whether it is the pixels', not DeepMimic's
    """

    is_of_pixels: bool


HAND_MADE: Mapping[str, HandMade] = {"DeepMimic": HandMade(False), "pixel reward": HandMade(True)}

FOREIGN = "VAIL-difference, foreign video"  # MuJoCo's renderer filmed it

METHODS: Mapping[str, MotionMethod] = {
    **{name: MotionMethod(None) for name in HAND_MADE},
    "VAIL-difference": MotionMethod(VAIL, differences),
    "GAIL-difference": MotionMethod(GAIL, differences),
    **{
        f"VAIL-difference, I_c {limit:g}": MotionMethod(
            VAIL, differences, {"information_limit": limit}
        )
        for limit in LIMITS
    },
    FOREIGN: MotionMethod(VAIL, differences),
    "VAIL-difference, pixels": _of_pictures(VAIL, view=pixel_differences),
    "VAIL": _of_pictures(VAIL, WITHOUT_PENALTY),
    "VAIL-GP": _of_pictures(VAIL, PAPERS_PENALTY),
    "VAIL-GP, phase as input": _of_pictures(VAIL, PAPERS_PENALTY, frames_and_phase),
    "VAIL-GP, phase-functioned": _of_pictures(
        VAIL, PAPERS_PENALTY, frames_and_phase, {"fusion_class": PhaseTrunk}
    ),
    "GAIL": _of_pictures(GAIL, WITHOUT_PENALTY),
    "GAIL-GP": _of_pictures(GAIL, PAPERS_PENALTY),
    **{
        f"VAIL-difference, beta {beta:g}": MotionMethod(
            VAIL, differences, {"beta": beta, "beta_step_size": 0.0}
        )
        for beta in FIXED_BETAS
    },
}

ADAPTIVE = "VAIL-difference"
# what stands in one figure, by what its name has behind the skill's
GROUPS: Mapping[str, Sequence[str]] = {
    "": [name for name in METHODS if "beta" not in name and "I_c" not in name],
    "_limit": [ADAPTIVE, *(name for name in METHODS if "I_c" in name), "GAIL-difference"],
    "_fixed_beta": [ADAPTIVE, *(name for name in METHODS if "beta" in name)],
}
SALIENT = (ADAPTIVE, "GAIL-difference", "VAIL", "GAIL")  # figure 5
