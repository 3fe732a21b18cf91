"""Replay buffers that are paid when they are drawn from, and that the discriminator learns from."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common import buffers
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_vdb import AIRL, GAIL, VAIL, Demonstrations, View
from sb3_vdb.adversarial.objective import Objective, interpolated
from sb3_vdb.demonstrations.leaks import RandomPolicy
from sb3_vdb.discriminators import GAILDiscriminator
from sb3_vdb.networks import ConvTrunk
from sb3_vdb.transitions import Transitions
from sb3_vdb.views import Picture

VECTORS = spaces.Box(-2.0, 3.0, (3,), np.float32)
PICTURES = spaces.Box(0, 255, (36, 36, 1), np.uint8)
PARTS = spaces.Dict({"frame": PICTURES, "state": VECTORS})
FORCES = spaces.Box(np.float32([-4.0, 0.0]), np.float32([1.0, 2.0]))
CHOICES = spaces.Discrete(3)


class Noise(gym.Env):
    """Random observations, a reward of 1; of episodes of seven steps each other one terminates."""

    def __init__(self, observation_space=VECTORS, action_space=FORCES):
        self.observation_space = copy.deepcopy(observation_space)  # its own generator
        self.action_space = copy.deepcopy(action_space)
        self.episodes = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.t, self.episodes = 0, self.episodes + 1
        return self.observation_space.sample(), {}

    def step(self, action):
        self.t += 1
        over = self.t == 7
        early = bool(over and self.episodes % 2)
        return self.observation_space.sample(), 1.0, early, over and not early, {}


def make(
    kind=GAIL, generator=SAC, observation=VECTORS, action=FORCES, normalize=False, **arguments
):
    venv = DummyVecEnv([lambda: Noise(observation, action)] * 2)
    expert = DummyVecEnv([lambda: Noise(observation, action)])
    expert.seed(1)
    demos = Demonstrations.from_rollouts(RandomPolicy(action, 1, 0), expert, n_episodes=6)
    if normalize:
        venv = VecNormalize(venv, norm_reward=normalize == "rewards")
    policy = "MultiInputPolicy" if observation is PARTS else "MlpPolicy"
    policy = "CnnPolicy" if observation is PICTURES else policy
    options = {"policy_kwargs": {"net_arch": [16]}, "seed": 0, "device": "cpu"}
    if generator is PPO:
        options |= {"n_steps": 10, "batch_size": 10}
    else:
        options |= {"learning_starts": 20, "buffer_size": 300, "batch_size": 16, "train_freq": 1}
    model = generator(policy, venv, **options)
    sees = {}
    if observation is not VECTORS:
        part = "frame" if observation is PARTS else None
        trunk = {"trunk_class": ConvTrunk, "trunk_kwargs": {"depth": 2, "features_dim": 8}}
        sees = {"discriminator_kwargs": {"view": View(Picture(part)), **trunk}}
    numbers = {"demo_batch_size": 16, "seed": 0, "device": "cpu"}
    if generator is not PPO:
        numbers["gen_train_timesteps"] = 32
    return kind(demos, venv, model, **sees, **(numbers | arguments))


def reward_of_rows(trainer, rows):
    """The learned reward of a buffer's rows, from what the environment gave."""
    buffer = trainer.gen_algo.replay_buffer
    plain = DictReplayBuffer if isinstance(buffer, DictReplayBuffer) else ReplayBuffer
    np.random.seed(3)
    raw = plain._get_samples(buffer, rows)

    def turned(part):
        part = part.numpy()
        return np.moveaxis(part, 1, -1) if part.ndim == 4 else part

    def seen(observations):
        if isinstance(observations, dict):
            return {name: turned(part) for name, part in observations.items()}
        return turned(observations)

    space = trainer.venv.action_space
    if isinstance(space, spaces.Box):
        actions = trainer.policy.unscale_action(raw.actions.numpy())
    else:
        actions = raw.actions.numpy().reshape(-1)
    ends = raw.dones.numpy().reshape(-1) > 0
    steps = Transitions(seen(raw.observations), actions, seen(raw.next_observations), ends)
    return trainer.reward(steps)


