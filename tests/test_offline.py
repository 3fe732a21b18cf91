"""Learning on stored steps: replay buffers that are filled, CQL, and DAC without an environment."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import SAC, TD3

from sb3_vdb import DAC, Demonstrations, Trajectory, make_vec_env
from sb3_vdb.acting import RandomActions
from sb3_vdb.baselines import CQL, fill_replay_buffer, learn_offline

SMALL = dict(policy_kwargs=dict(net_arch=[16]), batch_size=32, learning_rate=3e-3, device="cpu")


class Choice(gym.Env):
    """One step: the reward is highest for 0.4. It counts its steps."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Box(-2.0, 2.0, (1,), np.float32)
    n_steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        Choice.n_steps += 1
        return np.zeros(1, np.float32), -float((action[0] - 0.4) ** 2), True, False, {}


def choices(n=200, low=0.0, high=0.8, terminal=True):
    """Episodes of one step, whose actions lie between two bounds."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(low, high, (n, 1, 1)).astype(np.float32)
    still = np.zeros((2, 1), np.float32)
    return Demonstrations(
        Trajectory(still, each, -((each[:, 0] - 0.4) ** 2), terminal) for each in actions
    )


def test_stored_steps_lie_in_the_buffer_as_the_algorithm_stores_its_own():
    """Actions scaled to [-1, 1]; an end by itself is one, a time limit is none."""
    for terminal in (True, False):
        model = SAC("MlpPolicy", Choice(), buffer_size=10, **SMALL)
        episodes = choices(3, terminal=terminal)
        fill_replay_buffer(model, episodes)
        samples = model.replay_buffer._get_samples(np.arange(3))
        actions = np.concatenate([each.actions for each in episodes])
        np.testing.assert_allclose(samples.actions.numpy(), actions / 2.0, atol=1e-7)
        np.testing.assert_allclose(
            samples.rewards.numpy()[:, 0], [each.rewards[0] for each in episodes], atol=1e-7
        )
        assert (samples.dones == float(terminal)).all()


def test_offline_learning_never_steps_and_finds_the_best_stored_action():
    """Half of what the actions' range is wide; 0.4 is the best of them."""
    Choice.n_steps = 0
    model = CQL("MlpPolicy", Choice(), buffer_size=300, seed=0, cql_coef=1.0, **SMALL)
    fill_replay_buffer(model, choices())
    learn_offline(model, 400)
    assert Choice.n_steps == model.num_timesteps == 0
    assert model._n_updates == 400
    action, _ = model.predict(np.zeros(1, np.float32), deterministic=True)
    assert action[0] == pytest.approx(0.4, abs=0.25)


def test_actions_that_nobody_took_are_valued_below_those_that_are_stored():
    """Plain SAC has no reason to; the conservative critics do."""
    gaps = {}
    for coef in (0.0, 5.0):
        model = CQL("MlpPolicy", Choice(), buffer_size=300, seed=0, cql_coef=coef, **SMALL)
        fill_replay_buffer(model, choices())
        learn_offline(model, 150)
        observations = th.zeros(2, 1)
        stored, unseen = th.tensor([[0.2], [-0.9]])
        values = th.cat(model.critic(observations, th.stack([stored, unseen])), dim=1).mean(dim=1)
        gaps[coef] = float(values[0] - values[1])
    assert gaps[5.0] > 1.0
    assert gaps[5.0] > gaps[0.0] + 0.5


def test_the_conservative_gap_of_flat_critics_is_that_of_the_densities():
    """Where Q is one number q, log of the mean of exp(q) / density is q + log 2 for uniform actions
    in [-1, 1]; with those alone the gap of two critics is 2 log 2.
    """
    model = CQL("MlpPolicy", Choice(), buffer_size=300, seed=0, **SMALL)
    fill_replay_buffer(model, choices())
    for q_network in model.critic.q_networks:
        for parameter in q_network.parameters():
            parameter.data.zero_()
    uniform = th.full((10, 32, 1), 0.0), th.full((10, 32), -np.log(2.0))
    model._several = lambda observations, n: uniform
    gap = model._conservative_gap(model.replay_buffer.sample(32))
    assert float(gap) == pytest.approx(2 * np.log(2.0), abs=1e-5)


def test_a_model_goes_on_after_saving(tmp_path):
    model = CQL("MlpPolicy", Choice(), buffer_size=300, seed=0, cql_coef=2.0, **SMALL)
    fill_replay_buffer(model, choices())
    learn_offline(model, 10)
    model.save(tmp_path / "cql")
    loaded = CQL.load(tmp_path / "cql", env=Choice())
    assert (loaded.cql_coef, loaded.n_cql_actions, loaded._n_updates) == (2.0, 10, 10)
    observation = np.zeros(1, np.float32)
    actions = [each.predict(observation, deterministic=True)[0] for each in (model, loaded)]
    np.testing.assert_array_equal(*actions)


