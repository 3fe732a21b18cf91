"""A V-MAIL of a size that a test can train, and environments for it."""

import gymnasium as gym
import numpy as np
import torch as th

from sb3_vdb import VMAIL, Demonstrations, make_vec_env
from sb3_vdb.stored_episodes import StoredEpisode
from sb3_vdb.vmail.learner import Learner
from sb3_vdb.vmail.losses import LossSettings
from sb3_vdb.vmail.memory import Place
from sb3_vdb.vmail.policies import NETWORKS, CnnPolicy, MlpPolicy, MultiInputPolicy
from sb3_vdb.vmail.replay_buffer import SequenceBatch, SequenceReplayBuffer
from sb3_vdb.vmail.update import Update, UpdateSettings
from sb3_vdb.vmail.vmail_losses import VMAILLosses

SIZES = dict(
    deter_dim=12,
    stoch_dim=4,
    hidden_dim=10,
    units=14,
    cnn_depth=2,
    actor_layers=1,
    value_layers=1,
    discriminator_net_arch=(16,),
    init_std=1.0,
)
SETTINGS = dict(
    batch_size=3,
    sequence_length=5,
    train_freq=10,
    gradient_steps=1,
    pretrain_steps=1,
    horizon=2,
    buffer_size=200,
    device="cpu",
)
PICTURE = gym.spaces.Box(0, 255, (3, 16, 16), np.uint8)
ACTION = gym.spaces.Box(-2.0, 1.0, (2,), np.float32)
LOSS_SETTINGS = LossSettings(
    kl_coef=1.0,
    free_nats=0.1,
    kl_balance=None,
    burn_in=0,
    n_reconstructed=None,
    horizon=4,
    n_imagined=None,
    gamma=0.9,
    returns="lambda",
    td_lambda=0.9,
    drop_last_reward=False,
    values_of_next_states=False,
    reward_type="log_d",
    ent_coef=0.0,
    bc_coef=0.0,
    gradient_penalty="one_centered",
    gradient_penalty_coef=1.0,
    information_limit=None,
)
POLICIES = {"pixels": "CnnPolicy", "vectors": "MlpPolicy", "both": "MultiInputPolicy"}
MAZE = "sb3_vdb/CMaze-v0"
CLASSES = {"pixels": CnnPolicy, "vectors": MlpPolicy, "both": MultiInputPolicy}


class Dot(gym.Env):
    """A dot moves by the action; observed as a picture, as numbers, or as both. Everything the next
    steps depend on can be read and written.
    """

    action_repeat = 3

    def __init__(self, kind: str = "pixels", length: int = 12):
        self.kind, self.length = kind, length
        picture = gym.spaces.Box(0, 255, (16, 16, 3), np.uint8)
        vector = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        both = gym.spaces.Dict({"camera": picture, "robot.pos": vector})
        self.observation_space = {"pixels": picture, "vectors": vector, "both": both}[kind]
        self.action_space = ACTION
        self.position, self.clock = np.zeros(2), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.clock = self.np_random.uniform(-1.0, 1.0, 2), 0
        return self.observe(), {}

    def step(self, action):
        self.position = np.clip(self.position + 0.1 * np.asarray(action), -1.0, 1.0)
        self.clock += 1
        reward = -float(np.abs(self.position).sum())
        return self.observe(), reward, False, self.clock >= self.length, {}

    def observe(self):
        picture = np.zeros((16, 16, 3), np.uint8)
        row, column = ((self.position + 1.0) * 7.5).astype(int)
        picture[row, column] = 255
        vector = self.position.astype(np.float32)
        parts = {"camera": picture, "robot.pos": vector}
        return {"pixels": picture, "vectors": vector, "both": parts}[self.kind]


