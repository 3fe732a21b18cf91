"""Behavioural cloning from vectors, pictures and both."""

import gymnasium as gym
import numpy as np
import pytest

from sb3_vdb import Demonstrations
from sb3_vdb.baselines import BehaviouralCloning, ClonedPolicy
from tests.vmail.small import Dot, make_demonstrations

SIZES = {"units": 32, "cnn_depth": 4}


@pytest.mark.parametrize("kind", ["pixels", "vectors", "both"])
def test_it_learns_the_experts_actions(kind, tmp_path):
    demos = make_demonstrations(kind, n=4, length=30)
    env = Dot(kind, length=30)
    cloned = BehaviouralCloning(env, demos, 3e-3, 64, policy_kwargs=SIZES, seed=0, device="cpu")
    rows = np.arange(100)
    before = cloned._loss(rows).item()
    cloned.learn(150 if kind == "pixels" else 30)
    assert cloned._loss(rows).item() < 0.2 * before
    observation, _ = env.reset(seed=9)
    action, state = cloned.predict(observation)
    assert env.action_space.contains(action)
    assert state is None
    cloned.save(tmp_path / "policy.pt")
    loaded = ClonedPolicy.load(tmp_path / "policy.pt", device="cpu")
    assert np.array_equal(loaded.predict(observation)[0], action)


def test_equal_seeds_give_equal_policies():
    demos = make_demonstrations("vectors")
    actions = []
    for _ in range(2):
        cloned = BehaviouralCloning(Dot("vectors"), demos, policy_kwargs=SIZES, seed=3)
        actions.append(cloned.learn(5).predict(np.zeros(2, np.float32))[0])
    assert np.array_equal(*actions)


def test_actions_without_bounds_are_refused():
    env = Dot("vectors")
    env.action_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    with pytest.raises(ValueError, match="have no bounds"):
        BehaviouralCloning(env, make_demonstrations("vectors"))


def test_demonstrations_that_do_not_fit_are_refused():
    demos = Demonstrations([type(each)(each.observations) for each in make_demonstrations()])
    with pytest.raises(ValueError, match="have no actions"):
        BehaviouralCloning(Dot(), demos)
