"""PPO for motions: schedule, step size, normaliser, value scale, saving; and how imitation is
measured.
"""

import math

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_vdb import VAIL, Demonstrations, make_vec_env
from sb3_vdb.baselines import DeepMimicPolicy, DeepMimicPPO
from sb3_vdb.baselines.deepmimic import LEARNING_RATE_RANGE, adapted
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.evaluation import evaluate_imitation
from sb3_vdb.extractors import RunningNormExtractor
from sb3_vdb.schedules import LinearSchedule

RUN = "sb3_vdb/HumanoidRun-v0"
OLD_SB3 = tuple(map(int, stable_baselines3.__version__.split(".")[:2])) < (2, 3)


def tiny(seed=0, **kwargs) -> DeepMimicPPO:
    arguments = {"n_steps": 8, "batch_size": 16, "n_epochs": 2, "device": "cpu"}
    arguments["policy_kwargs"] = {"net_arch": [16, 16]}
    return DeepMimicPPO(
        env=make_vec_env("Pendulum-v1", 4, seed=seed), seed=seed, **(arguments | kwargs)
    )


# --- closed forms


def test_a_linear_schedule_falls_and_then_stays():
    fall = LinearSchedule(0.2, 0.1, until=0.5)
    values = [fall(progress) for progress in (1.0, 0.75, 0.5, 0.25, 0.0)]
    assert values == pytest.approx([0.2, 0.15, 0.1, 0.1, 0.1])


def test_the_step_size_follows_the_root_of_the_kl_within_a_factor():
    """KL grows with the square of the step: a quarter of the wanted KL doubles the step at most."""
    assert adapted(1e-4, 0.01, 0.01) == pytest.approx(1e-4)
    assert adapted(1e-4, 0.0081, 0.01) == pytest.approx(1e-4 / 0.9)
    assert adapted(1e-4, 1.0, 0.01) == pytest.approx(1e-4 / 1.5)
    assert adapted(1e-4, 0.0, 0.01) == pytest.approx(1.5e-4)
    low, high = LEARNING_RATE_RANGE
    assert adapted(low, 1.0, 0.01) == low
    assert adapted(high, 0.0, 0.01) == high


def test_the_normalisers_statistics_are_those_of_all_samples():
    space = gym.spaces.Box(-np.inf, np.inf, (3,))
    extractor = RunningNormExtractor(space, std_floor=0.02)
    data = th.randn(1000, 3) * th.tensor([2.0, 0.5, 1e-4]) + th.tensor([5.0, -1.0, 0.0])
    for part in data.split([100, 300, 600]):
        extractor.update(part)
    th.testing.assert_close(extractor.running_mean, data.mean(0), atol=1e-5, rtol=1e-5)
    th.testing.assert_close(
        extractor.running_var, data.var(0, unbiased=False), atol=1e-5, rtol=1e-4
    )
    normal = extractor(data)
    th.testing.assert_close(normal[:, :2].std(0), th.ones(2), atol=1e-2, rtol=0)
    assert normal[:, 2].abs().max() < 1e-3 / 0.02  # the floor keeps what hardly varies small
    assert extractor(th.full((1, 3), 1e9)).tolist() == [[10.0] * 3]


def test_the_normaliser_stops_learning_when_it_has_seen_enough():
    extractor = RunningNormExtractor(gym.spaces.Box(-1, 1, (2,)), n_samples=10)
    extractor.update(th.ones(10, 2))
    extractor.update(th.zeros(50, 2))
    assert extractor.running_mean.tolist() == [1.0, 1.0]


# --- invariants


def test_the_noise_is_the_schedules_and_is_not_learned():
    model = tiny(action_std=LinearSchedule(0.2, 0.1))
    assert model.policy.log_std.exp().tolist() == pytest.approx([0.2])
    model.learn(4 * 8 * 4)
    assert model.policy.log_std.exp().tolist() == pytest.approx([0.1])
    assert not model.policy.log_std.requires_grad


def test_a_schedule_holds_where_the_last_rollout_goes_beyond_the_end():
    """SB3's progress is negative there; 150 steps are 5 rollouts of 32, that is 160."""
    model = tiny(action_std=lambda progress: 0.01 + 0.1 * progress).learn(150)
    assert model.policy.log_std.exp().tolist() == pytest.approx([0.01])
    model.learn(32)


