"""V-MAIL as an SB3 algorithm: it runs, acts, counts, is saved, and goes on where it stopped."""

from dataclasses import replace

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
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from sb3_vdb import VMAIL, Demonstrations, NonFiniteError, make_vec_env
from sb3_vdb.run_state import get_env_state, set_env_state, to_arrays, to_tensors
from sb3_vdb.vec_env import action_repeat_of
from sb3_vdb.vmail import PRESETS, preset
from sb3_vdb.vmail.log import LOG_KEYS
from sb3_vdb.vmail.policies import CnnPolicy
from tests.vmail.small import (
    CLASSES,
    MAZE,
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
    model = make_model(kind)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(40)
    assert model.num_timesteps == 40
    # one update before the first decision, then two every ten decisions
    assert model._n_updates == 1 + 4 * 2
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
        {"expert_fraction": 0.5, "learning_starts": 15},
        {"n_reconstructed": 2, "policy_kwargs": {"bf16": True}},
        {"policy_kwargs": {"picture_net": "patches", "standardize_pictures": True}},
        {"expert_fraction": lambda progress: 0.5 * progress, "actor_learning_rate": lambda p: p},
        {"actor_decay": 0.9},
    ],
)
def test_every_option_learns(settings):
    model = make_model(**settings)
    model.learn(20)
    assert model._n_updates >= 5
    assert all(bool(th.isfinite(each).all()) for each in model.policy.parameters())


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_arguments_of_the_constructor(name):
    kwargs = preset(name)
    sizes = {**kwargs.pop("policy_kwargs", {}), **SIZES, "n_classes": 3}
    model = make_model(**{**kwargs, **SETTINGS, "burn_in": 1}, policy_kwargs=sizes)
    model.learn(20)


def test_a_preset_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="paper, authors-code, strong, laptop"):
        preset("papr")


def test_several_environments_learn_together():
    venv = DummyVecEnv([lambda: Dot("pixels", 7), lambda: Dot("pixels", 11)])
    model = make_model(env=venv, gradient_steps=-1)
    model.learn(44)
    assert model.num_timesteps == 44
    assert model._n_updates == 1 + 2 * 20  # -1: one update a decision
    assert len(model.replay_buffer.policy.episodes) == 22 // 7 + 22 // 11


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


def test_a_checkpoint_of_sb3s_callback_goes_on_exactly(tmp_path):
    whole = make_maze_model()
    save = CheckpointCallback(15, str(tmp_path), save_replay_buffer=True)
    whole.learn(60, callback=save)
    second = VMAIL.load(
        tmp_path / "rl_model_30_steps.zip", env=make_vec_env(MAZE, 2, seed=8), device="cpu"
    )
    second.load_replay_buffer(tmp_path / "rl_model_replay_buffer_30_steps.pkl")
    second.learn(30, reset_num_timesteps=False)
    for name, value in whole.policy.state_dict().items():
        assert th.equal(value, second.policy.state_dict()[name]), name


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


def test_a_frequency_in_episodes_survives_a_file(tmp_path):
    model = make_model(train_freq=(1, "episode"))
    model.learn(15)
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "replay.npz")
    loaded = VMAIL.load(tmp_path / "model.zip", env=Dot(), device="cpu")
    loaded.load_replay_buffer(tmp_path / "replay.npz")
    loaded.learn(15, reset_num_timesteps=False)
    assert loaded._n_updates == model._n_updates + 2


def test_other_environments_begin_new_episodes(tmp_path):
    model = make_maze_model()
    model.learn(10)
    model.save(tmp_path / "model.zip")
    more = VMAIL.load(tmp_path / "model.zip", env=make_vec_env(MAZE, 4, seed=1), device="cpu")
    assert more._last_obs is None
    plain = make_vec_env(MAZE, 2, seed=1, monitor=False)
    with pytest.warns(UserWarning, match="new episodes are begun"):
        VMAIL.load(tmp_path / "model.zip", env=plain, device="cpu")
    alone = VMAIL.load(tmp_path / "model.zip", device="cpu")
    alone.save(tmp_path / "alone.zip")
    again = VMAIL.load(tmp_path / "alone.zip", env=make_vec_env(MAZE, 2, seed=1), device="cpu")
    assert again._last_obs is None


def test_exploration_can_fade(monkeypatch):
    seen = []
    act = CnnPolicy.act
    monkeypatch.setattr(
        CnnPolicy,
        "act",
        lambda *args, **kwargs: seen.append(kwargs["noise_std"]) or act(*args, **kwargs),
    )
    make_model(exploration_noise=lambda progress: 0.3 * progress).learn(40)
    assert seen[0] == 0.3
    assert seen == sorted(seen, reverse=True)
    assert 0.0 < seen[-1] < 0.1
    with pytest.raises(ValueError, match=r"`exploration_noise` .* schedule gave -1\.0"):
        make_model(exploration_noise=lambda progress: -1.0).learn(20)


