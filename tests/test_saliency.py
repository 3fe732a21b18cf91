"""Maps of where a discriminator looks."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from torch import nn

from sb3_vdb.discriminators import GAILDiscriminator
from sb3_vdb.evaluation.saliency import saliency
from sb3_vdb.networks import ConvTrunk
from sb3_vdb.transitions import Transitions
from sb3_vdb.views import Join, Picture, PictureDifference, Vector, View

SPACE = spaces.Dict(
    {
        "frame": spaces.Box(0, 255, (16, 16, 3), np.uint8),
        "phase": spaces.Box(-1.0, 1.0, (1,), np.float32),
    }
)
ACTIONS = spaces.Box(-1.0, 1.0, (2,), np.float32)
ON_GRIDS = PictureDifference(np.zeros((4, 16, 16, 3), np.uint8), grids=(4, 2))


def transitions_of(frames: np.ndarray) -> Transitions:
    n = len(frames)
    seen = {"frame": frames, "phase": np.linspace(-1.0, 0.9, n, dtype=np.float32)[:, None]}
    return Transitions(seen, np.zeros((n, 2), np.float32), seen, np.zeros(n, dtype=bool))


def discriminator_of(view, sees=("next_observations",), **kwargs):
    th.manual_seed(0)
    made = GAILDiscriminator(
        SPACE, ACTIONS, view=View(view, sees=sees), normalize_inputs="none", **kwargs
    )
    return made.eval()


def logits_of(discriminator, frames):
    with th.no_grad():
        batch = discriminator.encode(transitions_of(frames))
        return discriminator(batch, sample=False).logits_expert_is_high.numpy()


@pytest.mark.parametrize("view", [ON_GRIDS, Join((Vector("phase"), ON_GRIDS))])
@pytest.mark.parametrize("code_dim", [None, 4])
def test_a_map_is_what_a_pixel_changes_in_the_logit(view, code_dim):
    """A network of one linear layer, so that differences are gradients."""
    discriminator = discriminator_of(
        view,
        code_dim=code_dim,
        trunk_kwargs={"net_arch": (8,), "activation_fn": nn.Identity},
    )
    frames = np.full((3, 16, 16, 3), 100, np.uint8)
    maps = saliency(discriminator, transitions_of(frames))
    assert maps.shape == (3, 16, 16)
    before = logits_of(discriminator, frames)
    for row, column in ((0, 0), (3, 6), (15, 15)):
        changes = []
        for channel in range(3):
            changed = frames.copy()
            changed[:, row, column, channel] += 100
            changes.append((logits_of(discriminator, changed) - before) / 100)
        largest = np.abs(changes).max(axis=0)
        np.testing.assert_allclose(maps[:, row, column], largest, rtol=2e-3, atol=1e-7)


def test_pictures_are_mapped_pixel_by_pixel():
    discriminator = discriminator_of(
        Picture("frame"), trunk_class=ConvTrunk, trunk_kwargs={"depth": 4}
    )
    rng = np.random.default_rng(0)
    frames = rng.integers(60, 200, (2, 16, 16, 3)).astype(np.uint8)
    maps = saliency(discriminator, transitions_of(frames))
    assert maps.shape == (2, 16, 16)
    row, column = np.unravel_index(maps[0].argmax(), (16, 16))
    changes = []
    for channel in range(3):
        up, down = frames.copy(), frames.copy()
        up[0, row, column, channel] += 1
        down[0, row, column, channel] -= 1
        changes.append((logits_of(discriminator, up) - logits_of(discriminator, down))[0] / 2)
    assert np.abs(changes).max() == pytest.approx(maps[0, row, column], rel=0.1)


def test_both_moments_count():
    both = discriminator_of(ON_GRIDS, sees=("observations", "next_observations"))
    assert saliency(both, transitions_of(np.zeros((2, 16, 16, 3), np.uint8))).shape == (2, 16, 16)


def test_without_a_picture_there_is_no_map():
    blind = discriminator_of(Vector("phase"))
    with pytest.raises(ValueError, match="no picture"):
        saliency(blind, transitions_of(np.zeros((2, 16, 16, 3), np.uint8)))