def test_the_policy_can_be_named_as_in_sb3_and_the_value_scale_is_one_number():
    model = DeepMimicPPO("MlpPolicy", make_vec_env("Pendulum-v1", 1), value_scale=5.0, n_steps=32)
    assert isinstance(model.policy, DeepMimicPolicy)
    assert model.policy.value_net.scale == 5.0
    assert model.vf_coef == pytest.approx(0.5 / 25)


def test_actor_and_critic_have_rates_of_their_own_and_no_common_parameter():
    model = tiny(learning_rate=1e-4, critic_learning_rate=7e-4, kl_per_rollout=None)
    model.learn(32)
    actor, critic = model.policy.optimizer.param_groups
    assert (actor["lr"], critic["lr"]) == (1e-4, 7e-4)
    owned = [id(parameter) for group in (actor, critic) for parameter in group["params"]]
    trained = [p for p in model.policy.parameters() if p.requires_grad]
    assert sorted(owned) == sorted(map(id, trained))
    assert len(set(owned)) == len(owned)


def test_values_start_at_zero_and_are_in_units_of_the_largest_return():
    model = tiny(gamma=0.95)
    assert model.policy.value_net.scale == pytest.approx(20.0)
    observation = th.zeros(1, 3)
    assert model.policy.predict_values(observation).item() == 0.0
    model.policy.value_net.bias.data.fill_(0.5)
    assert model.policy.predict_values(observation).item() == pytest.approx(10.0)
    assert model.vf_coef == pytest.approx(0.5 / 400)


def test_the_ratio_is_one_at_the_first_minibatch():
    """The normaliser changes between rollouts only, so old and new probabilities agree."""
    model = tiny(n_epochs=1, batch_size=32, kl_per_rollout=None)
    model.learn(3 * 32)
    assert model.logger.name_to_value["train/clip_fraction"] == 0.0
    assert abs(model.logger.name_to_value["train/approx_kl"]) < 1e-6
    assert model.policy.features_extractor.running_count == 3 * 32


def test_a_seed_decides_the_run():
    first, second = (tiny(seed=3).learn(96).get_parameters()["policy"] for _ in range(2))
    for name, value in first.items():
        assert th.equal(value, second[name]), name


def test_saving_keeps_predictions_step_size_and_schedule(tmp_path):
    model = tiny(action_std=LinearSchedule(0.2, 0.1)).learn(96)
    model.save(tmp_path / "model.zip")
    loaded = DeepMimicPPO.load(tmp_path / "model.zip", env=model.get_env(), device="cpu")
    observations = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for mine, theirs in zip(
        model.predict(observations, deterministic=True),
        loaded.predict(observations, deterministic=True),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert loaded.actor_learning_rate == model.actor_learning_rate
    assert loaded.action_std == LinearSchedule(0.2, 0.1)
    assert loaded.policy.features_extractor.running_count == 96
    loaded.learn(32, reset_num_timesteps=False)
    assert loaded.num_timesteps == 128


@pytest.mark.skipif(OLD_SB3, reason="SB3 before 2.3 cannot load policies with torch 2.6 or later")
def test_a_policy_can_be_saved_alone(tmp_path):
    model = tiny().learn(32)
    model.policy.save(tmp_path / "policy")
    loaded = DeepMimicPolicy.load(tmp_path / "policy")
    observation = np.zeros((1, 3), np.float32)
    np.testing.assert_array_equal(
        loaded.predict(observation, deterministic=True)[0],
        model.predict(observation, deterministic=True)[0],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": 0.0}, "`learning_rate` must be a positive number, got 0.0"),
        ({"kl_per_rollout": -1.0}, "`kl_per_rollout` must be a positive number, got -1.0"),
        ({"action_std": 0.0}, "`action_std` must be a positive number, got 0.0"),
        ({"action_std": LinearSchedule(0.1, 0.0)}, "gives 0.0 at progress 0.0.*end above 0"),
        ({"critic_learning_rate": -1}, "`critic_learning_rate` must be a positive number, got -1"),
        ({"learning_rate": lambda _: 1e-3}, "`learning_rate` must be a positive number"),
        ({"gamma": 1.0}, "`value_scale` must be given for `gamma` 1.0"),
        ({"value_scale": -2.0}, "`value_scale` must be a positive number, got -2.0"),
        ({"value_scale": 1e300}, r"`value_scale` must be a number from 1e-16 to .*, got 1e\+300"),
        ({"gamma": "0.9"}, "`gamma` must be between 0 and 1, got '0.9'"),
        ({"vf_coef": None}, "`vf_coef` must be a finite number from 0 on, got None"),
        ({"action_std": 1e300}, r"`action_std` gave 1e\+300; .* in single precision"),
        ({"seed": 1.5}, r"`seed` must be a whole number from 0 on, got 1\.5"),
    ],
)
def test_bad_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny(**arguments)


