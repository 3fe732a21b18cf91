"""The methods of the motion table, and how each of them is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sb3_vdb.adversarial import GAIL, VAIL, preset
from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.networks import PhaseTrunk
from sb3_vdb.views import Join, Vector, View

N_STATE = 197  # numbers of the humanoid's state, the phase first
STATE = Vector("state", columns=tuple(range(1, N_STATE)))
PHASE = Vector("state", columns=(0,), normalize=False)

View_ = Callable[[Demonstrations], "View | None"]


def differences(demonstrations: Demonstrations) -> View | None:
    """See the difference to the clip at the same phase, after the step."""
    return demonstrations.view


def states_and_phase(_: Demonstrations) -> View:
    """See the state after the step, and the phase as one number, the last."""
    return View(Join((STATE, PHASE)), sees=("next_observations",))


def states(_: Demonstrations) -> View:
    """See the state after the step, without the phase."""
    return View(STATE, sees=("next_observations",))


def _paper(row: str) -> Mapping[str, str]:
    """Give a row of the paper's table by skill."""
    skills = ("Backflip", "Cartwheel", "Dance", "Run", "Spinkick")
    return dict(zip(skills, row.split(), strict=True))


def two_frames(_: Demonstrations) -> View:
    """See the states before and after the step, without the phase."""
    return View(STATE, sees=("observations", "next_observations"))


class MotionMethod(NamedTuple):
    """One row of the table.

    :param trainer: class that is trained; None for the hand-made reward
    :param view: what its discriminator sees
    :param changes: arguments in place of those of the preset ``fast-motions``
    :param discriminator: entries of ``discriminator_kwargs`` in place of the preset's
    """

    trainer: type[AdversarialTrainer] | None
    view: View_ = states_and_phase
    changes: Mapping[str, Any] = MappingProxyType({})
    discriminator: Mapping[str, Any] = MappingProxyType({})

    def arguments(self, demonstrations: Demonstrations) -> dict[str, Any]:
        """Give the arguments of the trainer."""
        fast = preset("fast-motions")
        networks = fast.pop("discriminator_kwargs")
        if self.trainer is GAIL:
            del networks["code_dim"]
            fast = {name: value for name, value in fast.items() if name not in OF_BOTTLENECK}
        kwargs = {"view": self.view(demonstrations), **networks, **self.discriminator}
        return {**fast, **self.changes, "discriminator_kwargs": kwargs}


# joint rotation errors in rad, mean and spread of three seeds (VDB paper, table 1)
PAPER_ERRORS: Mapping[str, Mapping[str, str]] = {
    "BC": _paper("3.01 2.88 2.93 2.63 2.88"),
    "Merel": _paper("1.33±.03 1.47±.12 2.61±.30 .52±.04 1.82±.35"),
    "GAIL": _paper(".74±.15 .84±.05 1.31±.16 .17±.03 1.07±.03"),
    "GAIL-noise": _paper(".42±.02 .92±.07 .96±.08 .21±.05 .95±.14"),
    "GAIL-noise-z": _paper(".67±.12 .72±.04 1.14±.08 .14±.03 .64±.09"),
    "GAIL-GP": _paper(".62±.09 .69±.05 .80±.32 .12±.02 .64±.04"),
    "VAIL": _paper(".36±.13 .40±.08 .40±.21 .13±.01 .34±.05"),
    "VAIL-GP": _paper(".46±.17 .31±.02 .15±.01 .10±.01 .31±.02"),
    "DeepMimic": _paper(".26 .21 .20 .14 .19"),
}

OF_BOTTLENECK = ("information_limit", "beta", "beta_step_size")
EXPERT_SIDE = {"grad_penalty_on": "expert"}
WITHOUT_PENALTY = {"grad_penalty_coef": 0.0, **EXPERT_SIDE}
PAPERS_PENALTY = {"grad_penalty_coef": 1.0, **EXPERT_SIDE}
PHASE_FUNCTIONED = {"trunk_class": PhaseTrunk}

LIMITS = (1.0, 2.0, 4.0)  # nats, beside the paper's 0.5

METHODS: Mapping[str, MotionMethod] = {
    "DeepMimic": MotionMethod(None),
    "BC": MotionMethod(None),  # of the policy that ships
    "VAIL-difference": MotionMethod(VAIL, differences),
    "GAIL-difference": MotionMethod(GAIL, differences),
    **{
        f"VAIL-difference, I_c {limit:g}": MotionMethod(
            VAIL, differences, {"information_limit": limit}
        )
        for limit in LIMITS
    },
    "VAIL": MotionMethod(VAIL, changes=WITHOUT_PENALTY, discriminator=PHASE_FUNCTIONED),
    "VAIL-GP": MotionMethod(VAIL, changes=PAPERS_PENALTY, discriminator=PHASE_FUNCTIONED),
    "GAIL": MotionMethod(GAIL, changes=WITHOUT_PENALTY, discriminator=PHASE_FUNCTIONED),
    "GAIL-GP": MotionMethod(GAIL, changes=PAPERS_PENALTY, discriminator=PHASE_FUNCTIONED),
    "GAIL-noise": MotionMethod(
        GAIL, changes={**WITHOUT_PENALTY, "input_noise_std": 0.3}, discriminator=PHASE_FUNCTIONED
    ),
    "GAIL-noise-z": MotionMethod(
        GAIL, changes={**WITHOUT_PENALTY, "hidden_noise_std": 1.0}, discriminator=PHASE_FUNCTIONED
    ),
    # AMP (Peng et al. 2021): least squares on two frames without phase
    "AMP": MotionMethod(
        GAIL, two_frames, {"disc_loss": "least_squares", "grad_penalty_coef": 5.0, **EXPERT_SIDE}
    ),
    # fully connected, without phase and bottleneck, as Merel et al. (2017) are described there
    "Merel": MotionMethod(GAIL, states, WITHOUT_PENALTY),
    # figure 11: how the discriminator knows the phase
    "VAIL-GP, phase as input": MotionMethod(VAIL, changes=PAPERS_PENALTY),
    "VAIL-GP, no phase": MotionMethod(VAIL, states, PAPERS_PENALTY),
}
