"""Episodes that end because D stays low: what is restarted, stored, counted and resumed."""

import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecMonitor

from sb3_vdb import AIRL, GAIL, Demonstrations, make_vec_env
from sb3_vdb.adversarial.training_venv import EarlyEnd, TrainingRewardVecEnv
from sb3_vdb.discriminators import AIRLDiscriminator
from sb3_vdb.transitions import Transitions

MAZE = "sb3_vdb/CMaze-v0"
PENDULUM = "Pendulum-v1"
VENVS = {
    "batch": lambda: make_vec_env(MAZE, 3, seed=0),
    "dummy": lambda: VecMonitor(make_vec_env(PENDULUM, 3, seed=0)),
    "processes": lambda: make_vec_env(PENDULUM, 3, seed=0, vec_env_cls=SubprocVecEnv),
}


def likeness(values):
    """D of each environment, whatever it does."""
    return lambda transitions: np.asarray(values, np.float32)


def wrap(venv, values, below=0.5):
    wrapper = TrainingRewardVecEnv(venv, None, EarlyEnd(likeness(values), below, venv.num_envs))
    return wrapper, wrapper.learning()


def actions(venv):
    return np.full((venv.num_envs, *venv.action_space.shape), 0.3, np.float32)


@pytest.mark.parametrize("kind", VENVS)
def test_an_episode_ends_after_five_low_steps_and_the_others_go_on(kind):
    venv = VENVS[kind]()
    wrapper, learning = wrap(venv, [0.9, 0.1, 0.9])
    first = wrapper.reset().copy()
    seen = []
    with learning:
        for _ in range(6):
            seen.append(wrapper.step(actions(venv)))
    dones = np.stack([step[2] for step in seen])
    assert dones[:, 1].tolist() == [False] * 4 + [True, False]
    assert not dones[:, [0, 2]].any()
    observations, _, _, infos = seen[4]
    info = infos[1]
    assert info["ended_early"]
    assert info["TimeLimit.truncated"] is False
    assert not np.array_equal(info["terminal_observation"], observations[1])
    if kind != "processes":
        assert info["episode"]["l"] == 5
    transitions, stored, _ = wrapper.pop_collected()
    assert stored[:, 1].tolist() == dones[:, 1].tolist()
    terminated = transitions.terminated.reshape(6, 3)
    assert terminated[4].tolist() == [False, True, False]
    assert terminated.sum() == 1
    following = transitions.observations.reshape(6, 3, -1)
    np.testing.assert_array_equal(following[5, 1], observations[1].reshape(-1))
    before = transitions.next_observations.reshape(6, 3, -1)
    np.testing.assert_array_equal(before[4, 1], np.ravel(info["terminal_observation"]))
    assert wrapper.early_end.n_ended == 1
    assert first.shape == observations.shape
    venv.close()


def test_steps_that_are_low_now_and_then_end_nothing():
    values = np.array([0.1], np.float32)
    early = EarlyEnd(lambda transitions: values, 0.5, 1)
    one = Transitions(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1, bool))
    for step in range(12):
        values[0] = 0.9 if step % 5 == 4 else 0.1
        assert len(early.choose(one, np.zeros(1, bool))) == 0
    for _ in range(3):
        values[0] = 0.1
        early.choose(one, np.ones(1, bool))  # an end of its own begins to count anew
    assert early.low[0] == 0


def make_trainer(venv, kind=GAIL, **changes):
    demonstrations = Demonstrations.from_arrays(
        [np.random.default_rng(0).uniform(-0.5, 0.5, (60, 3)).astype(np.float32)],
        [np.zeros((59, 1), np.float32)],
    )
    generator = PPO("MlpPolicy", venv, n_steps=32, batch_size=32, n_epochs=1, seed=0, device="cpu")
    arguments = {"demo_batch_size": 16, "n_disc_updates_per_round": 2, "seed": 0, "device": "cpu"}
    return kind(demonstrations, venv, generator, **(arguments | changes))


@pytest.mark.parametrize("relabel", [None, False])
def test_a_training_ends_episodes_and_learns_on(relabel, tmp_path):
    venv = make_vec_env(PENDULUM, 2, seed=0)
    trainer = make_trainer(venv, end_below=1.0, relabel=relabel, terminal_reward=0.0)
    trainer.learn(128)
    assert trainer.reward_venv.early_end.n_ended == 2 * (64 // 5)
    again = GAIL.load(trainer.save(tmp_path / "gail"), make_vec_env(PENDULUM, 2, seed=1))
    assert again.settings.end_below == 1.0
    np.testing.assert_array_equal(again.reward_venv.early_end.low, [4, 4])  # 64 steps
    again.learn(64, reset_num_timesteps=False)
    assert all(bool(th.isfinite(each).all()) for each in again.policy.parameters())


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda venv: VecFrameStack(venv, 2), GAIL, "a VecFrameStack among the environments"),
        (lambda venv: venv, AIRL, "`end_below` needs D itself"),
    ],
)
def test_what_cannot_end_early_is_refused(change, kind, message):
    venv = change(make_vec_env(PENDULUM, 2, seed=0))
    assert AIRLDiscriminator.needs_density
    with pytest.raises(ValueError, match=message):
        make_trainer(venv, kind, end_below=0.1)


def test_a_share_that_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="`end_below` must be between 0 and 1, got 2"):
        make_trainer(make_vec_env(PENDULUM, 2), end_below=2)


def test_single_environments_are_restarted_where_they_are():
    venv = DummyVecEnv([lambda: make_vec_env(PENDULUM, 1).envs[0]] * 2)
    wrapper, learning = wrap(venv, [0.1, 0.9])
    wrapper.reset()
    with learning:
        for _ in range(5):
            observations, _, dones, _ = wrapper.step(actions(venv))
    assert dones.tolist() == [True, False]
    np.testing.assert_allclose(np.linalg.norm(observations[0, :2]), 1.0, rtol=1e-5)


def test_an_early_end_beside_one_of_its_own_gets_its_own_learned_return():
    """Copy 0 ends by its time limit in the step in which copy 1 is ended again."""
    venv = make_vec_env(MAZE, 2, seed=0, env_kwargs={"max_episode_steps": 5})
    early = EarlyEnd(likeness([0.9, 0.1]), 0.5, 2)
    wrapper = TrainingRewardVecEnv(venv, lambda transitions: np.array([1, 2], np.float32), early)
    wrapper.reset()
    early.low[1] = 1  # one step ahead: the copies end at steps 5 and 4
    with wrapper.learning():
        for _ in range(4):
            *_, dones, infos = wrapper.step(actions(venv))
    assert dones.tolist() == [False, True]
    assert infos[1]["learned_return"] == 8.0
    early.low[1] = 4
    with wrapper.learning():
        *_, dones, infos = wrapper.step(actions(venv))
    assert dones.tolist() == [True, True]
    assert [info["learned_return"] for info in infos] == [5.0, 2.0]
    assert wrapper.pop_finished_returns() == [8.0, 5.0, 2.0]