@pytest.mark.parametrize(
    ("kind", "generator", "observation", "action", "normalize"),
    [
        (GAIL, SAC, VECTORS, FORCES, False),
        (VAIL, TD3, VECTORS, FORCES, "observations"),
        (AIRL, SAC, VECTORS, FORCES, "observations"),
        (GAIL, DQN, VECTORS, CHOICES, False),
        (GAIL, SAC, PICTURES, FORCES, False),
        (GAIL, DQN, PARTS, CHOICES, False),
    ],
)
def test_a_step_is_paid_by_the_discriminator_as_it_is(
    kind, generator, observation, action, normalize
):
    trainer = make(kind, generator, observation, action, normalize)
    trainer.learn(96)
    assert trainer.relabels
    buffer = trainer.gen_algo.replay_buffer
    rows = np.arange(40)
    np.random.seed(3)
    drawn = buffer._get_samples(rows, trainer.gen_algo.get_vec_normalize_env())
    expected = reward_of_rows(trainer, rows)
    np.testing.assert_allclose(drawn.rewards.numpy().reshape(-1), expected, rtol=1e-4, atol=1e-5)
    assert drawn.rewards.std() > 0
    np.testing.assert_array_equal(buffer.rewards, 0.0)  # nothing stale is stored
    if normalize:
        raw = buffer.observations[rows].mean()
        assert abs(drawn.observations.mean()) < abs(raw)


def test_steps_are_paid_when_taken_where_they_cannot_be_later():
    trainer = make(normalize="rewards")
    assert not trainer.relabels
    trainer.learn(64)
    assert np.abs(trainer.gen_algo.replay_buffer.rewards[:30]).min() > 0
    with pytest.raises(ValueError, match="`relabel` is True"):
        make(normalize="rewards", relabel=True)


class Own(ReplayBuffer):
    """Somebody's own buffer, which may store or draw in another way."""


@pytest.mark.parametrize("kind", [Own, getattr(buffers, "NStepReplayBuffer", None)])
def test_other_buffers_are_left_alone(kind):
    if kind is None:
        pytest.skip("this Stable-Baselines3 has none of several steps")
    venv = DummyVecEnv([lambda: Noise()])
    demos = Demonstrations.from_rollouts(RandomPolicy(FORCES, 1, 0), venv, n_episodes=4)
    options = {"replay_buffer_class": Own} if kind is Own else {"n_steps": 3}
    model = SAC("MlpPolicy", venv, buffer_size=300, learning_starts=20, **options)
    assert type(model.replay_buffer) is kind
    trainer = GAIL(demos, venv, model, demo_batch_size=16, gen_train_timesteps=32)
    assert not trainer.relabels
    with pytest.raises(ValueError, match='`generator_samples` is "replay", and SAC has no'):
        GAIL(demos, venv, model, generator_samples="replay")


def test_a_saved_buffer_is_a_plain_one(tmp_path):
    trainer = make()
    trainer.learn(64)
    buffer = pickle.loads(pickle.dumps(trainer.gen_algo.replay_buffer))
    assert type(buffer) is ReplayBuffer
    assert "pay" not in vars(buffer)
    path = tmp_path / "buffer.pkl"
    trainer.gen_algo.save_replay_buffer(path)
    trainer.gen_algo.load_replay_buffer(path)
    trainer.learn(32, reset_num_timesteps=False)  # and is paid again
    assert trainer.gen_algo.replay_buffer.plain_class is ReplayBuffer


def rewards_stored(generator, **arguments):
    """What lies in the buffer after some steps, and in that of an off-policy one when drawn."""
    trainer = make(generator=generator, **arguments)
    trainer.learn(20)
    if generator is PPO:
        return trainer.gen_algo.rollout_buffer.rewards
    np.random.seed(3)  # actions were random still, and the discriminator has not learned yet
    return trainer.gen_algo.replay_buffer._get_samples(np.arange(10)).rewards.numpy()


