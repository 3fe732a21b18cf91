"""Episodes are recorded while somebody acts."""

import gymnasium as gym
import numpy as np
import pytest

from sb3_vdb import Demonstrations
from sb3_vdb.demonstrations import RecordDemonstrations
from tests.data_cases import assert_same
from tests.vmail.small import Dot


def act(env, n_steps, seed=0):
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    for _ in range(n_steps):
        _, _, terminated, truncated, _ = env.step(rng.uniform(-1, 1, 2).astype(np.float32))
        if terminated or truncated:
            env.reset()


@pytest.mark.parametrize("kind", ["vectors", "both"])
def test_whole_episodes_are_recorded(kind):
    env = RecordDemonstrations(Dot(kind, length=5))
    act(env, 13)
    demos = env.demonstrations()
    assert [len(each) for each in demos] == [5, 5]
    assert [each.action_repeat for each in demos] == [3, 3]
    demos.validate(env.observation_space, env.action_space)


def test_the_file_is_written_after_every_episode_and_goes_on(tmp_path):
    env = RecordDemonstrations(Dot("vectors", length=5), tmp_path / "demos")
    act(env, 7)
    assert_same(Demonstrations.load(tmp_path / "demos.npz"), env.demonstrations())
    again = RecordDemonstrations(Dot("vectors", length=5), tmp_path / "demos")
    act(again, 5, seed=1)
    assert len(Demonstrations.load(tmp_path / "demos.npz")) == again.n_episodes == 2
    again.drop_last()
    assert_same(Demonstrations.load(tmp_path / "demos.npz"), env.demonstrations())


def test_unfinished_episodes_are_kept_if_asked_for():
    env = RecordDemonstrations(Dot("vectors", length=5), keep_unfinished=True)
    act(env, 7)
    env.close()
    assert [len(each) for each in env.demonstrations()] == [5, 2]
    assert not env.demonstrations()[1].terminal


def test_nothing_recorded_is_an_error():
    env = RecordDemonstrations(Dot("vectors", length=5))
    with pytest.raises(ValueError, match="no episode has ended yet"):
        env.save("never.npz")
    with pytest.raises(ValueError, match="no episode to drop"):
        env.drop_last()


def test_terminations_are_told_from_time_limits():
    class Fall(gym.Env):
        observation_space = gym.spaces.Discrete(9)
        action_space = gym.spaces.Discrete(2)

        def reset(self, **_):
            self.clock = 0
            return 0, {}

        def step(self, action):
            self.clock += 1
            return self.clock, 1.0, bool(action), self.clock == 3, {}

    env = RecordDemonstrations(Fall())
    for actions in ([0, 1], [0, 0, 0]):
        env.reset()
        for action in actions:
            env.step(action)
    demos = env.demonstrations()
    assert [(len(each), each.terminal) for each in demos] == [(2, True), (3, False)]
    demos.validate(env.observation_space, env.action_space)
