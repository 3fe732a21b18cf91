"""Demonstrations that were recorded without the VecFrameStack that a learner has."""

import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from sb3_vdb import GAIL, Demonstrations
from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.transitions import parts_of
from tests.conftest import small_ppo
from tests.test_acting import PLAIN, Remembering, environments
from tests.vmail.small import Dot, make_demonstrations, make_model


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, part in theirs.items():
        np.testing.assert_array_equal(ours[name], part)


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("parts", [False, True])
def test_demonstrations_are_stacked_as_sb3_stacks_observations(order, parts):
    venv = VecFrameStack(environments(parts=parts), 3, channels_order=order)
    plain = Demonstrations.from_rollouts(Remembering(), environments(parts=parts), 2)
    expected = Demonstrations.from_rollouts(Remembering(), venv, 2)
    above = VecFrameStack(VecNormalize(environments(parts=parts)), 3)
    for made, wanted in (
        (plain.as_stacked_in(venv), expected),
        (expected.as_stacked_in(venv), expected),  # stacked already
        (plain.as_stacked_in(above), plain),  # discriminators see what is below
    ):
        for ours, theirs in zip(made, wanted, strict=True):
            assert_same(parts_of(ours.observations), parts_of(theirs.observations))
            assert ours.actions is not None


@pytest.mark.parametrize("kind", ["vectors", "pixels"])
def test_learners_take_demonstrations_that_are_not_stacked(kind):
    demos = make_demonstrations(kind)
    venv = VecFrameStack(DummyVecEnv([lambda: Dot(kind)]), 2)
    shape = {"vectors": (4,), "pixels": (6, 16, 16)}[kind]
    assert make_model(kind, venv, demonstrations=demos).observation_space.shape == shape
    cloned = BehaviouralCloning(venv, demos, policy_kwargs={"units": 4}, device="cpu")
    assert cloned.predict(np.zeros((1, *shape), np.float32))[0].shape == (1, 2)
    if kind == "vectors":
        trainer = GAIL(demos, venv, small_ppo(venv), demo_batch_size=4, **PLAIN)
        assert trainer.demonstrations[0].observations.shape == (13, 4)
