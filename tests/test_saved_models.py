"""Files of policies of any kind, read to act with, in Python and by the commands."""

import sys

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import sb3_contrib
import stable_baselines3
from click.testing import CliRunner
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from sb3_vdb import GAIL, VDAC, VMAIL, Demonstrations, make_vec_env
from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.cli import main
from sb3_vdb.evaluation import evaluate_returns
from sb3_vdb.saved_models import NormalizedPolicy, load_model
from tests.conftest import MAZE, small_ppo
from tests.test_acting import PLAIN
from tests.vmail.small import make_model

DISCRETE = ("PPO", "A2C", "DQN", "QRDQN", "TRPO", "MaskablePPO", "RecurrentPPO")
CONTINUOUS = ("SAC", "TD3", "DDPG", "TQC", "CrossQ", "ARS", "DeepMimicPPO")
SMALL = {"net_arch": [4]}


class Short(gym.Env):
    """Episodes of five steps, paid by the first component of the observation, which is 100."""

    observation_space = gym.spaces.Box(-1000, 1000, (3,))

    def __init__(self, discrete=False, length=5):
        self.action_space = gym.spaces.Discrete(4) if discrete else gym.spaces.Box(-1, 1, (2,))
        self.length = length

    def observe(self):
        return np.array([100, self.now, 0], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now = 0
        return self.observe(), {}

    def step(self, action):
        self.now += 1
        return self.observe(), 1.0, False, self.now >= self.length, {}

    def action_masks(self):
        return np.array([False, True, True, False])


gym.register("Short-v0", f"{__name__}:Short")


def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model.zip"


def make(name, policy="MlpPolicy"):
    packages = (stable_baselines3, sb3_contrib, sys.modules[__name__])
    kind = next((getattr(each, name) for each in packages if hasattr(each, name)), None)
    if kind is None:
        pytest.skip(f"this sb3-contrib has no {name}")
    policy = "MlpLstmPolicy" if name == "RecurrentPPO" else policy
    extra = {"buffer_size": 10} if name in ("DQN", "QRDQN", *CONTINUOUS[:5]) else {}
    kwargs = {"policy_kwargs": dict(SMALL), "seed": 1, **extra}
    if name == "RecurrentPPO":
        kwargs["policy_kwargs"] = {**SMALL, "lstm_hidden_size": 4}
    return kind(policy, Short(discrete=name in DISCRETE), device="cpu", **kwargs)


@pytest.mark.parametrize("name", [*DISCRETE, *CONTINUOUS])
def test_a_file_of_sb3_says_whose_it_is(name, tmp_path):
    model = make(name)
    loaded = load_model(saved(model, tmp_path))
    assert type(loaded) is (stable_baselines3.TD3 if name == "DDPG" else type(model))
    observations = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for theirs, ours in zip(
        model.predict(observations, deterministic=True),
        loaded.predict(observations, deterministic=True),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [VMAIL, VDAC])
def test_world_models_are_told_apart(kind, tmp_path):
    model = make_model("vectors", algorithm=kind)
    assert type(load_model(saved(model, tmp_path))) is kind


def test_a_cloned_policy_is_read(tmp_path):
    sizes = {"units": 4, "n_layers": 1}
    venv = DummyVecEnv([Short])
    demos = Demonstrations.from_arrays([np.zeros((6, 3), np.float32)], [np.zeros((5, 2))])
    cloned = BehaviouralCloning(venv, demos, policy_kwargs=sizes, device="cpu").learn(1)
    cloned.save(tmp_path / "cloned.zip")
    loaded, observation = load_model(tmp_path / "cloned.zip"), np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(loaded.predict(observation)[0], cloned.predict(observation)[0])


def normalised():
    venv = VecNormalize(DummyVecEnv([Short]), clip_obs=5.0)
    venv.reset()
    for _ in range(7):
        venv.step(np.zeros((1, 2), np.float32))
    return venv


def test_the_policy_of_a_trainer_acts_on_raw_observations_by_the_files_own_statistics(tmp_path):
    venv = normalised()
    demos = Demonstrations.from_arrays(
        [np.zeros((9, 3), np.float32)], [np.zeros((8, 2), np.float32)]
    )
    trainer = GAIL(
        demos, venv, small_ppo(venv, n_steps=8, batch_size=8), demo_batch_size=4, **PLAIN
    )
    trainer.save(tmp_path / "gail.zip")
    loaded, raw = load_model(tmp_path / "gail"), np.array([[100.0, 2.0, 0.0]], np.float32)
    assert isinstance(loaded, NormalizedPolicy)
    expected, _ = trainer.predict(venv.normalize_obs(raw), deterministic=True)
    np.testing.assert_allclose(loaded.predict(raw, deterministic=True)[0], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="holds a GAIL with a PPO, no SAC; leave"):
        load_model(tmp_path / "gail.zip", "SAC")


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (lambda venv: VecFrameStack(venv, 2), "sees frames that are stacked above a VecNormalize"),
        (VecNormalize, "were normalised twice; load it with GAIL.load"),
    ],
)
def test_a_trainers_policy_whose_observations_cannot_be_made_again_is_refused(
    stack, message, tmp_path
):
    venv = stack(normalised())
    demos = Demonstrations.from_arrays([np.zeros((9, 3), np.float32)], [np.zeros((8, 2))])
    trainer = GAIL(
        demos, venv, small_ppo(venv, n_steps=8, batch_size=8), demo_batch_size=4, **PLAIN
    )
    trainer.save(tmp_path / "gail.zip")
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "gail.zip")


