"""V-MAIL is saved, loaded, and goes on where it stopped."""

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.callbacks import (
    CheckpointCallback,
)
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecFrameStack,
    VecNormalize,
)

from sb3_vdb import VMAIL, NonFiniteError, make_vec_env
from sb3_vdb.run_state import get_env_state, set_env_state, to_arrays, to_tensors
from tests.vmail.small import (
    CLASSES,
    MAZE,
    POLICIES,
    Dot,
    make_demonstrations,
    make_maze_model,
    make_model,
)

KINDS = tuple(POLICIES)


def test_a_checkpoint_of_sb3s_callback_goes_on_exactly(tmp_path):
    whole = make_maze_model()
    save = CheckpointCallback(15, str(tmp_path), save_replay_buffer=True)
    whole.learn(42, callback=save)
    second = VMAIL.load(
        tmp_path / "rl_model_30_steps.zip", env=make_vec_env(MAZE, 2, seed=8), device="cpu"
    )
    second.load_replay_buffer(tmp_path / "rl_model_replay_buffer_30_steps.pkl")
    second.learn(12, reset_num_timesteps=False)
    for name, value in whole.policy.state_dict().items():
        assert th.equal(value, second.policy.state_dict()[name]), name


def test_a_frequency_in_episodes_survives_a_file(tmp_path):
    model = make_model(train_freq=(1, "episode"))
    model.learn(15)
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "replay.npz")
    loaded = VMAIL.load(tmp_path / "model.zip", env=Dot(), device="cpu")
    loaded.load_replay_buffer(tmp_path / "replay.npz")
    loaded.learn(15, reset_num_timesteps=False)
    assert loaded._n_updates == model._n_updates + 1


def test_other_environments_begin_new_episodes(tmp_path):
    model = make_maze_model()
    model.learn(10)
    model.save(tmp_path / "model.zip")
    more = VMAIL.load(tmp_path / "model.zip", env=make_vec_env(MAZE, 4, seed=1), device="cpu")
    assert more._last_obs is None
    model.save_replay_buffer(tmp_path / "replay.npz")
    more.load_replay_buffer(tmp_path / "replay.npz")  # but for episodes that were going on
    assert more.replay_buffer.policy.n_rows == model.replay_buffer.policy.n_rows
    assert more.learn(20, reset_num_timesteps=False).num_timesteps == 30
    plain = make_vec_env(MAZE, 2, seed=1, monitor=False)  # a monitor changes nothing
    assert VMAIL.load(tmp_path / "model.zip", env=plain, device="cpu")._last_obs is not None
    with pytest.warns(UserWarning, match="new episodes are begun"):
        VMAIL.load(tmp_path / "model.zip", env=VecFrameStack(plain, 1), device="cpu")
    alone = VMAIL.load(tmp_path / "model.zip", device="cpu")
    alone.save(tmp_path / "alone.zip")
    again = VMAIL.load(tmp_path / "alone.zip", env=make_vec_env(MAZE, 2, seed=1), device="cpu")
    assert again._last_obs is None


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
    whole.learn(28)
    whole.learn(28, reset_num_timesteps=False)
    first = make_maze_model()
    first.learn(28)
    first.save(tmp_path / "model.zip")
    first.save_replay_buffer(tmp_path / "replay.npz")
    th.manual_seed(77)
    second = VMAIL.load(tmp_path / "model.zip", env=make_vec_env(MAZE, 2, seed=8), device="cpu")
    second.load_replay_buffer(tmp_path / "replay.npz")
    second.learn(28, reset_num_timesteps=False)
    assert second.num_timesteps == whole.num_timesteps == 56
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

    def spoil(local, _):
        if local["self"].num_timesteps == 20:
            next(model.policy.world_model.decoder.parameters()).data[0] = th.inf
        return True

    with pytest.raises(NonFiniteError, match=r"model_loss.*vmail_before_error\.zip"):
        model.learn(20, callback=spoil, reset_num_timesteps=False)
    assert VMAIL.load(tmp_path / "vmail_before_error.zip", device="cpu").num_timesteps == 20


