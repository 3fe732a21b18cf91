"""Absorbing states: episodes of one length, and a reward that no longer keeps a policy alive."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO

from sb3_vdb import GAIL, Demonstrations, Trajectory, make_vec_env
from sb3_vdb.adversarial.objective import Objective
from sb3_vdb.demonstrations.absorbing import (
    AbsorbingStates,
    with_absorbing_states,
)
from sb3_vdb.discriminators import GAILDiscriminator
from sb3_vdb.transitions import Transitions, parts_of
from sb3_vdb.views import View, absorbing_view

pytestmark = pytest.mark.stacks
HORIZON = 10


class Door(gym.Env):
    """x counts up with action 1; the task ends at 3. Nothing happens with action 0."""

    observation_space = spaces.Box(1.0, 3.0, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, parts=False):
        self.parts = parts
        if parts:
            self.observation_space = spaces.Dict({"x": Door.observation_space})

    def _see(self):
        seen = np.array([self.x], np.float32)
        return {"x": seen} if self.parts else seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = 1
        return self._see(), {}

    def step(self, action):
        self.x += int(action)
        return self._see(), 1.0, self.x >= 3, False, {}


def played(env, action):
    observation, _ = env.reset(seed=0)
    observations, ends = [observation], []
    while not (ends and any(ends[-1])):
        observation, _, *end, _ = env.step(action)
        observations.append(observation)
        ends.append(end)
    return observations, ends


@pytest.mark.parametrize(("horizon", "n_absorbing", "length"), [(10, 1, 3), (10, 4, 6), (4, 4, 4)])
def test_an_episode_may_end_soon_after_its_absorbing_state(horizon, n_absorbing, length):
    """Two steps lead to the door; expert and agent have the same."""
    env = AbsorbingStates(Door(), horizon, n_absorbing)
    observations, ends = played(env, 1)
    assert ends == [[False, False]] * (length - 1) + [[False, True]]
    assert [each.tolist() for each in observations[2:]] == [[0.0, 1.0]] * (length - 1)
    expert = Trajectory(np.array([[1.0], [2.0], [3.0]], np.float32), np.array([1, 1]), None, True)
    [extended] = with_absorbing_states(
        Demonstrations([expert]), horizon, Door.action_space, n_absorbing=n_absorbing
    )
    assert not extended.terminal
    np.testing.assert_array_equal(extended.observations, np.stack(observations))


@pytest.mark.parametrize("action", [0, 1])
def test_every_episode_has_the_same_length_and_ends_by_its_time_limit(action):
    env = AbsorbingStates(Door(), HORIZON)
    observations, ends = played(env, action)
    assert len(ends) == HORIZON
    assert ends[-1] == [False, True]
    assert all(env.observation_space.contains(each) for each in observations)
    expected = [[1, 0], [2, 0], *([[0, 1]] * 9)] if action else [[1, 0]] * 11
    np.testing.assert_array_equal(observations, expected)


def test_observations_with_parts_have_one_more():
    observations, _ = played(AbsorbingStates(Door(parts=True), HORIZON), 1)
    assert [float(each["absorbing"][0]) for each in observations] == [0, 0, *([1] * 9)]
    assert [float(each["x"][0]) for each in observations] == [1, 2, *([0] * 9)]


class Walker:
    """Always goes on, or never does."""

    def __init__(self, action):
        self.action = action

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        n = len(next(iter(observation.values())) if isinstance(observation, dict) else observation)
        return np.full(n, self.action), None


@pytest.mark.parametrize("parts", [False, True])
def test_demonstrations_get_what_the_wrapper_gives(parts):
    raw = make_vec_env(lambda: gym.wrappers.TimeLimit(Door(parts), HORIZON), 2, seed=0)
    wrapped = make_vec_env(lambda: AbsorbingStates(Door(parts), HORIZON), 2, seed=0)
    plain = Demonstrations.from_rollouts(Walker(1), raw, n_episodes=2)
    ours = with_absorbing_states(plain, HORIZON, Door.action_space)
    theirs = Demonstrations.from_rollouts(Walker(1), wrapped, n_episodes=2)
    ours.validate(wrapped.observation_space, wrapped.action_space)
    for one, other in zip(ours, theirs, strict=True):
        for name, part in parts_of(one.observations).items():
            np.testing.assert_array_equal(part, parts_of(other.observations)[name])
        assert len(one.actions) == len(one.rewards) == HORIZON
        np.testing.assert_array_equal(one.actions[:2], other.actions[:2])
        assert not one.terminal


def test_episodes_that_a_time_limit_ended_are_only_marked():
    plain = Demonstrations.from_arrays([np.ones((5, 1), np.float32)], [np.zeros(4, int)])
    marked = with_absorbing_states(plain, HORIZON, Door.action_space)
    np.testing.assert_array_equal(marked[0].observations, [[1, 0]] * 5)


def returns_of(demonstrations, steps):
    """Learned return of going on and of standing still, by an optimal GAIL discriminator on an
    agent that does either half of the time; steps after an end are paid 0.
    """
    th.manual_seed(0)
    space = spaces.Box(0.0, 3.0, demonstrations[0].observations.shape[1:], np.float32)
    kwargs = {"normalize_inputs": "none", "trunk_kwargs": {"net_arch": (32,)}}
    kwargs["view"] = View(sees=("observations",))
    discriminator = GAILDiscriminator(space, Door.action_space, **kwargs)
    expert = demonstrations.transitions()
    walking, standing = steps
    n = 512
    rng = np.random.default_rng(0)
    agent = Transitions(*map(np.concatenate, zip(walking, standing, strict=True)))
    optimizer = th.optim.Adam(discriminator.parameters(), lr=1e-2)
    objective = Objective(n, 0.0, "expert", "logits", None)
    for _ in range(300):
        chosen = [each.take(rng.integers(each.n_steps, size=n)) for each in (expert, agent)]
        mixed = Transitions(*map(np.concatenate, zip(*chosen, strict=True)))
        loss, _ = objective.loss(discriminator, discriminator.encode(mixed), 0.0)
        optimizer.zero_grad()
        loss.total().backward()
        optimizer.step()
    with th.no_grad():
        return [
            float(discriminator.reward(discriminator.encode(each), "gail").sum())
            for each in (walking, standing)
        ]


def test_a_positive_reward_keeps_a_policy_from_the_end_and_absorbing_states_cure_it():
    raw = make_vec_env(lambda: gym.wrappers.TimeLimit(Door(), HORIZON), 2, seed=0)
    wrapped = make_vec_env(lambda: AbsorbingStates(Door(), HORIZON), 2, seed=0)
    plain = Demonstrations.from_rollouts(Walker(1), raw, n_episodes=4)

    def steps(venv):
        return [
            Demonstrations.from_rollouts(Walker(action), venv, n_episodes=2).transitions()
            for action in (1, 0)
        ]

    walking, standing = returns_of(plain, steps(raw))
    assert standing > walking  # although the expert never stands
    absorbed = with_absorbing_states(plain, HORIZON, Door.action_space)
    walking, standing = returns_of(absorbed, steps(wrapped))
    assert walking > 2 * standing


def test_actions_in_absorbing_states_are_not_seen():
    space = AbsorbingStates(Door(), HORIZON).observation_space
    discriminator = GAILDiscriminator(space, Door.action_space, view=absorbing_view(1))
    observations = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    batch = Transitions(observations, np.array([0, 1, 0, 1]), observations, np.zeros(4, bool))
    with th.no_grad():
        logits = discriminator(discriminator.encode(batch), False).logits_expert_is_high
    assert logits[0] != logits[1]
    assert logits[2] == logits[3]


def test_gail_trains_with_absorbing_states(tmp_path):
    venv = make_vec_env(lambda: AbsorbingStates(Door(), HORIZON), 4, seed=0)
    demonstrations = Demonstrations.from_rollouts(Walker(1), venv, n_episodes=4)
    trainer = GAIL(
        demonstrations,
        venv,
        PPO("MlpPolicy", venv, n_steps=20, batch_size=40, seed=0),
        demo_batch_size=32,
        discriminator_kwargs={"view": absorbing_view(1)},
        seed=0,
    )
    trainer.learn(160)
    trainer.save(tmp_path / "trainer.zip")
    GAIL.load(tmp_path / "trainer.zip", venv).learn(80, reset_num_timesteps=False)


def test_bad_input_is_refused():
    long = Demonstrations.from_arrays([np.ones((20, 1), np.float32)], [np.zeros(19, int)])
    with pytest.raises(ValueError, match="trajectory 0 has 19 steps"):
        with_absorbing_states(long, HORIZON, Door.action_space)
    with pytest.raises(ValueError, match="`horizon`"):
        AbsorbingStates(Door(), 0)

    class Pictures(Door):
        observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)

    with pytest.raises(ValueError, match="vectors or a Dict"):
        AbsorbingStates(Pictures(), HORIZON)