@pytest.mark.parametrize("generator", [PPO, SAC])
@pytest.mark.parametrize("relabel", [True, False])
def test_the_task_may_be_paid_beside(generator, relabel):
    """The task pays 1 a step, so that the share of it is a constant; truncated episodes add the
    value of their last observation, which is the same.
    """
    learned = rewards_stored(generator, relabel=relabel)
    both = rewards_stored(generator, relabel=relabel, task_reward_coef=0.25)
    np.testing.assert_allclose(both - learned, 0.25, atol=1e-5)
    assert learned.std() > 0
    with pytest.raises(ValueError, match="`task_reward_coef`"):
        make(task_reward_coef=-1.0)


def test_the_discriminator_learns_from_all_that_was_done():
    trainer = make(generator_samples="replay", n_disc_updates_per_round=4)
    seen = []
    learn = trainer.rounds.learner.train_round
    trainer.rounds.learner.train_round = lambda expert, generator: (
        seen.append(generator.observations.vectors) or learn(expert, generator)
    )
    trainer.learn(160)
    buffer = trainer.gen_algo.replay_buffer
    oldest = th.as_tensor(buffer.observations[:16].reshape(-1, 3))
    hits = (seen[-1][:, None] == oldest[None]).all(-1).any(-1)
    assert 0 < hits.float().mean() < 1  # the first round's are among the last one's


@pytest.mark.parametrize("generator_samples", ["round", "replay"])
def test_a_run_goes_on_exactly(generator_samples, tmp_path):
    trainer = make(VAIL, generator_samples=generator_samples).learn(64)
    path = trainer.save(tmp_path / "run")
    rewards = []
    for each in (trainer, VAIL.load(path, DummyVecEnv([lambda: Noise()] * 2))):
        assert each.settings.generator_samples == generator_samples
        np.random.seed(0)
        rewards.append(each.gen_algo.replay_buffer._get_samples(np.arange(20)).rewards)
    th.testing.assert_close(*rewards)
    assert rewards[0].std() > 0


def test_the_penalty_of_dac_in_closed_form():
    """Of a linear D, the gradient is its weights wherever it is taken."""
    th.manual_seed(0)
    made = GAILDiscriminator(
        VECTORS,
        FORCES,
        normalize_inputs="none",
        trunk_kwargs={"net_arch": (4,), "activation_fn": th.nn.Identity},
    )
    actions = np.zeros((8, 2), np.float32)
    rows = np.random.default_rng(0).uniform(-2, 3, (8, 3)).astype(np.float32)
    batch = made.encode(Transitions(rows, actions, rows, np.zeros(8, dtype=bool)))
    weights = made.unit.unit.weight @ made.unit.trunk.layers[0].weight
    norm = float(weights.norm())
    for side in ("expert", "both", "interpolates"):
        for kind, expected in (
            ("one_centered", (norm - 1.0) ** 2),
            ("zero_centered", 0.5 * norm**2),
        ):
            objective = Objective(4, 10.0, side, "logits", None, "cross_entropy", kind)
            loss, _ = objective.loss(made, batch, 0.0)
            assert float(loss.gradient_penalty) == pytest.approx(10.0 * expected, rel=1e-4), side


def test_points_lie_between_one_of_each():
    rows = np.concatenate([np.zeros((50, 3)), np.ones((50, 3))]).astype(np.float32)
    made = GAILDiscriminator(VECTORS, FORCES)
    actions = np.zeros((100, 2), np.float32)
    batch = made.encode(Transitions(rows, actions, rows, np.zeros(100, dtype=bool)))
    between = interpolated(batch).observations.vectors
    assert between.shape == (50, 3)
    assert 0.0 < between.min() < 0.2
    assert 0.8 < between.max() < 1.0
    th.testing.assert_close(between, between[:, :1].expand(50, 3))  # one share a point