WEIGHTS = [  # of what acts, of what only learns, and one behind a ReLU that hides -inf
    "world_model.encoder.nets.part_observation.0.weight",
    "world_model.decoder.nets.part_observation.0.bias",
    "discriminator.unit.trunk.layers.0.weight",
    "actor_average.net.0.weight",
    "value_target.net.0.bias",
]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_weight_that_is_not_finite_is_named_and_what_was_before_is_saved(
    weight, value, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = make_model("vectors", actor_decay=0.9)

    def spoil(local, _):
        if local["self"].num_timesteps == 15:
            model.policy.get_parameter(weight).data.flatten()[0].fill_(value)
        return True

    with pytest.raises(NonFiniteError, match=rf"`{weight}` is not finite.*vmail_before_error\.zip"):
        model.learn(40, callback=spoil)
    loaded = VMAIL.load(tmp_path / "vmail_before_error.zip", env=Dot("vectors"), device="cpu")
    loaded.set_demonstrations(make_demonstrations("vectors"))
    for each in (model, loaded):
        assert all(part.isfinite().all() for part in each.policy.state_dict().values())
        each.learn(20, reset_num_timesteps=False)


@pytest.mark.parametrize("n_updates", [1, 2])
def test_a_step_that_overflows_is_taken_back(n_updates, tmp_path, monkeypatch):
    """Found by the next update's losses, or at the end where there is none."""
    monkeypatch.chdir(tmp_path)
    model = make_model("vectors", actor_learning_rate=1e39)
    before = {name: each.clone() for name, each in model.policy.state_dict().items()}
    with pytest.raises(NonFiniteError, match=r"weight `actor\..*; lower the learning rate"):
        model.learn_offline(n_updates)
    loaded = VMAIL.load(tmp_path / "vmail_before_error.zip", device="cpu")
    for name, value in loaded.policy.state_dict().items():
        assert th.equal(value, before[name]), name


def test_weights_that_are_not_finite_from_the_start_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make_model("vectors")
    next(model.policy.parameters()).data.fill_(np.nan)
    for train in (model.learn, model.learn_offline, model.train):
        with pytest.raises(NonFiniteError, match="is not finite; load an earlier checkpoint"):
            train(20)
    assert not list(tmp_path.iterdir())


class Broken(Dot):
    """Gives a bad number in observation ``at`` of its second episode, of 12 steps."""

    def __init__(self, at, value):
        super().__init__("vectors")
        self.at, self.value, self.episode = at, value, 0

    def reset(self, **kwargs):
        self.episode += 1
        return super().reset(**kwargs)

    def observe(self):
        observation = super().observe()
        if self.episode == 2 and self.clock == self.at:
            observation[1] = self.value
        return observation


@pytest.mark.parametrize(
    ("at", "value", "step"), [(0, np.inf, 12), (3, np.nan, 15), (12, np.inf, 24)]
)
def test_a_bad_observation_is_named_and_stays_out_of_the_replay(
    at, value, step, tmp_path, monkeypatch
):
    """At a reset, within an episode, and at its end."""
    monkeypatch.chdir(tmp_path)
    model = make_model("vectors", env=Broken(at, value), train_freq=100)
    with pytest.raises(NonFiniteError, match=rf"step {step} of environment 0 .* \[1\] is {value}"):
        model.learn(30)
    replay = model.replay_buffer
    assert all(th.isfinite(rows).all() for rows in replay.policy.rows_in_use().values())
    assert all(np.isfinite(values).all() for values in replay.open_episodes[0].values())
    loaded = VMAIL.load(tmp_path / "vmail_before_error.zip", device="cpu")
    assert loaded.num_timesteps == step - 1
    model.learn(30, reset_num_timesteps=False)  # with new episodes


def test_a_save_that_fails_does_not_hide_what_went_wrong(monkeypatch):
    model = make_model("vectors", env=Broken(0, np.nan), train_freq=100)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(type(model), "save", full)
    with pytest.raises(NonFiniteError, match=r"step 12 .*is nan.* could not be saved .*No space"):
        model.learn(30)


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
