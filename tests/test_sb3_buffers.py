"""Buffers of SB3 become the episodes that were collected."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_vdb.integrations.sb3_buffers import from_replay_buffer, from_rollout_buffer
from tests.vmail.small import Dot


class Count(gym.Env):
    """Observes the step and the episode; ends by itself after 5 steps in even episodes, and by a
    time limit after 7 in odd ones.
    """

    observation_space = gym.spaces.Box(-1000, 1000, (2,), np.float32)
    action_space = gym.spaces.Box(-2, 4, (1,), np.float32)

    def __init__(self, discrete=False):
        self.episode = -1
        self.last_actions = []
        if discrete:
            self.action_space = gym.spaces.Discrete(3)

    def reset(self, **_):
        self.clock, self.episode = 0, self.episode + 1
        return np.array([self.clock, self.episode], np.float32), {}

    def step(self, action):
        self.clock += 1
        self.last_actions.append(np.array(action))
        observed = np.array([self.clock, self.episode], np.float32)
        even = self.episode % 2 == 0
        return observed, 1.0, even and self.clock == 5, not even and self.clock == 7, {}


def filled(steps=40, n_envs=1, calls=1, size=1000, model=SAC, **kwargs):
    envs = [Count(model is DQN) for _ in range(n_envs)]
    venv = DummyVecEnv([lambda env=env: env for env in envs])
    learner = model(
        "MlpPolicy", venv, buffer_size=size, learning_starts=10**6, device="cpu", **kwargs
    )
    for _ in range(calls):
        learner.learn(steps)
    return learner.replay_buffer, envs


@pytest.mark.parametrize("n_envs", [1, 3])
def test_replay_buffers_are_split_into_their_episodes(n_envs):
    buffer, envs = filled(40 * n_envs, n_envs)
    demos = from_replay_buffer(buffer)
    assert demos.n_steps == 40 * n_envs
    lengths = [len(each) for each in demos][: len(demos) // n_envs]
    assert lengths == [5, 7, 5, 7, 5, 7, 4]
    assert [each.terminal for each in demos][:7] == [True, False, True, False, True, False, False]
    np.testing.assert_array_equal(demos[1].observations[:, 0], np.arange(8))
    assert (demos[1].observations[:, 1] == 1).all()
    executed = np.concatenate([each.actions for each in demos])
    wanted = np.concatenate([env.last_actions for env in envs])
    np.testing.assert_allclose(executed, wanted, atol=1e-5)  # scaled to [-1, 1] and back


def test_a_full_buffer_has_the_newest_steps():
    demos = from_replay_buffer(filled(40, size=16)[0])
    assert [len(each) for each in demos] == [5, 7, 4]
    np.testing.assert_array_equal(demos[0].observations[:, 0], np.arange(6))


def test_a_second_call_of_learn_begins_another_episode():
    demos = from_replay_buffer(filled(8, calls=2)[0])
    assert [len(each) for each in demos] == [5, 3, 5, 3]


@pytest.mark.parametrize("size", [1000, 16])
def test_compact_buffers_lose_last_steps(size):
    compact = dict(
        optimize_memory_usage=True, replay_buffer_kwargs={"handle_timeout_termination": False}
    )
    buffer, _ = filled(40, size=size, **compact)
    with pytest.raises(ValueError, match='give `last_step="drop"`'):
        from_replay_buffer(buffer)
    with pytest.raises(ValueError, match="give `ends`"):
        from_replay_buffer(buffer, last_step="drop")
    demos = from_replay_buffer(buffer, last_step="drop", ends="terminal")
    lengths = [len(each) for each in demos]
    assert lengths == ([4, 6, 4, 6, 4, 6, 4] if size == 1000 else [3, 6, 4])
    for each in demos:
        assert (np.diff(each.observations[:, 0]) == 1).all()
        assert not each.terminal


def test_actions_of_a_discrete_space_have_no_axis():
    demos = from_replay_buffer(filled(20, model=DQN)[0])
    assert demos[0].actions.shape == (5,)
    demos.validate(Count().observation_space, gym.spaces.Discrete(3))


def test_buffers_of_several_parts_give_parts():
    env = Dot("both", length=6)
    buffer = DictReplayBuffer(50, env.observation_space, env.action_space, "cpu")
    venv = DummyVecEnv([lambda: env])
    observed, action = venv.reset(), np.zeros((1, 2), np.float32)
    for _ in range(15):
        after, rewards, dones, infos = venv.step(action)
        last = infos[0].get("terminal_observation")
        following = {name: part[None] for name, part in last.items()} if dones[0] else after
        buffer.add(observed, following, action, rewards, dones, infos)
        observed = after
    demos = from_replay_buffer(buffer, action_repeat=3, scaled_actions=False)
    assert [len(each) for each in demos] == [6, 6, 3]
    assert set(demos[0].observations) == {"camera", "robot.pos"}
    assert demos[0].action_repeat == 3


def test_rollout_buffers_are_split_without_last_steps():
    venv = DummyVecEnv([Count, Count])
    model = PPO("MlpPolicy", venv, n_steps=20, batch_size=20, n_epochs=1, device="cpu").learn(40)
    with pytest.raises(ValueError, match='give `last_step="drop"`'):
        from_rollout_buffer(model.rollout_buffer)
    demos = from_rollout_buffer(model.rollout_buffer, last_step="drop")
    assert [len(each) for each in demos] == [4, 6, 4, 2] * 2
    for each in demos:
        assert (np.diff(each.observations[:, 0]) == 1).all()
        assert Count.action_space.contains(each.actions[0])


def test_what_is_no_buffer_is_refused():
    with pytest.raises(ValueError, match="no ReplayBuffer"):
        from_replay_buffer([])
    with pytest.raises(ValueError, match="no RolloutBuffer"):
        from_rollout_buffer([])
    with pytest.raises(ValueError, match="the buffer is empty"):
        from_replay_buffer(filled(0)[0])
