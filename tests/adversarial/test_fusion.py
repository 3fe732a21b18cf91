"""Vectors beside pictures: what the picture and the action say together is heard."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from sb3_vdb.discriminators import AIRLDiscriminator, Discriminator, GAILDiscriminator
from sb3_vdb.networks import ConvTrunk, PatchTrunk, PhaseTrunk
from sb3_vdb.transitions import Transitions
from sb3_vdb.views import Join, Picture, Vector, View

PICTURE = spaces.Box(0, 255, (16, 16, 1), np.uint8)
TWO_ACTIONS = spaces.Discrete(2)
TRUNK = {"trunk_class": ConvTrunk, "trunk_kwargs": {"depth": 2, "features_dim": 8}}
PHASED = spaces.Dict(
    {
        "frame": spaces.Box(0, 255, (16, 16, 1), np.uint8),
        "phase": spaces.Box(-1.0, 1.0, (1,), np.float32),
    }
)
PHASED_VIEW = View(
    Join((Picture("frame"), Vector("phase", normalize=False))), ("next_observations",)
)


def four_pairs():
    """Black and white pictures with each of two actions."""
    pictures = np.repeat(np.array([0, 255], np.uint8), 2)[:, None, None, None]
    pictures = np.broadcast_to(pictures, (4, 16, 16, 1))
    actions = np.array([0, 1, 0, 1])
    return Transitions(pictures, actions, pictures, np.zeros(4, dtype=bool))


@pytest.mark.parametrize("kind", [GAILDiscriminator, AIRLDiscriminator])
@pytest.mark.parametrize("code_dim", [None, 4])
def test_which_action_is_the_experts_depends_on_the_picture(kind, code_dim):
    """An expert that acts by its picture, by an exclusive or, is told from the other one."""
    th.manual_seed(1)
    view = View(sees=("observations", "actions"))
    discriminator = kind(PICTURE, TWO_ACTIONS, view=view, code_dim=code_dim, **TRUNK)
    pairs = discriminator.encode(four_pairs())
    labels = th.tensor([0.0, 1.0, 1.0, 0.0])
    optimizer = th.optim.Adam(discriminator.parameters(), lr=1e-2)
    for _ in range(150):
        logits = discriminator(pairs, sample=False).logits_expert_is_high
        loss = th.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with th.no_grad():
        logits = discriminator(pairs, sample=False).logits_expert_is_high
    assert ((logits > 0) == (labels > 0)).all()
    assert loss < 0.1


def test_a_phase_functions_the_layers_behind_a_picture():
    """With the same picture, the logit is piecewise linear in the phase where no activation
    changes its sign, and another piece begins at a set of weights.
    """
    made = GAILDiscriminator(
        PHASED,
        TWO_ACTIONS,
        view=PHASED_VIEW,
        fusion_class=PhaseTrunk,
        fusion_kwargs={"net_arch": (8,), "n_sets": 3, "activation_fn": th.nn.Identity},
        **TRUNK,
    )
    rebuilt = Discriminator.rebuild(made.describe(), PHASED, TWO_ACTIONS, "test")
    assert isinstance(rebuilt.unit.fusion, PhaseTrunk)
    phases = np.linspace(-1.0, 1.0, 9, dtype=np.float32)[:, None]
    frames = np.full((9, 16, 16, 1), 100, np.uint8)
    seen = {"frame": frames, "phase": phases}
    batch = made.encode(Transitions(seen, None, seen, np.zeros(9, dtype=bool)))
    with th.no_grad():
        logits = made(batch, sample=False).logits_expert_is_high
    bends = logits.diff().diff().abs()
    assert bends[3] > 1e-4  # at phase 0, where the second set stands
    assert bends[[0, 1, 2, 4, 5, 6]].max() < 1e-5


@pytest.mark.parametrize(
    ("space", "arguments", "message"),
    [
        (PICTURE, {"fusion_kwargs": {"net_arch": ()}}, "`net_arch`"),
        (PICTURE, {"fusion_class": PatchTrunk}, "PatchTrunk takes square pictures"),
        (PICTURE, {"fusion_class": int}, "`fusion_class` must be a subclass"),
        (PICTURE, {"fusion_kwargs": {"depth": 3}}, "`fusion_kwargs` {'depth': 3}"),
        (
            PICTURE,
            {"fusion_kwargs": {}, "view": View(sees=("observations",))},
            "sees pictures alone",
        ),
    ],
)
def test_bad_fusions(space, arguments, message):
    with pytest.raises(ValueError, match=message):
        GAILDiscriminator(space, TWO_ACTIONS, **{**TRUNK, **arguments})


def test_vectors_alone_need_no_fusion():
    with pytest.raises(ValueError, match="sees vectors alone"):
        GAILDiscriminator(spaces.Box(-1, 1, (3,)), TWO_ACTIONS, fusion_kwargs={"net_arch": (8,)})