# --- the metric


class FallsAt(gym.Env):
    """Reports an error of 0.1 rad and falls at a given step; None never falls."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self, step, horizon):
        self.fall, self.horizon = step, horizon

    def reset(self, *, seed=None, options=None):
        self.now = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.now += 1
        fallen = self.now == self.fall
        info = dict.fromkeys(("joint_error", "joint_error_with_root", "joint_error_weighted"), 0.1)
        left = self.horizon - self.now
        info |= {"root_speed": 2.0, "fallen": fallen, "diverged": False, "steps_left": left}
        return np.zeros(1, np.float32), 1.0, fallen, self.now >= self.horizon and not fallen, info


class Still:
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.zeros((len(observation), 1), np.float32), None


def evaluate(falls, horizon=10, ends=10):
    venv = DummyVecEnv([lambda fall=fall: FallsAt(fall, ends) for fall in falls])
    return evaluate_imitation(Still(), venv, horizon=horizon)


def test_every_step_after_a_fall_counts_pi():
    """Falls at step 4 of 10: four errors of 0.1 and six of pi; the other episode is whole."""
    result = evaluate([4, None])
    expected = (0.1 + (4 * 0.1 + 6 * math.pi) / 10) / 2
    assert result.joint_error == pytest.approx(expected)
    assert result.joint_error_alive == pytest.approx(0.1)
    assert (result.length, result.full_share, result.root_speed) == (7.0, 0.5, 2.0)
    assert result.episode_return == pytest.approx(7.0)


def test_a_clip_that_does_not_loop_is_measured_over_its_own_length():
    """Six steps: one episode is whole, one falls at step 3 and pays pi for the three that are left;
    episodes count alike.
    """
    result = evaluate([None, 3], horizon=10, ends=6)
    assert result.joint_error == pytest.approx((0.1 + (3 * 0.1 + 3 * math.pi) / 6) / 2)
    assert (result.length, result.full_share) == (4.5, 0.5)


def test_an_episode_cut_by_a_shorter_time_limit_is_not_full():
    venv = make_vec_env(RUN, 2, seed=0, env_kwargs={"max_episode_steps": 3}, every_step_infos=True)
    model = DeepMimicPPO(env=venv, n_steps=8, batch_size=16, device="cpu", seed=0)
    result = evaluate_imitation(model, venv)
    assert (result.length, result.full_share) == (3.0, 0.0)


def test_environments_that_do_not_report_errors_are_refused():
    with pytest.raises(ValueError, match="every_step_infos=True"):
        evaluate_imitation(tiny(), make_vec_env("Pendulum-v1", 2))


def test_the_error_at_the_best_phase_shift_tells_a_gait_that_is_out_of_time():
    venv = make_vec_env(RUN, 4, seed=0, every_step_infos=True)
    model = DeepMimicPPO(env=venv, n_steps=8, batch_size=16, device="cpu", seed=0)
    result = evaluate_imitation(model, venv, phase_shifts=8)
    assert 0.0 < result.joint_error_shifted <= result.joint_error_alive + 0.05
    assert result.phase_shift in np.arange(8) / 8
    assert math.isnan(evaluate_imitation(model, venv).joint_error_shifted)


@pytest.mark.parametrize("env_id", [RUN, "sb3_vdb/BulletHumanoidRun-v0"])
def test_a_policy_is_measured_in_either_engine(env_id):
    pytest.importorskip("pybullet" if "Bullet" in env_id else "mujoco")
    venv = make_vec_env(env_id, 2, seed=0, every_step_infos=True)
    model = DeepMimicPPO(env=venv, n_steps=8, batch_size=16, device="cpu", seed=0)
    result = evaluate_imitation(model, venv, phase_shifts=4, pose_errors=True)
    assert 0.0 < result.joint_error_shifted < 0.8
    assert 0.0 < result.pose_error_warped <= result.pose_error < 0.5
    assert 5 < result.length < 100
    assert 2.5 < result.joint_error < math.pi
    assert 0.1 < result.joint_error_alive < 0.8
    assert 2.0 < result.root_speed < 5.0
    venv.close()


def test_it_learns_on_the_humanoid_environment():
    """A few updates run through; what is learned in millions of samples is a benchmark."""
    pytest.importorskip("mujoco")
    venv = make_vec_env(RUN, 8, seed=0)
    model = DeepMimicPPO(env=venv, n_steps=8, batch_size=32, device="cpu", seed=0)
    model.learn(3 * 64)
    assert np.isfinite(model.logger.name_to_value["train/value_loss"])
    venv.close()


# --- numbers that are not finite


class Faulty(gym.Env):
    """Gives a number that is not finite, once, at one place."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, place: str, value: float) -> None:
        self.place, self.value, self.n_resets = place, value, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n_resets, self.steps = self.n_resets + 1, 0
        return self._observe("reset", self.n_resets == 2), {}

    def step(self, action):
        self.steps += 1
        ends = self.steps == 5
        observation = self._observe("end" if ends else "step", ends or self.steps == 3)
        reward = self.value if self.place == "reward" and self.steps == 3 else 1.0
        return observation, reward, ends, False, {}

    def _observe(self, place, is_now):
        observation = np.zeros(3, np.float32)
        if place == self.place and is_now:
            observation[1] = self.value
        return observation


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("reset", r"observation at step 5 of environment 1 .* component \[1\]"),
        ("step", r"observation at step 3 of environment 1 .* component \[1\]"),
        ("end", r"last observation of an episode at step 5 of environment 1"),
        ("reward", r"reward of environment 1 at step 3 is not finite"),
    ],
)
def test_what_is_not_finite_is_named_before_it_is_learned(place, message, value):
    venv = DummyVecEnv([lambda: Faulty("", 0.0), lambda: Faulty(place, value)])
    model = DeepMimicPPO(env=venv, n_steps=8, batch_size=8, seed=0, device="cpu")
    with pytest.raises(NonFiniteError, match=message):
        model.learn(16)
    assert all(each.isfinite().all() for each in model.policy.state_dict().values())


