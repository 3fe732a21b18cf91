"""Behavioural cloning from vectors, pictures and both."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecMonitor, VecNormalize

from sb3_vdb import Demonstrations, NonFiniteError
from sb3_vdb.baselines import BehaviouralCloning, ClonedPolicy
from sb3_vdb.evaluation import evaluate_returns
from tests.spaces import make_venv, random_demonstrations
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


@pytest.mark.parametrize("wrap", [lambda venv: venv, VecMonitor, VecNormalize])
def test_it_acts_under_a_vec_normalize_as_it_learned_from_raw_observations(wrap):
    """The statistics go on changing while it acts."""
    raw = make_venv()
    demos, settings = random_demonstrations(raw), {"policy_kwargs": SIZES, "seed": 0}
    expected = BehaviouralCloning(raw, demos, **settings).learn(5)
    venv = wrap(VecNormalize(make_venv()))
    cloned = BehaviouralCloning(venv, demos, **settings).learn(5)
    assert cloned.get_vec_normalize_env() is not None
    lowest = cloned._normalizers[-1]
    observations = venv.reset()
    for _ in range(30):
        actions, _ = cloned.predict(observations)
        np.testing.assert_allclose(
            actions, expected.predict(lowest.get_original_obs())[0], atol=1e-4
        )
        observations = venv.step(actions)[0]
    assert not np.allclose(observations, lowest.get_original_obs(), atol=0.01)
    assert evaluate_returns(cloned, cloned.get_env(), 2).lengths.tolist() == [20, 20]


def test_normalised_observations_that_another_wrapper_changes_are_refused():
    venv = VecFrameStack(VecNormalize(make_venv()), 2)
    stacked = Demonstrations.from_arrays([np.zeros((5, 6), np.float32)], [np.zeros((4, 2))])
    with pytest.raises(ValueError, match="put VecNormalize around the other wrappers"):
        BehaviouralCloning(venv, stacked)


def test_parts_that_are_normalised_are_those_that_it_undoes():
    demos = make_demonstrations("both")
    venv = VecNormalize(DummyVecEnv([lambda: Dot("both", length=12)]), norm_obs_keys=["robot.pos"])
    cloned = BehaviouralCloning(venv, demos, policy_kwargs=SIZES, seed=0).learn(1)
    observations = venv.reset()
    raw = venv.get_original_obs()
    expected, _ = cloned.policy.predict(raw)
    np.testing.assert_allclose(cloned.predict(observations)[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number from 1 on, got 0"),
        ({"batch_size": 2.0}, r"`batch_size` must be a whole number from 1 on, got 2\.0"),
        ({"learning_rate": float("inf")}, "`learning_rate` must be a positive number, got inf"),
        ({"weight_decay": -1}, "`weight_decay` must be a finite number from 0 on, got -1"),
        ({"seed": 1e300}, r"`seed` must be a whole number from 0 on, got 1e\+300"),
        ({"seed": -1}, "`seed` must be a whole number from 0 on, got -1"),
        ({"policy_kwargs": {"units": 0}}, "`units` must be a whole number from 1 on, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BehaviouralCloning(Dot("vectors"), make_demonstrations("vectors"), **arguments)


def test_updates_that_cannot_be_are_refused():
    cloned = BehaviouralCloning(Dot("vectors"), make_demonstrations("vectors"), policy_kwargs=SIZES)
    for bad in (-1, 2.5, None):
        with pytest.raises(ValueError, match="`n_updates` must be a whole number from 0 on"):
            cloned.learn(bad)
    cloned.optimizer.param_groups[0]["lr"] = 1e30
    with pytest.raises(NonFiniteError, match="the loss is not finite; lower `learning_rate`"):
        cloned.learn(20)


@pytest.mark.parametrize("n_updates", [1, 3])
def test_a_weight_that_is_not_finite_is_named_and_taken_back(n_updates, monkeypatch):
    """Found by the next loss, or at the end where none follows."""
    cloned = BehaviouralCloning(Dot("vectors"), make_demonstrations("vectors"), policy_kwargs=SIZES)
    weight = next(cloned.policy.parameters())
    monkeypatch.setattr(cloned.optimizer, "step", lambda: weight.data.fill_(float("inf")))
    before = {name: each.clone() for name, each in cloned.policy.state_dict().items()}
    with pytest.raises(NonFiniteError, match=r"not finite; lower `learning_rate`"):
        cloned.learn(n_updates)
    for name, value in cloned.policy.state_dict().items():
        assert th.equal(value, before[name]), name
    monkeypatch.undo()
    assert np.isfinite(cloned.learn(20).predict(Dot("vectors").reset(seed=0)[0])[0]).all()