def test_a_schedule_out_of_range_is_refused():
    model = make_model(expert_fraction=lambda progress: 3.0)
    with pytest.raises(ValueError, match=r"its schedule gave 3\.0"):
        model.learn_offline(1)


def test_stacked_frames_go_on_where_they_were():
    stacks = []
    for _ in range(2):
        venv = VecFrameStack(make_vec_env(MAZE, 2, seed=3), 3)
        venv.reset()
        stacks.append(venv)
    actions = np.full((2, 2), 0.5, np.float32)
    for _ in range(4):
        stacks[0].step(actions)
    assert set_env_state(stacks[1], to_arrays(to_tensors(get_env_state(stacks[0]))))
    one, other = (venv.step(actions)[0] for venv in stacks)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_layout_of_arrays_goes_through_a_file(order):
    array = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    back = to_arrays(to_tensors({"rows": [array]}))["rows"][0]
    assert np.array_equal(back, array)
    assert back.strides == array.strides


def test_a_model_of_a_gpu_is_loaded_on_a_cpu(tmp_path):
    model = make_model()
    model.engine = "cuda_graph"
    model.save(tmp_path / "model.zip")
    loaded = VMAIL.load(tmp_path / "model.zip", device="cpu")
    loaded.predict(Dot().reset(seed=0)[0])
    loaded.set_demonstrations(make_demonstrations())
    with pytest.raises(ValueError, match='needs `device` "cuda"'):
        loaded.learn_offline(1)


def test_settings_are_checked_when_they_are_changed_in_loading(tmp_path):
    make_model().save(tmp_path / "model.zip")
    with pytest.raises(ValueError, match="`gamma`"):
        VMAIL.load(tmp_path / "model.zip", device="cpu", gamma=5.0)
    model = make_model("vectors")
    with pytest.raises(ValueError, match="VecNormalize"):
        model.set_env(VecNormalize(DummyVecEnv([lambda: Dot("vectors")])))


def test_calls_that_mix_the_two_interfaces_are_refused():
    model = make_model()
    with pytest.raises(ValueError, match="is a tuple"):
        model.predict(Dot().reset(seed=0))
    with pytest.raises(ValueError, match="`env` is None"):
        VMAIL("CnnPolicy", None, make_demonstrations())