def make_demonstrations(kind: str = "pixels", n: int = 2, length: int = 12) -> Demonstrations:
    """Episodes of a controller that goes to the middle."""
    from sb3_vdb import Trajectory

    env, trajectories = Dot(kind, length), []
    for seed in range(n):
        observation, _ = env.reset(seed=seed)
        observations, actions, rewards = [observation], [], []
        for _ in range(length):
            action = np.clip(-5.0 * env.position, -2.0, 1.0).astype(np.float32)
            observation, reward, *_ = env.step(action)
            observations.append(observation)
            actions.append(action)
            rewards.append(reward)
        stacked = (
            {name: np.stack([each[name] for each in observations]) for name in observation}
            if kind == "both"
            else np.stack(observations)
        )
        trajectories.append(Trajectory(stacked, np.stack(actions), np.array(rewards)))
    return Demonstrations(trajectories)


def make_model(kind: str = "pixels", env=None, algorithm=VMAIL, **kwargs) -> VMAIL:
    sizes = {**SIZES, **kwargs.pop("policy_kwargs", {})}
    demonstrations = kwargs.pop("demonstrations", None) or make_demonstrations(kind)
    settings = {**SETTINGS, "seed": 0, **kwargs}
    return algorithm(
        POLICIES[kind], env or Dot(kind), demonstrations, policy_kwargs=sizes, **settings
    )


def make_maze_model(seed=0, algorithm=VMAIL, **kwargs) -> VMAIL:
    """In an environment whose state is saved with the model."""
    venv = make_vec_env(MAZE, 2, seed=3)
    rng = np.random.default_rng(0)
    episodes = [rng.uniform(0.0, 0.5, (30, venv.observation_space.shape[0])) for _ in range(2)]
    actions = [rng.uniform(-1, 1, (29, 2)) for _ in range(2)]
    demos = Demonstrations.from_arrays([each.astype(np.float32) for each in episodes], actions)
    return algorithm(
        "MlpPolicy",
        venv,
        demos,
        policy_kwargs=SIZES,
        **{**SETTINGS, "seed": seed, "train_freq": 7, "actor_decay": 0.9, **kwargs},
    )


def make_policy(space=PICTURE, **kwargs):
    policy = CnnPolicy(space, ACTION, lambda _: 1e-3, **{**SIZES, **kwargs})
    rates = dict.fromkeys(NETWORKS, 1e-3)
    policy.make_optimizers(rates, 0.0)
    return policy


def make_losses(policy=None, **changes) -> VMAILLosses:
    return VMAILLosses(policy or make_policy(), LOSS_SETTINGS._replace(**changes))


def make_update(policy=None, settings=UpdateSettings(100.0, 1.0, 2), **changes) -> Update:  # noqa: B008
    return Update(make_losses(policy, **changes), settings)


def make_learner(policy=None, engine="eager", dual=None, **changes) -> Learner:
    return Learner(make_update(policy, **changes), dual, engine)


def make_batch(seed=0, length=5, n=3) -> SequenceBatch:
    generator = th.Generator().manual_seed(seed)
    pictures = th.randint(0, 256, (length, n, 3, 16, 16), dtype=th.uint8, generator=generator)
    return SequenceBatch(
        {"observation": pictures}, th.rand(length, n, 2, generator=generator) * 2 - 1
    )


BATCH, EXPERT, ZERO = make_batch(0), make_batch(1), th.tensor(0.0)


def make_replay(n_expert=2, n_policy=3, length=9, sequence_length=5, capacity=100, seed=0):
    """A replay buffer whose pictures and actions say which episode and step they are of."""
    place = Place("memory", th.device("cpu"))
    replay = SequenceReplayBuffer(
        PICTURE, 2, capacity, 1, sequence_length, place, place.device, seed
    )
    replay.set_expert([numbered_episode(i, length) for i in range(n_expert)])
    replay.add_episodes([numbered_episode(100 + i, length) for i in range(n_policy)])
    return replay


def numbered_episode(number: int, length: int) -> StoredEpisode:
    """Observation t of the episode has pixels (number, t, 0); the action after it is (number,
    t + 1).
    """
    pictures = np.zeros((length + 1, 3, 16, 16), np.uint8)
    pictures[:, 0] = number
    pictures[:, 1] = np.arange(length + 1)[:, None, None]
    actions = np.stack([np.full(length, number), np.arange(1, length + 1)], axis=1)
    return StoredEpisode({"observation": pictures}, actions.astype(np.float32), np.zeros(length))
