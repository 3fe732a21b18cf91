"""V-MAIL as an SB3 algorithm: it runs, acts and counts."""

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import torch as th
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnMaxEpisodes,
)
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecMonitor,
)

from sb3_vdb import VMAIL, Demonstrations
from sb3_vdb.vec_env import action_repeat_of
from sb3_vdb.vmail import PRESETS, preset
from sb3_vdb.vmail.log import LOG_KEYS
from sb3_vdb.vmail.policies import CnnPolicy
from tests.vmail.small import (
    POLICIES,
    SETTINGS,
    SIZES,
    Dot,
    make_demonstrations,
    make_maze_model,
    make_model,
)

KINDS = tuple(POLICIES)


@pytest.mark.parametrize("kind", KINDS)
def test_the_tests_environment_is_a_gymnasium_environment(kind):
    check_env(Dot(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_and_logs_every_figure(kind, tmp_path):
    model = make_model(kind, gradient_steps=2, pretrain_steps=3)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(40)
    assert model.num_timesteps == 40
    # three updates before the first decision, then two every ten decisions
    assert model._n_updates == 3 + 4 * 2
    logged = pd.read_csv(tmp_path / "progress.csv").iloc[-1]
    assert np.isfinite(logged[list(LOG_KEYS.values())].to_numpy(float)).all()
    assert logged["time/env_frames"] == 40 * Dot.action_repeat
    assert logged["train/n_updates"] == model._n_updates
    assert max(map(len, logged.index)) <= 36  # SB3 cuts longer ones


@pytest.mark.parametrize(
    "settings",
    [
        preset("authors-code"),
        {"returns": "sum", "reward_type": "gail", "gradient_penalty": None},
        {
            "reward_type": "logit",
            "n_imagined": 3,
            "ent_coef": 1e-3,
            "bc_coef": 1.0,
            "kl_balance": 0.8,
        },
        {"information_limit": 0.5, "policy_kwargs": {"code_dim": 4}, "tau": 0.01},
        {"policy_kwargs": {"latent": "categorical", "n_classes": 3}, "gradient_steps": -1},
        {"expert_fraction": 0.5, "learning_starts": 10},
        {"n_reconstructed": 2, "policy_kwargs": {"bf16": True}},
        {"policy_kwargs": {"picture_net": "patches", "standardize_pictures": True}},
        {"expert_fraction": lambda progress: 0.5 * progress, "actor_learning_rate": lambda p: p},
        {"actor_decay": 0.9},
    ],
)
def test_every_option_learns(settings):
    model = make_model(**settings)
    model.learn(15)
    assert model._n_updates >= 2
    assert all(bool(th.isfinite(each).all()) for each in model.policy.parameters())


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_arguments_of_the_constructor(name):
    kwargs = preset(name)
    sizes = {**kwargs.pop("policy_kwargs", {}), **SIZES, "n_classes": 3}
    model = make_model(**{**kwargs, **SETTINGS, "burn_in": 1}, policy_kwargs=sizes)
    model.learn(20)


def test_several_environments_learn_together():
    venv = DummyVecEnv([lambda: Dot("pixels", 5), lambda: Dot("pixels", 6)])
    model = make_model(env=venv, gradient_steps=-1, train_freq=6)
    model.learn(12)
    assert model.num_timesteps == 12
    assert model._n_updates == 1 + 6 * 2  # -1: one update a decision
    assert len(model.replay_buffer.policy.episodes) == 6 // 5 + 6 // 6


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_acts_for_single_and_several_observations(kind):
    model = make_model(kind)
    env = Dot(kind)
    observation, _ = env.reset(seed=0)
    action, state = model.predict(observation, deterministic=True)
    assert action.shape == (2,)
    assert env.action_space.contains(action)
    stacked = (
        {name: np.stack([part] * 3) for name, part in observation.items()}
        if isinstance(observation, dict)
        else np.stack([observation] * 3)
    )
    actions, _ = model.predict(stacked, deterministic=True)
    # three rows go through other matrix products than one
    assert np.allclose(actions, action, atol=1e-5)
    assert [part.shape[0] for part in state] == [1, 1, 1]


def test_the_belief_remembers_and_an_episodes_start_forgets():
    model = make_model()
    observations = [Dot().reset(seed=seed)[0] for seed in range(3)]
    _, memory = model.predict(observations[0], deterministic=True)
    after, _ = model.predict(observations[1], memory, deterministic=True)
    fresh, _ = model.predict(observations[1], deterministic=True)
    assert not np.allclose(after, fresh, atol=1e-7)
    forgot, _ = model.predict(observations[1], memory, np.array([True]), deterministic=True)
    assert np.allclose(forgot, fresh)
    nowhere = tuple(np.full_like(part, np.nan) for part in memory)
    forgot, _ = model.predict(observations[1], nowhere, np.array([True]), deterministic=True)
    assert np.allclose(forgot, fresh)


def test_evaluate_policy_and_callbacks_work_unchanged(tmp_path):
    model = make_model()
    callbacks = [
        EvalCallback(make_model().get_env(), eval_freq=10, n_eval_episodes=2, verbose=0),
        CheckpointCallback(15, str(tmp_path), save_replay_buffer=True),
    ]
    model.learn(30, callback=callbacks, progress_bar=False)
    assert callbacks[0].last_mean_reward < 0.0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".pkl", ".pkl", ".zip", ".zip"]
    mean, _ = evaluate_policy(model, model.get_env(), n_eval_episodes=2)
    assert mean < 0.0
    checkpoint = next(path for path in tmp_path.iterdir() if path.name.endswith("15_steps.zip"))
    loaded = VMAIL.load(checkpoint, env=Dot(), device="cpu")
    loaded.load_replay_buffer(next(tmp_path.glob("*replay*15_steps.pkl")))
    loaded.learn(10, reset_num_timesteps=False)


def test_a_callback_that_stops_at_an_episodes_end_leaves_whole_episodes():
    model = make_model()
    model.learn(100, callback=StopTrainingOnMaxEpisodes(1))
    model.learn(20, reset_num_timesteps=False)
    assert [length for _, length in model.replay_buffer.policy.episodes] == [13, 13]


def test_environments_in_other_processes_are_not_asked_what_they_do_not_know():
    venv = SubprocVecEnv([lambda: gym.make("Pendulum-v1")], start_method="fork")
    rng = np.random.default_rng(0)
    demos = Demonstrations.from_arrays(
        [rng.uniform(-0.9, 0.9, (20, 3)).astype(np.float32)], [rng.uniform(-1, 1, (19, 1))]
    )
    model = VMAIL("MlpPolicy", venv, demos, policy_kwargs=SIZES, **{**SETTINGS, "buffer_size": 300})
    model.learn(12)
    assert int(model._collector.open_frames.sum()) == 12
    venv.close()


def test_exploration_can_fade(monkeypatch):
    seen = []
    act = CnnPolicy.act
    monkeypatch.setattr(
        CnnPolicy,
        "act",
        lambda *args, **kwargs: seen.append(kwargs["noise_std"]) or act(*args, **kwargs),
    )
    make_model(exploration_noise=lambda progress: 0.3 * progress, train_freq=30).learn(40)
    assert seen[0] == 0.3
    assert seen == sorted(seen, reverse=True)
    assert 0.0 < seen[-1] < 0.1
    with pytest.raises(ValueError, match=r"`exploration_noise` .* schedule gave -1\.0"):
        make_model(exploration_noise=lambda progress: -1.0).learn(20)


def test_training_can_wait_for_episodes():
    model = make_model(train_freq=(2, "episode"), gradient_steps=2)
    model.learn(50)  # episodes of 12 decisions
    assert model._n_updates == 1 + 2 * 2


def test_a_callback_can_end_training():
    class Stop(BaseCallback):
        def _on_step(self):
            return self.num_timesteps < 7

    model = make_model()
    model.learn(40, callback=Stop())
    assert model.num_timesteps == 7


def test_learning_goes_on_within_the_episode():
    model = make_model(train_freq=6)
    model.learn(8)
    model.learn(8, reset_num_timesteps=False)
    assert model.num_timesteps == 16
    # 12 steps of the first episode and 4 of the second: it was not reset between
    assert [length for _, length in model.replay_buffer.policy.episodes] == [13]
    assert model._n_updates == 1 + 2  # after 6 and after 12 decisions


def test_the_policy_predicts_with_the_average_of_its_actor_and_trains_with_the_latest(tmp_path):
    """An average that hardly moves acts as the actor did at first; a file keeps both."""
    model = make_model(actor_decay=0.999999)
    observation, _ = Dot("pixels").reset(seed=0)
    begun = model.predict(observation, deterministic=True)[0]
    model.learn(20)
    model.policy.world_model.load_state_dict(make_model().policy.world_model.state_dict())
    averaged = model.predict(observation, deterministic=True)[0]
    np.testing.assert_allclose(averaged, begun, atol=1e-4)
    average, model.policy.actor_average = model.policy.actor_average, None
    assert np.abs(model.predict(observation, deterministic=True)[0] - begun).max() > 1e-3
    model.policy.actor_average = average
    model.save(tmp_path / "model.zip")
    again = VMAIL.load(tmp_path / "model.zip").predict(observation, deterministic=True)[0]
    np.testing.assert_array_equal(again, averaged)
    model.policy.save(tmp_path / "policy.pt")
    alone = type(model.policy).load(tmp_path / "policy.pt")
    np.testing.assert_array_equal(alone.predict(observation, deterministic=True)[0], averaged)


def test_equal_seeds_give_equal_runs():
    states = [make_maze_model(seed=4).learn(30).policy.state_dict() for _ in range(2)]
    assert all(th.equal(states[0][name], states[1][name]) for name in states[0])


def test_frames_are_counted_where_an_action_lasts_several():
    model = make_model()
    model.learn(20)
    # an action lasts three frames; the first episode of 12 actions is over
    assert model.num_env_frames == 36
    assert model.num_env_frames + int(model._collector.open_frames.sum()) == 60


def test_demonstrations_can_be_changed_for_another_task():
    model = make_model()
    model.set_demonstrations(make_demonstrations(n=3, length=20))
    assert [length for _, length in model.replay_buffer.expert.episodes] == [21, 21, 21]
    model.learn_offline(1)


def test_actions_are_stored_in_the_range_of_the_policy_and_executed_in_the_environments():
    model = make_model(learning_starts=100)
    model.learn(24)
    low, high = model.action_space.low, model.action_space.high
    stored = model.replay_buffer.policy.episode(0)["actions"].numpy()[1:]
    assert np.abs(stored).max() <= 1.0
    assert np.abs(stored).std() > 0.1
    expert = model.replay_buffer.expert.episode(0)["actions"].numpy()[1:]
    given = make_demonstrations()[0].actions
    assert np.allclose((expert + 1.0) / 2.0 * (high - low) + low, given, atol=1e-5)


def test_pictures_are_stored_once_as_bytes():
    model = make_model()
    model.learn(13)
    stored = model.replay_buffer.policy.rows["observations/observation"]
    assert stored.dtype == th.uint8
    assert stored.shape == (200, 3, 16, 16)
    assert model.replay_buffer.policy.n_rows == 13  # 12 steps and the first observation


@pytest.mark.skipif(not hasattr(VecEnv, "has_attr"), reason="SB3 cannot ask other processes")
def test_environments_in_other_processes_say_how_long_an_action_lasts():
    venv = SubprocVecEnv([Dot, Dot], start_method="fork")
    assert action_repeat_of(VecMonitor(venv)) == 3
    venv.close()