def test_statistics_of_a_file_make_a_policy_act_on_raw_observations(tmp_path):
    venv = normalised()
    model = small_ppo(venv)
    venv.save(str(tmp_path / "stats.pkl"))
    loaded = load_model(saved(model, tmp_path), vec_normalize=tmp_path / "stats.pkl")
    raw = np.array([[100.0, 2.0, 0.0]], np.float32)
    expected, _ = model.predict(venv.normalize_obs(raw), deterministic=True)
    np.testing.assert_array_equal(loaded.predict(raw, deterministic=True)[0], expected)
    other = PPO("MlpPolicy", "CartPole-v1", device="cpu")
    other.save(tmp_path / "other.zip")
    with pytest.raises(ValueError, match=r"stats\.pkl holds no statistics .*Box\("):
        load_model(tmp_path / "other.zip", vec_normalize=tmp_path / "stats.pkl")


def test_what_holds_no_policy_is_refused_by_name(tmp_path):
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ValueError, match=r"text\.zip cannot be read"):
        load_model(tmp_path / "text.zip")
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match=r"arrays\.npz holds no policy .* it holds a\.npy"):
        load_model(tmp_path / "arrays.npz")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nothing.zip")
    path = saved(make("SAC"), tmp_path)
    with pytest.raises(ValueError, match=r"cannot be read as one of PPO \(.*leave the algorithm"):
        load_model(path, "PPO")
    with pytest.raises(ValueError, match="QPO is no algorithm"):
        load_model(path, "QPO")
    assert type(load_model(path, "stable_baselines3:SAC")) is SAC


def invoke(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_evaluate_prints_every_return_and_their_interquartile_mean(tmp_path):
    path, out = saved(make("SAC"), tmp_path), tmp_path / "returns.csv"
    result = invoke(
        *("evaluate", path, f"{__name__}:Short-v0", "--episodes", 3, "--arg", "length=4"),
        *("--out", out),
    )
    assert result.exit_code == 0, result.output
    assert "interquartile mean of 3 returns 4.00 [4.00, 4.00] (95 % bootstrap" in result.output
    table = pd.read_csv(out)
    assert table["return"].tolist() == [4.0] * 3
    assert table["length"].tolist() == [4] * 3
    refused = invoke("evaluate", path, "CartPole-v1")
    assert refused.exit_code == 1
    assert "the model observes Box(-1000.0" in refused.output
    unknown = invoke("evaluate", path, "Shrt-v0")
    assert unknown.exit_code == 2
    assert "did you mean Short-v0" in " ".join(unknown.output.split())


def test_evaluate_acts_as_in_training_with_statistics(tmp_path):
    """The same policy, by the command and by hand in normalised environments."""
    venv = VecNormalize(make_vec_env(MAZE, 2))
    model = small_ppo(venv).learn(100)
    venv.save(str(tmp_path / "stats.pkl"))
    path, out = saved(model, tmp_path), tmp_path / "returns.csv"
    result = invoke(
        *("evaluate", path, "sb3_vdb/CMaze", "--vec-normalize", tmp_path / "stats.pkl"),
        *("--episodes", 2, "--out", out),
    )
    assert result.exit_code == 0, result.output
    by_hand = evaluate_returns(
        model, VecNormalize(make_vec_env(MAZE, 2, seed=0), training=False), 2
    )
    np.testing.assert_allclose(pd.read_csv(out)["return"], by_hand.returns, rtol=1e-5)


@pytest.mark.parametrize("name", ["RecurrentPPO", "MaskablePPO", "VMAIL"])
def test_record_demos_reads_policies_with_memory_and_masks(name, tmp_path):
    from sb3_vdb.demonstrations import recording

    if name == "VMAIL":
        observations = [np.full((9, 3), i, np.float32) for i in range(2)]
        demos = Demonstrations.from_arrays(observations, [np.zeros((8, 2), np.float32)] * 2)
        model = make_model("vectors", Short(), demonstrations=demos)
    else:
        model = make(name)
    out = tmp_path / "demos.npz"
    arguments = ["record-demos", f"{__name__}:Short-v0", "--model", saved(model, tmp_path)]
    arguments += ["--arg", f"discrete={'false' if name == 'VMAIL' else 'true'}"]
    result = invoke(*arguments, "--episodes", 3, "--out", out)
    assert result.exit_code == 0, result.output
    assert "3 episodes, mean return 5.0" in result.output
    actions = np.concatenate([each.actions for each in recording.load(out).episodes])
    if name == "MaskablePPO":
        assert set(actions) <= {1, 2}
