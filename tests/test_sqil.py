"""SQIL: SB3's off-policy algorithms imitate through their replay buffer."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib import QRDQN, TQC
from stable_baselines3 import DDPG, DQN, SAC, TD3

from sb3_vdb import Demonstrations
from sb3_vdb.baselines import SQILDictReplayBuffer, SQILReplayBuffer

pytestmark = pytest.mark.stacks


class ToTheMiddle(gym.Env):
    """x' = x + 0.2 a; the expert goes to 0. Its own reward says the opposite."""

    def __init__(self, kind="box"):
        vector = spaces.Box(-2.0, 2.0, (1,), np.float32)
        self.kind, self.observation_space = kind, vector
        if kind == "dict":
            self.observation_space = spaces.Dict({"x": vector})
        if kind == "picture":
            self.observation_space = spaces.Box(0, 255, (36, 36, 3), np.uint8)
        self.action_space = spaces.Box(-0.5, 0.5, (1,), np.float32)
        if kind == "discrete":
            self.action_space = spaces.Discrete(3)

    def _see(self):
        seen = np.array([self.x], np.float32)
        if self.kind == "picture":
            picture = np.zeros((36, 36, 3), np.uint8)
            picture[:, int(8 * self.x + 18) % 36] = 255
            return picture
        return {"x": seen} if self.kind == "dict" else seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = self.np_random.uniform(-1.5, 1.5), 0
        return self._see(), {}

    def step(self, action):
        push = 0.5 * (int(action) - 1) if self.kind == "discrete" else float(action[0])
        self.x, self.t = float(np.clip(self.x + 0.4 * push, -2, 2)), self.t + 1
        return self._see(), abs(self.x), False, self.t >= 20, {}


class Expert:
    def __init__(self, kind="box"):
        self.kind = kind

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        if self.kind == "picture":
            return np.zeros((len(observation), 1), np.float32), None
        x = (observation["x"] if self.kind == "dict" else observation)[:, 0]
        if self.kind == "discrete":
            return 1 - np.sign(np.round(x / 0.2)).astype(int), None
        return np.clip(-2.0 * x, -0.5, 0.5)[:, None].astype(np.float32), None


def demonstrations_of(kind="box", n=8):
    from sb3_vdb import make_vec_env

    venv = make_vec_env(lambda: ToTheMiddle(kind), 2, seed=3)
    return Demonstrations.from_rollouts(Expert(kind), venv, n_episodes=n)


def make(algorithm, kind="box", policy="MlpPolicy", **kwargs):
    buffer = SQILDictReplayBuffer if kind == "dict" else SQILReplayBuffer
    return algorithm(
        policy,
        ToTheMiddle(kind),
        replay_buffer_class=buffer,
        replay_buffer_kwargs={"demonstrations": demonstrations_of(kind)},
        learning_starts=50,
        buffer_size=5_000,
        seed=0,
        device="cpu",
        **kwargs,
    )


def test_half_a_batch_is_the_experts_and_pays_one():
    model = make(SAC)
    model.learn(80)
    batch = model.replay_buffer.sample(64)
    assert batch.rewards.flatten().tolist() == [0.0] * 32 + [1.0] * 32
    demonstrated = model.replay_buffer.expert
    # stored as SAC stores its own: scaled from [-0.5, 0.5] to [-1, 1]
    x, a = demonstrated.observations[:, 0, 0], demonstrated.actions[:, 0, 0]
    np.testing.assert_allclose(a, np.clip(-4.0 * x, -1, 1), atol=1e-6)
    np.testing.assert_allclose(demonstrated.next_observations[:, 0, 0], x + 0.2 * a, atol=1e-6)
    expert = batch.observations[32:].numpy()
    assert np.isin(expert, demonstrated.observations).all()


def test_terminations_are_the_experts_own_and_time_limits_are_none():
    observations = [np.linspace(1, 0, 4, dtype=np.float32)[:, None]] * 2
    actions = [np.full((3, 1), -0.5, np.float32)] * 2
    demonstrations = Demonstrations.from_arrays(observations, actions, terminals=[True, False])
    space = ToTheMiddle()
    buffer = SQILReplayBuffer(
        10, space.observation_space, space.action_space, "cpu", demonstrations=demonstrations
    )
    assert buffer.expert.dones.flatten().tolist() == [0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("algorithm", [SAC, TD3, DDPG, TQC])
@pytest.mark.parametrize("kind", ["box", "dict"])
def test_every_algorithm_for_boxes_trains(algorithm, kind):
    make(algorithm, kind, "MultiInputPolicy" if kind == "dict" else "MlpPolicy").learn(80)


@pytest.mark.parametrize("algorithm", [DQN, QRDQN])
def test_every_algorithm_for_discrete_actions_trains(algorithm):
    make(algorithm, "discrete").learn(80)


def test_pictures_are_turned_as_the_algorithm_turns_its_own():
    model = make(SAC, "picture", "CnnPolicy")
    model.learn(60)
    expert = model.replay_buffer.expert.observations
    assert expert.shape[2:] == model.replay_buffer.observations.shape[2:] == (3, 36, 36)


def test_bad_input_is_refused():
    env = ToTheMiddle()
    spaces_of = (env.observation_space, env.action_space, "cpu")
    with pytest.raises(ValueError, match="SQIL needs demonstrations"):
        SQILReplayBuffer(10, *spaces_of)
    with pytest.raises(ValueError, match="`expert_share` must be"):
        SQILReplayBuffer(10, *spaces_of, demonstrations=demonstrations_of(), expert_share=2.0)
    with pytest.raises(ValueError, match="trajectory 0"):
        SQILReplayBuffer(10, *spaces_of, demonstrations=demonstrations_of("picture"))


@pytest.mark.slow
def test_a_loaded_model_goes_on_with_its_expert(tmp_path):
    model = make(SAC)
    model.learn(100)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = SAC.load(tmp_path / "model", env=ToTheMiddle())
    loaded.load_replay_buffer(tmp_path / "buffer")
    loaded.learn(50, reset_num_timesteps=False)
    batch = loaded.replay_buffer.sample(8)
    assert batch.rewards.flatten().tolist() == [0.0] * 4 + [1.0] * 4


@pytest.mark.slow
def test_sac_learns_from_eight_demonstrations():
    """Without a reward of the task, which pays for the opposite."""
    th.manual_seed(0)
    model = make(SAC, learning_rate=1e-3, policy_kwargs={"net_arch": [32, 32]}, gamma=0.9)
    model.learn(1_500)
    env, last = ToTheMiddle(), []
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        for _ in range(20):
            observation, *_ = env.step(model.predict(observation, deterministic=True)[0])
        last.append(abs(env.x))
    assert np.mean(last) < 0.15
