"""The discriminator chooses the policy that is kept."""

import pandas as pd
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.vmail import VMAIL, DiscriminatorEvalCallback
from sb3_vdb.vmail.inspection import expert_likeness, follow, rows_of
from sb3_vdb.vmail.selection import BEST_EPISODES, HISTORY
from tests.vmail.small import MAZE, Dot, make_model


def dots(kind="pixels"):
    return DummyVecEnv([lambda: Dot(kind)] * 2)


@pytest.mark.parametrize("kind", ["pixels", "vectors", "both"])
def test_rows_of_an_episode_are_those_of_the_replay(kind):
    model = make_model(kind)
    env = dots(kind)
    played = Demonstrations.from_rollouts(model, env, 1)
    model.set_demonstrations(played)
    stored = model.replay_buffer.expert.episode(0)
    rows = rows_of(model, played[0])
    for name, part in rows.items():
        assert th.equal(part, stored[name]), name


def test_likeness_is_the_mean_probability_along_the_episode():
    model = make_model(reward_type="probability")
    rows = model.replay_buffer.expert.episode(0)
    assert expert_likeness(model, rows) == pytest.approx(follow(model, rows).rewards.mean())


def test_new_episodes_have_to_be_better_than_the_best_as_they_are_judged_now(tmp_path, monkeypatch):
    model = make_model()
    callback = DiscriminatorEvalCallback(dots(), tmp_path, 2, eval_freq=10)
    # 0.5; 0.4, the best now 0.3; 0.2, the best now 0.25; 0.26, the best still 0.25
    judged = iter([0.5, 0.4, 0.3, 0.2, 0.25, 0.26, 0.25])
    monkeypatch.setattr(callback, "_judge", lambda episodes: next(judged))
    model.learn(30, callback=callback)
    history = pd.read_csv(tmp_path / HISTORY)
    assert history["chosen"].tolist() == [True, True, False, True]
    assert history["best_before"].tolist() == [-1.0, 0.3, 0.25, 0.25]
    assert history["timesteps"].tolist() == [10, 20, 30, 30]  # and after the last updates


def test_what_is_kept_is_the_policy_that_played(tmp_path):
    model = make_model()
    callback = DiscriminatorEvalCallback(dots(), tmp_path, 2, eval_freq=1000, first=20)
    model.learn(20, callback=callback)
    kept = VMAIL.load(callback.best_model_path, device="cpu")
    history = pd.read_csv(tmp_path / HISTORY)
    row = history[history["chosen"]].iloc[-1]
    assert row["updates"] == kept._n_updates
    played = Demonstrations.load(tmp_path / BEST_EPISODES)
    assert row["frames"] == played.n_steps * Dot.action_repeat
    for episode in played:
        state = None
        for observation, action in zip(episode.observations, episode.actions, strict=False):
            found, state = kept.predict(observation, state, deterministic=True)
            assert found == pytest.approx(action, abs=1e-5)
    judged = [expert_likeness(kept, rows_of(kept, episode)) for episode in played]
    assert row["likeness"] == pytest.approx(sum(judged) / 2, abs=1e-4)


def test_a_run_that_goes_on_keeps_its_best_and_a_new_one_begins_anew(tmp_path, monkeypatch):
    model = make_model()
    model.learn(20, callback=DiscriminatorEvalCallback(dots(), tmp_path, 2, eval_freq=10))
    before = pd.read_csv(tmp_path / HISTORY)
    again = DiscriminatorEvalCallback(dots(), tmp_path, 2, eval_freq=10)
    model.learn(10, callback=again, reset_num_timesteps=False)
    history = pd.read_csv(tmp_path / HISTORY)
    assert before["timesteps"].tolist() == [10, 20, 20]
    assert history["timesteps"].tolist() == [10, 20, 20, 30, 30]
    assert history["best_before"].iloc[-1] > 0.0
    fresh = make_model()
    fresh.learn(10, callback=DiscriminatorEvalCallback(dots(), tmp_path, 2, eval_freq=10))
    assert pd.read_csv(tmp_path / HISTORY)["timesteps"].tolist() == [10, 10]


def test_a_policy_that_is_made_again_after_a_kill_is_kept_again(tmp_path, monkeypatch):
    monkeypatch.setattr(DiscriminatorEvalCallback, "_judge", lambda self, episodes: 0.5)
    model = make_model()
    callback = DiscriminatorEvalCallback(dots(), tmp_path, 2, eval_freq=10)
    model.learn(10, callback=callback)
    (tmp_path / HISTORY).write_text("timesteps,updates,likeness,best_before,chosen\n")
    again = DiscriminatorEvalCallback(dots(), tmp_path, 2, eval_freq=10)  # from the checkpoint
    again.init_callback(model)
    again._evaluate()
    assert again.history[-1]["best_before"] == again.history[-1]["likeness"]
    assert again.history[-1]["chosen"]


def test_numbers_out_of_range_and_other_algorithms_are_refused(tmp_path):
    env = dots()
    for changes in ({"n_eval_episodes": 0}, {"eval_freq": 0}, {"first": -1}):
        (name,) = changes
        with pytest.raises(ValueError, match=f"`{name}` must"):
            DiscriminatorEvalCallback(env, tmp_path, **changes)
    with pytest.raises(ValueError, match="use EvalCallback"):
        PPO("MlpPolicy", MAZE).learn(1, callback=DiscriminatorEvalCallback(env, tmp_path))
