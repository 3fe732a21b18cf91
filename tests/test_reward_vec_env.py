"""The reward wrapper, and the frozen reward that uses it."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecNormalize

from sb3_vdb import GAIL, VAIRL, RecoveredReward, RewardVecEnv, make_vec_env
from sb3_vdb.evaluation.reward_maps import reward_map
from sb3_vdb.transitions import Transitions
from tests.conftest import MAZE, small_ppo
from tests.test_vec_env import Countdown


def height(transitions: Transitions) -> np.ndarray:
    return transitions.next_observations[:, 1].astype(np.float32)


def test_the_reward_sees_the_last_observation_of_an_episode_not_the_next_first():
    seen = []

    def spy(transitions):
        seen.append(transitions)
        return np.zeros(len(transitions.observations), np.float32)

    lengths = [2, 3]
    venv = RewardVecEnv(DummyVecEnv([lambda n=n: Countdown(n) for n in lengths]), spy)
    venv.reset()
    for _ in range(6):
        venv.step(np.zeros(2, int))
    left = np.stack([each.observations[:, 0] for each in seen])
    following = np.stack([each.next_observations[:, 0] for each in seen])
    np.testing.assert_array_equal(following, left - 1)
    ended = np.stack([each.terminated for each in seen])
    np.testing.assert_array_equal(ended[:, 0], following[:, 0] == 0)  # length 2 terminates
    assert not ended[:, 1].any()  # length 3 is a time limit


def test_the_learned_reward_replaces_the_tasks_and_the_monitor_keeps_that():
    venv = RewardVecEnv(make_vec_env(MAZE, 2, seed=0), height)
    venv.reset()
    total = np.zeros(2)
    for _ in range(100):
        _, rewards, dones, infos = venv.step(np.ones((2, 2), np.float32))
        total += rewards
        assert (venv.task_rewards < 0).all()
    assert dones.all()
    assert infos[0]["learned_return"] == pytest.approx(total[0], rel=1e-6)
    assert infos[0]["episode"]["r"] < 0 < infos[0]["learned_return"]
    assert venv.pop_finished_returns() == []  # kept only where somebody fetches them


def test_collected_steps_come_back_in_order_and_once():
    venv = RewardVecEnv(make_vec_env(MAZE, 2, seed=0), None, collect=True)
    venv.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 2, 2)).astype(np.float32)
    for each in actions:
        assert (venv.step(each)[1] == 0).all()
    assert venv.n_collected == 10
    transitions, dones, task_rewards = venv.pop_collected()
    np.testing.assert_array_equal(transitions.actions, actions.reshape(10, 2))
    np.testing.assert_array_equal(transitions.next_observations[:8], transitions.observations[2:])
    assert dones.shape == task_rewards.shape == (5, 2)
    assert (task_rewards < 0).all()  # the maze's, which nobody was paid
    assert venv.n_collected == 0


def test_a_reward_that_is_no_number_stops_the_run():
    venv = RewardVecEnv(make_vec_env(MAZE, 2), lambda _: np.array([1.0, np.nan], np.float32))
    venv.reset()
    with pytest.raises(FloatingPointError, match="learned reward is not finite: nan"):
        venv.step(np.zeros((2, 2), np.float32))


@pytest.fixture
def trained(demos):
    venv = make_vec_env(MAZE, 2, seed=0)
    trainer = VAIRL(demos, venv, small_ppo(venv), demo_batch_size=20, seed=0)
    return trainer.learn(300)


def sample(demos):
    return demos.transitions().take(np.arange(50))


def test_a_recovered_reward_survives_saving_bit_for_bit(trained, demos, tmp_path):
    reward = trained.recovered_reward()
    loaded = RecoveredReward.load(reward.save(tmp_path / "reward"))
    np.testing.assert_array_equal(reward(sample(demos)), loaded(sample(demos)))


def test_a_recovered_reward_is_frozen(trained, demos):
    reward = trained.recovered_reward()
    before = reward(sample(demos))
    trained.learn(200, reset_num_timesteps=False)
    np.testing.assert_array_equal(before, reward(sample(demos)))
    assert (trained.recovered_reward()(sample(demos)) != before).any()
    assert not any(each.requires_grad for each in reward.discriminator.parameters())


def test_the_reward_is_one_and_the_same_on_every_way(trained, demos, tmp_path):
    """Trainer, recovered, loaded, wrapped: the same numbers, bit for bit."""
    data = sample(demos)
    expected = trained.reward(data)
    reward = trained.recovered_reward()
    np.testing.assert_array_equal(reward(data), expected)
    np.testing.assert_array_equal(reward.of_states(data.observations), expected)
    venv = RecoveredReward.load(reward.save(tmp_path / "r.pt")).wrap(make_vec_env(MAZE, 2, seed=0))
    last = venv.reset()
    rewards = venv.step(np.ones((2, 2), np.float32))[1]
    np.testing.assert_array_equal(rewards, reward.of_states(last))


def test_a_new_policy_can_be_trained_on_it(trained):
    venv = trained.recovered_reward().wrap(make_vec_env("sb3_vdb/CMazeFlipped-v0", 2, seed=0))
    model = small_ppo(venv)
    model.learn(300)
    assert model.num_timesteps == 300


def test_standardised_rewards_have_unit_deviation_and_the_chosen_zero(trained, demos):
    reward = trained.recovered_reward()
    data = sample(demos)
    for shift, function in (("max", np.max), ("mean", np.mean)):
        scaled = reward.standardized(reward(data), shift)(data)
        assert scaled.std() == pytest.approx(1.0, rel=1e-4)
        assert function(scaled) == pytest.approx(0.0, abs=1e-4)
    twice = reward.standardized(reward(data), "max")
    twice = twice.standardized(twice(data), "mean")
    np.testing.assert_allclose(twice(data), reward.standardized(reward(data))(data), atol=1e-4)


def test_a_sharpened_reward_keeps_the_order_and_its_file_the_power(trained, demos, tmp_path):
    data = sample(demos)
    reward = trained.recovered_reward()
    with pytest.raises(ValueError, match="`shift` must be a number or one of mean, max, none"):
        reward.standardized(reward(data), "top")
    middle = reward.standardized(reward(data), float(np.median(reward(data))))
    assert np.median(middle(data)) == pytest.approx(0.0, abs=1e-3)
    capped = middle.sharpened(1.0)
    np.testing.assert_allclose(capped(data), np.minimum(middle(data), 0.0), atol=1e-6)
    assert middle(data).max() > 0.0
    reward = reward.standardized(reward(data), "max")
    sharp = reward.sharpened(0.5)
    np.testing.assert_allclose(sharp(data), -np.sqrt(-np.minimum(reward(data), 0.0)), atol=1e-6)
    np.testing.assert_array_equal(np.argsort(sharp(data)), np.argsort(reward(data)))
    loaded = RecoveredReward.load(sharp.save(tmp_path / "sharp.pt"))
    np.testing.assert_array_equal(loaded(data), sharp(data))
    twice = sharp.sharpened(0.5)
    np.testing.assert_allclose(twice(data), -np.sqrt(-sharp(data)), atol=1e-6)
    with pytest.raises(ValueError, match="cannot be rescaled; rescale first, then sharpen"):
        sharp.standardized(sharp(data))
    with pytest.raises(ValueError, match="`power` must be a positive number, got 0"):
        reward.sharpened(0)


def test_files_that_are_no_rewards_are_refused(trained, demos, tmp_path):
    path = trained.recovered_reward().save(tmp_path / "reward.pt")
    (tmp_path / "short.pt").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="truncated"):
        RecoveredReward.load(tmp_path / "short.pt")
    th.save({"format": "other"}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"is no sb3_vdb\.recovered_reward file"):
        RecoveredReward.load(tmp_path / "other.pt")
    data = th.load(path, weights_only=True)
    for version in (1, 99):
        th.save({**data, "version": version}, tmp_path / "other_version.pt")
        with pytest.raises(ValueError, match=f"format version {version}, this sb3_vdb reads 4"):
            RecoveredReward.load(tmp_path / "other_version.pt")


class Evil:
    def __reduce__(self):
        return (print, ("code was run",))


def test_a_file_cannot_run_code(tmp_path, capsys):
    th.save({"format": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="objects other than tensors"):
        RecoveredReward.load(tmp_path / "evil.pt")
    assert "code was run" not in capsys.readouterr().out


def test_a_reward_of_other_spaces_is_refused(trained):
    with pytest.raises(ValueError, match="observation_space"):
        trained.recovered_reward().wrap(make_vec_env("Pendulum-v1", 1))


def test_a_reward_names_what_it_takes(trained):
    reward = trained.recovered_reward()
    with pytest.raises(ValueError, match=r"must have shape \(batch, \*\(2,\)\), got \(2,\)"):
        reward.of_states(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="takes Transitions, got ndarray"):
        reward(np.zeros((3, 2), np.float32))


def test_a_reward_is_not_put_on_top_of_normalised_observations(trained):
    with pytest.raises(ValueError, match=r"VecNormalize\(reward.wrap\(venv\)\)"):
        trained.recovered_reward().wrap(VecNormalize(make_vec_env(MAZE, 1)))


def test_rewards_that_need_the_policy_or_the_action_say_so(trained, demos):
    with pytest.raises(ValueError, match="depends on the policy"):
        trained.recovered_reward("logit")
    with pytest.raises(ValueError, match="must be one of g, f, logit"):
        trained.recovered_reward("gail")
    venv = make_vec_env(MAZE, 2, seed=0)
    gail = GAIL(demos, venv, small_ppo(venv), demo_batch_size=20)
    with pytest.raises(ValueError, match="no function of the state alone"):
        gail.recovered_reward().of_states(np.zeros((1, 2), np.float32))


def test_what_is_no_sample_of_rewards_is_refused(trained):
    reward = trained.recovered_reward()
    assert reward.standardized([0.0, 2.0]).scale == pytest.approx(reward.scale)
    for bad in ([], [np.nan, 1.0], ["a"], None, 1j):
        with pytest.raises(ValueError, match="`rewards` must be finite samples"):
            reward.standardized(bad)
    with pytest.raises(ValueError, match="`shift` must be a finite number, got nan"):
        reward.standardized([0.0, 2.0], float("nan"))


def test_a_map_of_a_space_without_bounds_is_refused(trained):
    for space in (spaces.Box(-np.inf, np.inf, (2,)), spaces.Box(1.0, 1.0, (2,))):
        with pytest.raises(ValueError, match="a reward map needs bounds"):
            reward_map(trained.recovered_reward(), space)
    with pytest.raises(ValueError, match="`resolution` must be a whole number from 1 on, got 0"):
        reward_map(trained.recovered_reward(), spaces.Box(0.0, 1.0, (2,)), 0)


class Forgetful(VecEnvWrapper):
    """Forgets the last observations of episodes."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, rewards, dones, [{} for _ in infos]


def test_environments_that_forget_last_observations_are_named():
    venv = RewardVecEnv(Forgetful(DummyVecEnv([lambda: Countdown(1)])), None)
    venv.reset()
    with pytest.raises(ValueError, match=r"no info\[.terminal_observation.\]"):
        venv.step(np.zeros((1, 1)))
