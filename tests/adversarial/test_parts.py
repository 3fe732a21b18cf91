"""Policy and discriminator see different parts of one observation."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from sb3_vdb import AIRL, VAIL, Demonstrations, PartsExtractor, RecoveredReward, View
from sb3_vdb.networks import ConvTrunk
from sb3_vdb.views import Picture, Vector

SIZE = 16


class Dot(gym.Env):
    """A dot on a line: a number for the policy, a picture for the discriminator."""

    observation_space = spaces.Dict(
        {
            "frame": spaces.Box(0, 255, (SIZE, SIZE, 1), np.uint8),
            "state": spaces.Box(-1.0, 1.0, (1,), np.float32),
        }
    )
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = 0.0, 0
        return self._observe(), {}

    def step(self, action):
        self.place = float(np.clip(self.place + 0.2 * float(action[0]), -1.0, 1.0))
        self.steps += 1
        return self._observe(), self.place, False, self.steps >= 10, {}

    def _observe(self):
        frame = np.zeros((SIZE, SIZE, 1), np.uint8)
        frame[SIZE // 2, round((self.place + 1.0) / 2.0 * (SIZE - 1))] = 255
        return {"frame": frame, "state": np.array([self.place], np.float32)}


class Right:
    def predict(self, observation, **_):
        return np.ones((len(observation["state"]), 1), np.float32), None


def make_venv(n=2):
    return VecMonitor(DummyVecEnv([Dot] * n))


def only(part, demonstrations):
    kept = [{part: each.observations[part]} for each in demonstrations]
    return Demonstrations.from_arrays(kept, [each.actions for each in demonstrations])


@pytest.fixture(scope="module")
def rightwards():
    return Demonstrations.from_rollouts(Right(), make_venv(), 4)


def make_trainer(demonstrations, algorithm=VAIL, venv=None, **changes):
    venv = venv or make_venv()
    reads_state = {
        "features_extractor_class": PartsExtractor,
        "features_extractor_kwargs": {"keys": ("state",)},
    }
    arguments = {"n_steps": 20, "batch_size": 20, "n_epochs": 1, "seed": 0, "device": "cpu"}
    model = PPO("MultiInputPolicy", venv, policy_kwargs=reads_state, **arguments)
    settings = {
        "demo_batch_size": 10,
        "n_disc_updates_per_round": 2,
        "seed": 0,
        "device": "cpu",
        "discriminator_kwargs": {
            "view": View(Picture("frame"), ("observations",)),
            "trunk_class": ConvTrunk,
            "trunk_kwargs": {"depth": 2, "features_dim": 16},
        },
    }
    return algorithm(demonstrations, venv, model, **(settings | changes))


def test_demonstrations_need_only_what_the_discriminator_sees(rightwards, tmp_path):
    frames = only("frame", rightwards)
    frames = Demonstrations.load(frames.save(tmp_path / "frames"))
    trainer = make_trainer(Demonstrations.from_arrays([each.observations for each in frames]))
    trainer.learn(80)
    assert trainer.n_rounds == 2
    assert trainer.rounds.expert_batch.observations.pictures.dtype.itemsize == 1
    assert trainer.rounds.expert_batch.observations.vectors.shape[1] == 0


def test_a_run_goes_on_exactly_and_its_reward_is_kept(rightwards, tmp_path):
    trainer = make_trainer(only("frame", rightwards))
    trainer.learn(40)
    loaded = VAIL.load(trainer.save(tmp_path / "run"), make_venv())
    data = only("frame", rightwards).transitions()
    np.testing.assert_array_equal(trainer.reward(data), loaded.reward(data))
    assert loaded.discriminator.view == trainer.discriminator.view
    loaded.learn(40, reset_num_timesteps=False)
    assert loaded.n_rounds == 2
    reward = RecoveredReward.load(trainer.recovered_reward().save(tmp_path / "reward"))
    np.testing.assert_array_equal(reward(data), trainer.reward(data))
    np.testing.assert_array_equal(reward.of_states(data.observations), trainer.reward(data))
    venv = reward.wrap(make_venv())
    first = venv.reset()
    paid = venv.step(np.zeros((2, 1), np.float32))[1]
    np.testing.assert_array_equal(paid, reward.of_states(first))


def test_last_observations_of_episodes_are_seen_whole(rightwards):
    trainer = make_trainer(rightwards, relabel=False)
    trainer.learn(40)
    evaluated = trainer.evaluate(make_venv(), 2)
    assert evaluated.learned_returns.shape == (2,)
    assert evaluated.lengths.tolist() == [10, 10]


def test_under_vec_normalize_pictures_stay_raw(rightwards):
    venv = VecNormalize(make_venv(), norm_obs_keys=["state"])
    trainer = make_trainer(rightwards, venv=venv)
    trainer.learn(40)
    assert trainer.n_rounds == 1


def test_what_is_missing_is_named(rightwards):
    with pytest.raises(ValueError, match=r"trajectory 0.*frame"):
        make_trainer(only("state", rightwards))
    state = {"view": View(Vector("state"), ("observations",))}
    with pytest.raises(ValueError, match=r"trajectory 0.*state"):
        make_trainer(only("frame", rightwards), discriminator_kwargs=state)
    # the policy's density is one of whole observations
    with pytest.raises(ValueError, match=r"trajectory 0"):
        make_trainer(only("state", rightwards), AIRL, discriminator_kwargs=state)
    with pytest.raises(ValueError, match="say which ones the discriminator sees"):
        make_trainer(rightwards, discriminator_kwargs={})


def test_a_density_of_whole_observations_works_with_a_view_of_one_part(rightwards):
    state = {"view": View(Vector("state"), ("observations",))}
    trainer = make_trainer(rightwards, AIRL, discriminator_kwargs=state)
    trainer.learn(40)
    assert np.isfinite(trainer.reward(rightwards.transitions())).all()


def test_a_policy_that_reads_a_part_names_the_parts_there_are():
    with pytest.raises(ValueError, match="`keys` must be a tuple of some of frame, state"):
        PartsExtractor(Dot.observation_space, ("speed",))