def test_training_can_wait_for_episodes():
    model = make_model(train_freq=(2, "episode"), gradient_steps=3)
    model.learn(50)  # episodes of 12 decisions
    assert model._n_updates == 1 + 2 * 3


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
    assert model._n_updates == 1 + 2 * 2  # after 6 and after 12 decisions


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_policy_acts_as_the_saved_one(kind, tmp_path):
    model = make_model(kind)
    model.learn(20)
    model.save(tmp_path / "model")
    loaded = VMAIL.load(tmp_path / "model", device="cpu")
    env = Dot(kind)
    observation, _ = env.reset(seed=5)
    memories = [None, None]
    for _ in range(6):
        actions = []
        for i, each in enumerate((model, loaded)):
            action, memories[i] = each.predict(observation, memories[i], deterministic=True)
            actions.append(action)
        assert np.array_equal(*actions)
        observation, *_ = env.step(actions[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_alone_can_be_saved_and_loaded(kind, tmp_path):
    model = make_model(kind)
    model.policy.save(tmp_path / "policy.pt")
    loaded = CLASSES[kind].load(tmp_path / "policy.pt", device="cpu")
    observation, _ = Dot(kind).reset(seed=5)
    expected, _ = model.policy.predict(observation, deterministic=True)
    found, _ = loaded.predict(observation, deterministic=True)
    assert np.array_equal(found, expected)


def test_a_run_in_two_parts_equals_one_run(tmp_path):
    whole = make_maze_model()
    whole.learn(60)
    whole.learn(60, reset_num_timesteps=False)
    first = make_maze_model()
    first.learn(60)
    first.save(tmp_path / "model.zip")
    first.save_replay_buffer(tmp_path / "replay.npz")
    th.manual_seed(77)
    second = VMAIL.load(tmp_path / "model.zip", env=make_vec_env(MAZE, 2, seed=8), device="cpu")
    second.load_replay_buffer(tmp_path / "replay.npz")
    second.learn(60, reset_num_timesteps=False)
    assert second.num_timesteps == whole.num_timesteps == 120
    assert second._n_updates == whole._n_updates
    for name, value in whole.policy.state_dict().items():
        assert th.equal(value, second.policy.state_dict()[name]), name
    for name in ("model", "discriminator", "actor", "value"):
        states = [
            getattr(each.policy, f"{name}_optimizer").state_dict()["state"]
            for each in (whole, second)
        ]
        assert all(th.equal(states[0][i]["exp_avg"], states[1][i]["exp_avg"]) for i in states[0])
    assert whole.num_env_frames == second.num_env_frames


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


def test_an_interrupted_save_leaves_the_file_before_it(tmp_path, monkeypatch):
    model = make_model()
    path = tmp_path / "model.zip"
    model.save(path)
    content = path.read_bytes()
    monkeypatch.setattr(th, "save", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["model.zip"]


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


def test_other_demonstrations_do_not_change_the_scale_of_a_trained_model(tmp_path):
    model = make_model("vectors")
    model.learn(10)
    model.save(tmp_path / "model.zip")
    loaded = VMAIL.load(tmp_path / "model.zip", env=Dot("vectors"), device="cpu")
    for each in (model, loaded):
        (scale,) = each.policy.world_model.encoder.normalizers.values()
        before = scale.mean.clone()
        each.set_demonstrations(make_demonstrations("vectors", n=1))
        assert th.equal(scale.mean, before)
    assert scale.mean.abs().sum() > 0.0


def test_a_loss_that_is_not_finite_stops_with_its_name_after_saving(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make_model()
    model.learn(10)
    next(model.policy.world_model.decoder.parameters()).data[0] = th.inf
    with pytest.raises(NonFiniteError, match=r"model_loss.*vmail_before_error\.zip"):
        model.learn(20, reset_num_timesteps=False)
    assert VMAIL.load(tmp_path / "vmail_before_error.zip", device="cpu").num_timesteps == 20


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


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number from 1 on, got 0"),
        ({"horizon": 0}, "`horizon`"),
        ({"gamma": 1.5}, "`gamma` must be between 0 and 1, got 1.5"),
        ({"expert_fraction": -0.1}, "`expert_fraction`"),
        ({"kl_balance": 2.0}, "`kl_balance`"),
        ({"free_nats": -1.0}, "`free_nats` must be finite and not negative"),
        ({"reward_type": "d"}, "`reward_type` must be one of gail, log_d, probability"),
        ({"returns": "td"}, "`returns` must be one of lambda, sum"),
        (
            {"gradient_penalty": "logits"},
            "`gradient_penalty` must be one of one_centered, one_",
        ),
        ({"batch_size": 2.5}, "`batch_size` must be a whole number from 1 on, got 2.5"),
        ({"learning_rate": -1.0}, "`learning_rate` must be finite and not negative, got -1.0"),
        ({"actor_learning_rate": np.nan}, "`actor_learning_rate` must be finite"),
        ({"buffer_size": 4}, "`buffer_size` 4 does not hold one sequence of `sequence_length` 5"),
        ({"sequence_length": 1}, "`sequence_length` must be at least 2"),
        ({"sequence_length": 14}, "13 observations, fewer than `sequence_length` 14"),
        ({"information_limit": 0.5}, "a bottleneck needs both"),
        ({"policy_kwargs": {"code_dim": 3}}, "a bottleneck needs both"),
        ({"n_imagined": 0}, "`n_imagined`"),
        ({"actor_decay": 1.0}, "`actor_decay` must be at least 0 and below 1, got 1.0"),
        ({"n_reconstructed": 0}, "`n_reconstructed`"),
        ({"max_grad_norm": -1.0}, "`max_grad_norm` must be positive"),
        ({"gradient_steps": -5}, "`gradient_steps`"),
        ({"gradient_steps": 1.5}, "`gradient_steps` must be a whole number"),
        ({"ent_coef": None}, "`ent_coef` must be finite and not negative, got None"),
        ({"train_freq": (1, "epoch")}, "`train_freq` must be a number of steps"),
        ({"train_freq": 0}, "`train_freq` must be a number of steps"),
        ({"burn_in": 4}, "`burn_in` 4 leaves nothing of sequences of 5"),
        ({"horizon": 1, "drop_last_reward": True}, "`horizon` must be at least 2"),
        ({"engine": "jit"}, "`engine` must be one of"),
        ({"engine": "cuda_graph"}, 'needs `device` "cuda"'),
        ({"replay_place": "tape"}, "`replay_place` must be one of"),
        ({"buffer_size": 10**15}, "lower `buffer_size`"),
        ({"policy_kwargs": {"latent": "beta"}}, "`latent`"),
        ({"policy_kwargs": {"units": 0}}, "`units` must be at least 1"),
        ({"policy_kwargs": {"init_std": 0.0}}, "`init_std` must be positive"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        make_model(**settings)


def change(**fields):
    """Demonstrations with other fields in their first trajectory."""
    from dataclasses import replace

    demos = list(make_demonstrations())
    return [replace(demos[0], **fields), *demos[1:]]


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        (change(actions=np.full((12, 2), 1.5, np.float32)), r"action .* at step 0 lies outside"),
        (change(actions=np.zeros((12, 3), np.float32)), r"action has shape \(3,\)"),
        (
            change(observations=np.zeros((13, 32, 32, 3), np.uint8)),
            r"pictures of shape \(32, 32, 3\), the environment of \(16, 16, 3\); make the",
        ),
    ],
    ids=["range", "shape", "size"],
)
def test_demonstrations_that_do_not_fit_are_refused(trajectories, message):
    with pytest.raises(ValueError, match=message):
        make_model(demonstrations=Demonstrations(trajectories))


def test_pictures_of_another_type_are_refused():
    demos = [
        type(each)(each.observations.astype(np.float32), each.actions)
        for each in make_demonstrations()
    ]
    with pytest.raises(ValueError, match="pictures of dtype float32"):
        make_model(demonstrations=Demonstrations(demos))


def test_demonstrations_without_actions_are_refused_with_what_learns_from_them():
    demos = Demonstrations([type(each)(each.observations) for each in make_demonstrations()])
    with pytest.raises(ValueError, match="have no actions"):
        make_model(demonstrations=demos)


def test_demonstrations_of_another_action_repeat_are_refused():
    demos = [replace(each, action_repeat=2) for each in make_demonstrations()]
    message = "trajectory 0: an action lasted 2 frames, in the environment it lasts 3; make the"
    with pytest.raises(ValueError, match=message):
        make_model(demonstrations=Demonstrations(demos))
    model = make_model(demonstrations=make_demonstrations())
    with pytest.raises(ValueError, match="action_repeat=2"):
        model.set_demonstrations(Demonstrations(demos))


class Brisk(Dot):
    action_repeat = 2


def test_environments_of_another_action_repeat_are_refused(tmp_path):
    model = make_model().learn(12)
    message = "an action lasted 3 frames in this model's environments, in these it lasts 2"
    env = model.env
    with pytest.raises(ValueError, match=message):
        model.set_env(Brisk())
    assert model.env is env
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match=message):
        VMAIL.load(tmp_path / "model", env=Brisk(), device="cpu")
    loaded = VMAIL.load(tmp_path / "model", device="cpu")
    with pytest.raises(ValueError, match=message):
        loaded.set_env(Brisk())
    with pytest.raises(ValueError, match="VecNormalize"):
        loaded.set_env(VecNormalize(DummyVecEnv([lambda: Dot("vectors")])))
    assert loaded.env is None
    assert loaded.action_repeat == 3


@pytest.mark.skipif(not hasattr(VecEnv, "has_attr"), reason="SB3 cannot ask other processes")
def test_environments_in_other_processes_say_how_long_an_action_lasts():
    venv = SubprocVecEnv([Dot, Dot], start_method="fork")
    assert action_repeat_of(VecMonitor(venv)) == 3
    venv.close()


def test_demonstrations_of_another_kind_are_refused():
    with pytest.raises(ValueError, match=r"observations \['observation'\], the environment"):
        make_model("both", demonstrations=make_demonstrations("pixels"))
    with pytest.raises(ValueError, match="must be Demonstrations, got str"):
        VMAIL("CnnPolicy", Dot(), "demos.npz")


def test_normalised_environments_are_refused():
    venv = VecNormalize(DummyVecEnv([lambda: Dot("vectors")]))
    with pytest.raises(ValueError, match="VecNormalize"):
        make_model("vectors", env=venv)


def test_discrete_actions_are_refused_with_the_reason():
    class Buttons(Dot):
        def __init__(self):
            super().__init__()
            self.action_space = gym.spaces.Discrete(3)

    with pytest.raises(ValueError, match="continuous actions"):
        make_model(env=Buttons())


def test_a_loaded_model_without_demonstrations_says_how_to_go_on(tmp_path):
    make_model().save(tmp_path / "model.zip")
    loaded = VMAIL.load(tmp_path / "model.zip", env=Dot(), device="cpu")
    with pytest.raises(ValueError, match="load_replay_buffer"):
        loaded.learn(10)
    loaded.set_demonstrations(make_demonstrations())
    loaded.learn(10)


def test_a_file_of_other_sizes_is_refused(tmp_path):
    make_model().save(tmp_path / "model.zip")
    with pytest.raises(ValueError, match="Observation spaces do not match"):
        VMAIL.load(tmp_path / "model.zip", env=Dot("vectors"), device="cpu")