def test_dac_learns_offline_with_a_learned_reward():
    """Expert actions are near 0.8 and others spread about 0; nothing is stepped, and the policy
    moves to the expert's side.
    """
    venv = make_vec_env(Choice, 1)
    Choice.n_steps = 0
    generator = CQL("MlpPolicy", venv, buffer_size=2000, seed=0, cql_coef=0.5, **SMALL)
    expert = choices(60, 0.75, 0.85, terminal=False)
    dac = DAC(expert, venv, generator, seed=0, demo_batch_size=32)
    weights = [each.detach().clone() for each in dac.discriminator.parameters()]
    others = choices(300, -2.0, 2.0, terminal=False)
    dac.learn_offline(Demonstrations([*expert, *others]), 300)
    assert Choice.n_steps == dac.num_timesteps == 0
    assert generator._n_updates == 300
    changed = zip(weights, dac.discriminator.parameters(), strict=True)
    assert any(not th.equal(one, other) for one, other in changed)
    action, _ = generator.predict(np.zeros(1, np.float32), deterministic=True)
    assert action[0] > 0.4
    dac.learn_offline(None, 10)  # goes on, adds nothing
    assert generator._n_updates == 310


def test_several_steps_at_once_are_discounted_as_often():
    """Newer SB3 gives the discount with each step; critics of 1 everywhere give targets of it."""
    model = CQL("MlpPolicy", Choice(), buffer_size=300, seed=0, ent_coef=0.0, **SMALL)
    fill_replay_buffer(model, choices(terminal=False))
    steps = model.replay_buffer.sample(8)
    for networks, bias in ((model.critic_target, 1.0), (model.critic, 0.0)):
        for q_network in networks.q_networks:
            for parameter in q_network.parameters():
                parameter.data.zero_()
            q_network[-1].bias.data.fill_(bias)
    rewards = th.zeros_like(steps.rewards)
    for discounts, expected in ((None, 0.99), (th.full((8, 1), 0.5), 0.5)):
        given = SimpleNamespace(**{**steps._asdict(), "rewards": rewards, "discounts": discounts})
        loss = model._bellman_loss(given, th.zeros(1))
        assert float(loss) == pytest.approx(expected**2, rel=1e-5)  # twice one half


def test_pictures_can_be_learned_from_offline():
    venv = make_vec_env("sb3_vdb/CMazePixels-v0", 1, env_kwargs={"image_size": 36})
    stored = Demonstrations.from_rollouts(RandomActions(venv.action_space, 0), venv, 1)
    model = CQL("CnnPolicy", venv, buffer_size=200, n_cql_actions=2, batch_size=4, device="cpu")
    fill_replay_buffer(model, stored)
    learn_offline(model, 1)
    assert model._n_updates == 1


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: CQL("MlpPolicy", Choice(), cql_coef=-1.0), "`cql_coef`"),
        (lambda: CQL("MlpPolicy", Choice(), n_cql_actions=0), "`n_cql_actions`"),
        (
            lambda: fill_replay_buffer(TD3("MlpPolicy", Choice(), buffer_size=5), choices(6)),
            "have 6 steps, the replay buffer has room for 5",
        ),
        (
            lambda: fill_replay_buffer(
                SAC("MlpPolicy", make_vec_env(Choice, 2), buffer_size=50), choices(6)
            ),
            "is of 2 environments",
        ),
        (lambda: learn_offline(SAC("MlpPolicy", Choice(), buffer_size=5), 1), "buffer is empty"),
        (
            lambda: fill_replay_buffer(
                SAC("MlpPolicy", Choice(), buffer_size=50),
                Demonstrations([Trajectory(np.zeros((2, 1), np.float32), None)]),
            ),
            "actions",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_a_dac_that_does_not_learn_from_the_buffer_cannot_learn_offline():
    venv = make_vec_env(Choice, 1)
    generator = CQL("MlpPolicy", venv, buffer_size=500, **SMALL)
    dac = DAC(choices(60, terminal=False), venv, generator, generator_samples="round")
    empty = DAC(choices(60, terminal=False), venv, CQL("MlpPolicy", venv, **SMALL))
    with pytest.raises(ValueError, match="the replay buffer is empty"):
        empty.learn_offline(None, 1)
    with pytest.raises(ValueError, match="leave `generator_samples` at"):
        dac.learn_offline(choices(5, terminal=False), 1)
