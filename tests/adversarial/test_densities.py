"""log pi(a|s) of executed actions."""

import math

import pytest
import torch as th
from stable_baselines3 import PPO

from sb3_vdb import make_vec_env
from sb3_vdb.adversarial.densities import (
    action_log_prob,
    censored_log_prob,
    squashed_log_prob,
)
from tests.adversarial.generators import make_generator
from tests.conftest import MAZE

LOW, HIGH = -th.ones(2), th.ones(2)


def test_inside_the_bounds_it_is_the_gaussian_density():
    mean, std = th.tensor([[0.1, -0.2]]), th.tensor([[0.5, 2.0]])
    actions = th.tensor([[0.3, 0.9]])
    expected = th.distributions.Normal(mean, std).log_prob(actions).sum(-1)
    th.testing.assert_close(censored_log_prob(mean, std, actions, LOW, HIGH), expected)


def test_at_a_bound_it_is_the_mass_beyond():
    mean, std = th.tensor([[1.0, 0.0]]), th.tensor([[0.5, 1.0]])
    found = censored_log_prob(mean, std, th.tensor([[1.0, -1.0]]), LOW, HIGH).item()
    below_minus_one = 0.5 * (1 + math.erf(-1 / math.sqrt(2)))
    assert found == pytest.approx(math.log(0.5) + math.log(below_minus_one), rel=1e-5)


def censored(mean, std, actions):
    return censored_log_prob(mean, std, actions, LOW[:1], HIGH[:1])


@pytest.mark.parametrize(("function", "edge"), [(censored, 1.0), (squashed_log_prob, 0.999)])
def test_it_integrates_to_one(function, edge):
    """Density over the inside plus the masses at both ends."""
    width = 2 * edge / 100_000
    grid = th.linspace(-edge, edge, 100_001, dtype=th.float64)[1:-1, None]
    ends = th.tensor([[-1.0], [1.0]], dtype=th.float64)

    def probability(actions):
        return function(th.full_like(actions, 0.4), th.full_like(actions, 0.8), actions).exp().sum()

    assert (probability(grid) * width + probability(ends)).item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("generator", ["SAC", "TQC"])
def test_an_expert_at_the_bounds_does_not_look_impossible_to_squashed_policies(generator):
    """A tanh policy never gives exactly 1; its density there is not zero but that of the edge."""
    policy = make_generator(generator, make_vec_env(MAZE, 2)).policy
    observations = th.rand(20, 2)
    at_bound = action_log_prob(policy, observations, th.ones(20, 2))
    near_it = action_log_prob(policy, observations, th.full((20, 2), 0.9995))
    th.testing.assert_close(at_bound, near_it)
    assert (at_bound > -25).all()  # two tails of an untrained policy, about exp(-9) each


@pytest.mark.parametrize("generator", ["PPO", "A2C", "TRPO"])
def test_for_actions_that_were_not_clipped_it_is_sb3s_own(generator):
    policy = make_generator(generator, make_vec_env(MAZE, 2)).policy
    observations, actions = th.rand(50, 2), 1.8 * th.rand(50, 2) - 0.9
    with th.no_grad():
        expected = policy.evaluate_actions(observations, actions)[1]
    th.testing.assert_close(action_log_prob(policy, observations, actions), expected)


@pytest.mark.parametrize("generator", ["SAC", "TQC"])
def test_for_squashed_policies_it_is_the_density_of_their_own_samples(generator):
    policy = make_generator(generator, make_vec_env(MAZE, 2)).policy
    observations = th.rand(50, 2)
    with th.no_grad():
        actions, expected = policy.actor.action_log_prob(observations)
    th.testing.assert_close(
        action_log_prob(policy, observations, actions), expected, atol=1e-3, rtol=1e-3
    )


def test_discrete_policies_have_probabilities():
    policy = PPO("MlpPolicy", "CartPole-v1", device="cpu").policy
    observations = th.rand(10, 4)
    log_probs = [action_log_prob(policy, observations, th.full((10,), action)) for action in (0, 1)]
    th.testing.assert_close(th.stack(log_probs).exp().sum(0), th.ones(10))


def test_state_dependent_noise_has_a_density_too():
    policy = PPO("MlpPolicy", MAZE, use_sde=True, device="cpu").policy
    found = action_log_prob(policy, th.rand(5, 2), th.zeros(5, 2))
    assert th.isfinite(found).all()
