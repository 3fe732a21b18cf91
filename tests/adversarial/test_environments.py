"""The environments of a trainer: exchanged, normalised, or gone wrong."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from sb3_contrib import ARS
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecMonitor,
    VecNormalize,
)

from sb3_vdb import GAIL, Demonstrations, NonFiniteError, RewardVecEnv, View, make_vec_env
from sb3_vdb.finite_steps import is_finite
from sb3_vdb.views import Vector
from tests.adversarial.generators import make_trainer
from tests.conftest import MAZE


def mazes(n_envs=2):
    return make_vec_env(MAZE, n_envs, seed=0)


# ---------------------------------------------------------------------- exchanged


def test_environments_that_the_generator_was_given_elsewhere_are_refused(demos):
    trainer = make_trainer("GAIL", "PPO", demos)
    trainer.gen_algo.set_env(mazes())
    with pytest.raises(ValueError, match=r"learned reward is not paid there; call trainer.set_env"):
        trainer.learn(100)
    trainer.set_env(mazes())
    assert trainer.learn(100).n_rounds == 1
    assert (trainer.gen_algo.rollout_buffer.rewards > 0).all()  # "gail", not the maze's


def test_a_generator_that_two_trainers_share_learns_from_the_latest_alone(demos):
    first = make_trainer("GAIL", "PPO", demos)
    GAIL(demos, mazes(), first.gen_algo, demo_batch_size=20)
    with pytest.raises(ValueError, match="another trainer took it"):
        first.learn(100)


@pytest.mark.parametrize("generator", ["PPO", "SAC"])
def test_the_generators_own_learn_is_refused(generator, demos):
    trainer = make_trainer("GAIL", generator, demos)
    with pytest.raises(ValueError, match=r"trainer.learn alone: call it instead of gen_algo.learn"):
        trainer.gen_algo.learn(100)
    assert trainer.reward_venv.n_collected == 0
    trainer.learn(100)


def test_set_env_refuses_other_environments(demos):
    trainer = make_trainer("GAIL", "PPO", demos, venv=VecNormalize(mazes()))
    for venv, message in (
        (VecNormalize(mazes(3)), "made for 2 environments and `venv` has 3"),
        (mazes(), "`venv` must be a VecNormalize"),
        (VecNormalize(mazes(), norm_reward=False), "norm_reward=False"),
        (VecNormalize(make_vec_env("Pendulum-v1", 2)), "observation_space"),
    ):
        with pytest.raises(ValueError, match=message):
            trainer.set_env(venv)


def test_other_environments_go_on_with_the_statistics(demos):
    trainer = make_trainer("GAIL", "PPO", demos, venv=VecNormalize(mazes())).learn(100)
    before = trainer.venv.obs_rms.mean.copy()
    trainer.set_env(VecNormalize(mazes()))
    np.testing.assert_array_equal(trainer.venv.obs_rms.mean, before)
    trainer.learn(100, reset_num_timesteps=False)
    assert trainer.n_rounds == 2


def test_a_generator_without_gradients_is_refused(demos):
    venv = mazes()
    with pytest.raises(ValueError, match="ARS, which learns without gradients"):
        GAIL(demos, venv, ARS("MlpPolicy", venv, device="cpu"), demo_batch_size=20)


# ---------------------------------------------------------------------- normalised


def test_wrappers_above_vec_normalize_stay(demos):
    trainer = make_trainer("GAIL", "PPO", demos, venv=VecMonitor(VecNormalize(mazes())))
    trainer.learn(100)
    assert isinstance(trainer.venv, VecMonitor)
    assert (trainer.rounds.normalize.obs_rms.count) > 100


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({"norm_obs": False}, "norm_obs=False, that of the training had norm_obs=True"),
        ({"clip_obs": 3.0}, "clip_obs=3.0, that of the training had clip_obs=10.0"),
    ],
)
def test_evaluation_that_normalises_otherwise_is_refused(settings, difference, demos):
    trainer = make_trainer("GAIL", "PPO", demos, venv=VecNormalize(mazes()))
    for refuse in (trainer.evaluate, trainer.prepare_eval_env):
        with pytest.raises(ValueError, match=difference):
            refuse(VecNormalize(mazes(), **settings))
    raw = make_trainer("GAIL", "PPO", demos)
    with pytest.raises(ValueError, match="must not be a VecNormalize"):
        raw.evaluate(VecNormalize(mazes()))


def test_a_run_goes_on_only_where_observations_and_rewards_are_the_same(demos, tmp_path):
    trainer = make_trainer("GAIL", "PPO", demos, venv=VecNormalize(mazes())).learn(100)
    path = trainer.save(tmp_path / "run")
    for venv, difference in (
        (mazes(), "of no VecNormalize, the run's had VecNormalize"),
        (VecNormalize(mazes(), norm_obs=False), "norm_obs=False"),
        (VecNormalize(mazes(), gamma=0.9), "gamma=0.9, that of the training had gamma=0.99"),
    ):
        with pytest.raises(ValueError, match=difference):
            GAIL.load(path, venv)


@pytest.mark.parametrize("wrap", [VecMonitor, lambda venv: venv.venv])
def test_monitors_do_not_keep_a_run_from_going_on(wrap, demos, tmp_path):
    whole = make_trainer("GAIL", "PPO", demos).learn(200)
    half = make_trainer("GAIL", "PPO", demos).learn(100)
    loaded = GAIL.load(half.save(tmp_path / "run"), wrap(mazes()))
    loaded.learn(100, reset_num_timesteps=False)
    for ours, theirs in zip(loaded.policy.parameters(), whole.policy.parameters(), strict=True):
        th.testing.assert_close(ours, theirs, atol=0, rtol=0)


# ---------------------------------------------------------------------- gone wrong


class Bad(gym.Env):
    """Gives a bad number in observation ``at`` of its second episode, where it lasts 10 steps."""

    observation_space = gym.spaces.Dict(
        {
            "a": gym.spaces.Box(-1e400, 1e400, (2,), np.float64),
            "b": gym.spaces.Box(-9, 9, (3,), np.float32),
        }
    )
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, at=None, value=np.nan, truncates=True):
        self.at, self.value, self.truncates, self.episode = at, value, truncates, 0

    def observe(self):
        observation = {"a": self.np_random.normal(size=2), "b": np.zeros(3, np.float32)}
        if self.episode == 2 and self.count == self.at:
            observation["a"][1] = self.value
        return observation

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.count = self.episode + 1, 0
        return self.observe(), {}

    def step(self, action):
        self.count += 1
        ended = self.count == 10
        return (
            self.observe(),
            0.0,
            ended and not self.truncates,
            ended and self.truncates,
            {},
        )


class Sampled:
    def predict(self, observation, **_):
        return np.stack([Bad.action_space.sample() for _ in observation["b"]]), None


@pytest.fixture(scope="module")
def bad_demos():
    return Demonstrations.from_rollouts(Sampled(), DummyVecEnv([Bad] * 2), 4)


@pytest.mark.parametrize(
    ("at", "step", "truncates", "value"),
    [(0, 10, True, np.nan), (4, 14, True, 1e300), (10, 20, True, np.inf), (10, 20, False, np.nan)],
)
def test_a_bad_observation_is_named_and_reaches_nothing(
    at, step, truncates, value, bad_demos, tmp_path
):
    """At a reset, within an episode, and at either end of one; too large for single precision
    counts as infinite.
    """

    def venv(at=None):
        return VecNormalize(
            DummyVecEnv([Bad, lambda: Bad(at, value, truncates)]), norm_reward=False
        )

    training = venv(at)
    model = PPO("MultiInputPolicy", training, n_steps=8, batch_size=16, n_epochs=1, device="cpu")
    trainer = GAIL(
        bad_demos,
        training,
        model,
        demo_batch_size=8,
        n_disc_updates_per_round=1,
        log_dir=tmp_path,
        discriminator_kwargs={"view": View(Vector("a"))},
    )
    with pytest.raises(
        NonFiniteError,
        match=rf"at step {step} of environment 1 is not finite: component \[1\] of part `a` is .*"
        "saved to",
    ):
        trainer.learn(100)
    assert np.isfinite(training.obs_rms["a"].mean).all()
    (path,) = tmp_path.glob("gail_stopped_at_*.zip")
    loaded = GAIL.load(path, venv())  # healthy ones
    assert np.isfinite(loaded.venv.obs_rms["a"].mean).all()
    loaded.learn(32, reset_num_timesteps=False)
    assert loaded.num_timesteps == 2 * (step - 1) + 32


def test_a_bad_first_observation_is_named(bad_demos):
    broken = Bad(0)
    broken.episode = 1
    with pytest.raises(NonFiniteError, match=r"first observation of environment 1 is not finite"):
        RewardVecEnv(DummyVecEnv([Bad, lambda: broken]), None).reset()


def test_a_bad_action_is_the_policys(demos):
    venv = RewardVecEnv(mazes(), None)
    venv.reset()
    with pytest.raises(NonFiniteError, match=r"action for environment 1 at step 1 .* \[0\] is nan"):
        venv.step(np.array([[0, 0], [np.nan, 0]], np.float32))


def test_numbers_whose_sum_overflows_are_no_reason_to_stop():
    largest = np.finfo(np.float32).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert is_finite(np.full(4, largest, np.float32))
        assert is_finite(np.full(4, largest, np.float64))
        assert not is_finite(np.array([1e39]))
        assert not is_finite(np.array([np.inf, -np.inf]))
        assert is_finite(np.array([255], np.uint8))


class Poison(BaseCallback):
    """Makes the policy NaN after the first round."""

    def _on_rollout_end(self):
        if self.num_timesteps == 200:
            with th.no_grad():
                next(iter(self.model.policy.parameters())).fill_(float("nan"))

    def _on_step(self):
        return True


def test_a_save_that_fails_does_not_hide_what_went_wrong(demos, monkeypatch):
    trainer = make_trainer("VAIL", "PPO", demos)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(type(trainer), "save", full)
    with pytest.raises(
        NonFiniteError,
        match=r"weight `.*` of PPO is not finite.* could not be saved .*No space left",
    ):
        trainer.learn(400, callback=Poison())


def test_observations_beyond_the_normaliser_are_not_shown_to_it(demos, tmp_path):
    """A view that makes numbers infinite is found before the normaliser is updated."""
    trainer = make_trainer("VAIL", "PPO", demos, log_dir=tmp_path).learn(100)
    transitions = demos.transitions()
    broken = transitions._replace(observations=np.full_like(transitions.observations, np.inf))
    before = trainer.discriminator.normalizer.running_mean.clone()
    with pytest.raises(NonFiniteError, match="what the discriminator sees of the generator"):
        trainer.rounds.finish(broken)
    th.testing.assert_close(trainer.discriminator.normalizer.running_mean, before, atol=0, rtol=0)