WEIGHTS = [name for name, _ in tiny().policy.named_parameters()]


def spoil(model, weight, value):
    model.policy.get_parameter(weight).data.flatten()[0].fill_(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_weight_that_is_not_finite_is_named_before_others_learn_from_it(weight, value):
    model = tiny()
    spoil(model, weight, value)
    with pytest.raises(NonFiniteError, match=rf"policy's weight `{weight}` is not finite"):
        model.learn(32)
    bad = [name for name, each in model.policy.named_parameters() if not each.isfinite().all()]
    assert bad == [weight]


def test_a_weight_that_is_not_finite_is_named_wherever_the_distribution_is_made():
    model = tiny()
    observations = th.zeros(2, 3)
    actions, *_ = model.policy(observations)
    spoil(model, "action_net.bias", math.nan)
    message = r"policy's weight `action_net\.bias` is not finite"
    for use in (
        lambda: model.predict(observations.numpy()),
        lambda: model.policy.evaluate_actions(observations, actions),
        lambda: model.policy.get_distribution(observations),
    ):
        with pytest.raises(NonFiniteError, match=message):
            use()


def test_errors_of_observations_stay_torchs():
    with pytest.raises(ValueError, match="Expected parameter loc"):
        tiny().predict(np.full((2, 3), np.nan, np.float32))


def test_a_weight_that_breaks_in_the_last_update_is_named(monkeypatch):
    model = tiny()
    monkeypatch.setattr(PPO, "train", lambda self: spoil(self, "action_net.bias", math.inf))
    with pytest.raises(NonFiniteError, match=r"policy's weight `action_net\.bias` is not finite"):
        model.learn(32)


def test_rollouts_are_sb3s_own_so_that_trainers_pay_them_at_once():
    """The trainers relabel whole rollouts only where SB3 collects them."""
    assert DeepMimicPPO.collect_rollouts is OnPolicyAlgorithm.collect_rollouts
    model = tiny()
    rng = np.random.default_rng(0)
    demonstrations = Demonstrations.from_arrays(
        [rng.uniform(-1, 1, (21, 3)).astype(np.float32)], [rng.uniform(-2, 2, (20, 1))]
    )
    trainer = VAIL(demonstrations, model.get_env(), model, demo_batch_size=20, device="cpu")
    assert trainer.relabels
    trainer.learn(64)
    assert (model.rollout_buffer.rewards > 0.0).all()  # "gail", not the pendulum's


def test_the_users_callbacks_are_called_as_in_sb3():
    calls = []
    tiny().learn(32, callback=lambda local, _: calls.append(local["self"].num_timesteps) or True)
    assert calls == [4 * n for n in range(1, 9)]
