"""TRPO through the policy's Jacobian, and the linear baseline of the paper's released code."""

import copy
from functools import partial

import numpy as np
import pytest
import torch as th
from sb3_contrib import TRPO
from stable_baselines3.common.distributions import kl_divergence
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from sb3_vdb import jacobians, make_vec_env
from sb3_vdb.extractors import BoundsExtractor
from sb3_vdb.trpo import FisherTRPO, LinearBaselineTRPO

POLICY = {"net_arch": [16, 16], "features_extractor_class": BoundsExtractor, "log_std_init": -0.3}


def make(algorithm=FisherTRPO, n_envs=4, n_steps=100, seed=0, policy="MlpPolicy", **kwargs):
    venv = make_vec_env("sb3_vdb/CMaze-v0", n_envs, seed=seed)
    kwargs.setdefault("policy_kwargs", POLICY)
    return algorithm(
        policy, venv, n_steps=n_steps, batch_size=100, seed=seed, device="cpu", **kwargs
    )


def collected(model):
    """A model with a full rollout buffer, as ``train`` finds it."""
    model.learn(model.n_steps * model.n_envs)
    next(model.rollout_buffer.get(None))
    return model


def theirs(model, vector):
    """sb3-contrib's product: the divergence differentiated twice."""
    observations = model.rollout_buffer.to_torch(model.rollout_buffer.observations)
    with th.no_grad():
        old = copy.copy(model.policy.get_distribution(observations))
    divergence = kl_divergence(model.policy.get_distribution(observations), old).mean()
    objective = model.policy.get_distribution(observations).distribution.mean.sum()
    objective = objective + model.policy.log_std.sum()
    params, _, grad_kl, _ = TRPO._compute_actor_grad(model, divergence, objective)
    return TRPO.hessian_vector_product(model, params, grad_kl, vector), params


def ours(model, vector):
    observations = model.rollout_buffer.to_torch(model.rollout_buffer.observations)
    distribution = model.policy.get_distribution(observations)
    actions = model.rollout_buffer.to_torch(model.rollout_buffer.actions)
    objective = distribution.log_prob(actions).mean()
    params, _, grad_kl, shapes = model._compute_actor_grad(None, objective)
    assert [each.shape for each in params] == shapes
    return model.hessian_vector_product(params, grad_kl, vector), params


@pytest.mark.parametrize(
    "net_arch", [[16, 16], {"pi": [8], "vf": [32, 32]}], ids=["two layers", "one layer"]
)
def test_fisher_vector_products_equal_those_of_the_divergence_differentiated_twice(net_arch):
    model = collected(make(policy_kwargs={**POLICY, "net_arch": net_arch}))
    n = sum(each.numel() for name, each in model.policy.named_parameters() if "value" not in name)
    for seed in range(3):
        vector = th.randn(n, generator=th.Generator().manual_seed(seed))
        expected, params = theirs(model, vector)
        found, our_params = ours(model, vector)
        assert [id(each) for each in params] == [id(each) for each in our_params]
        th.testing.assert_close(found, expected, rtol=2e-4, atol=2e-5)
        assert isinstance(model._fisher.jacobian, jacobians.PerceptronJacobian)


@pytest.mark.parametrize(
    "activation",
    [th.nn.Tanh, th.nn.ReLU, th.nn.SiLU, partial(th.nn.ReLU, inplace=True)],
    ids=["tanh", "relu", "silu", "relu in place"],
)
def test_both_jacobians_of_a_perceptron_agree(activation, monkeypatch):
    monkeypatch.setattr(jacobians, "BLOCK", 7)  # the last block is smaller
    th.manual_seed(0)
    layers = [th.nn.Linear(3, 8), activation(), th.nn.Linear(8, 5), activation()]
    layers.append(th.nn.Linear(5, 2))
    inputs, weights = th.randn(30, 3), th.tensor([0.5, 2.0])
    fast = jacobians.PerceptronJacobian(layers, inputs)
    plain = jacobians.AutogradJacobian(th.nn.Sequential(*layers)(inputs), fast.parameters)
    direction = [th.randn_like(each) for each in fast.parameters]
    found, expected = (each.gram(direction, weights) for each in (fast, plain))
    for ours, theirs in zip(found, expected, strict=True):
        assert not ours.requires_grad
        th.testing.assert_close(ours, theirs)


def test_a_network_that_is_no_perceptron_is_refused():
    layers = [th.nn.Linear(3, 8), th.nn.Dropout(), th.nn.Linear(8, 2)]
    with pytest.raises(ValueError, match="got Linear, Dropout, Linear; use AutogradJacobian"):
        jacobians.PerceptronJacobian(layers, th.randn(4, 3))


class LearntFeatures(BaseFeaturesExtractor):
    def __init__(self, space):
        super().__init__(space, 4)
        self.net = th.nn.Sequential(th.nn.Linear(2, 4), th.nn.Tanh())

    def forward(self, observations):
        return self.net(observations)


class SquashedPolicy(ActorCriticPolicy):
    """Its means are no plain perceptron's, although its parameters are."""

    def _build_mlp_extractor(self):
        super()._build_mlp_extractor()
        forward = self.mlp_extractor.forward_actor
        self.mlp_extractor.forward_actor = lambda features: 3.0 * th.tanh(forward(features))


@pytest.mark.parametrize("case", ["features to learn", "more than a perceptron"])
def test_other_means_go_through_autograd(case):
    learnt = {**POLICY, "features_extractor_class": LearntFeatures}
    model = collected(
        make(policy_kwargs=learnt) if case == "features to learn" else make(policy=SquashedPolicy)
    )
    n = sum(each.numel() for name, each in model.policy.named_parameters() if "value" not in name)
    vector = th.randn(n, generator=th.Generator().manual_seed(0))
    found, _ = ours(model, vector)
    assert isinstance(model._fisher.jacobian, jacobians.AutogradJacobian)
    th.testing.assert_close(found, theirs(model, vector)[0], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_an_update_is_that_of_trpo(shared):
    """Both take the same step in the policy's distribution; weights agree only as far as conjugate
    gradients in single precision are determined.
    """
    observations = th.rand(200, 2, generator=th.Generator().manual_seed(0)) * 0.6
    after = []
    for algorithm in (TRPO, FisherTRPO):
        policy = {**POLICY, "share_features_extractor": shared}
        model = make(algorithm, target_kl=0.01, policy_kwargs=policy)
        before = model.policy.get_distribution(observations).distribution.mean.detach()
        model.learn(400)
        after.append(model.policy.get_distribution(observations).distribution.mean.detach())
    assert (after[0] - before).norm() > 1e-3
    assert (after[1] - after[0]).norm() < 0.1 * (after[0] - before).norm()


class CriticOfContrib(FisherTRPO):
    train = TRPO.train


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "features shared"])
def test_the_critic_is_trained_as_by_sb3_contrib_to_the_last_bit(shared):
    features = LearntFeatures if shared else BoundsExtractor
    policies, losses = [], []
    for algorithm in (FisherTRPO, CriticOfContrib):
        kwargs = {**POLICY, "features_extractor_class": features}
        model = make(algorithm, policy_kwargs=kwargs, n_critic_updates=3, n_steps=60)
        before = copy.deepcopy(model.policy.value_net.weight.detach())
        model.learn(480)
        assert not th.equal(before, model.policy.value_net.weight)
        assert model.n_critic_updates == 3
        policies.append(model.policy.state_dict())
        losses.append(model.logger.name_to_value.get("train/value_loss"))
    for name, each in policies[0].items():
        assert th.equal(each, policies[1][name]), name
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_policy_learns_and_goes_on_after_loading(tmp_path):
    model = make(n_envs=30, learning_rate=3e-3, policy_kwargs=POLICY)
    model.learn(3000)
    first = np.mean([each["r"] for each in model.ep_info_buffer])
    model.learn(42_000, reset_num_timesteps=False)
    assert np.mean([each["r"] for each in model.ep_info_buffer]) > first + 10
    model.save(tmp_path / "model")
    loaded = FisherTRPO.load(tmp_path / "model", env=model.get_env(), device="cpu")
    assert loaded._fisher is None
    for name, value in model.policy.state_dict().items():
        th.testing.assert_close(loaded.policy.state_dict()[name], value)
    loaded.learn(3000, reset_num_timesteps=False)


def test_other_distributions_take_the_products_of_sb3_contrib():
    import gymnasium as gym

    model = FisherTRPO("MlpPolicy", gym.make("CartPole-v1"), n_steps=256, seed=0, device="cpu")
    model.learn(256)
    assert model._fisher is None
    assert model.logger.name_to_value["train/is_line_search_success"] == 1


def test_an_entropy_bonus_keeps_actions_apart():
    stds = []
    for ent_coef in (0.0, 1.0):
        model = make(n_envs=20, ent_coef=ent_coef)
        model.learn(20_000)
        stds.append(float(model.policy.log_std.detach().exp().mean()))
    assert stds[1] > stds[0] + 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ent_coef": -0.1}, "`ent_coef` must not be negative, got -0.1"),
        ({"ent_coef": 0.1, "normalize_advantage": False}, "relative to normalised advantages"),
    ],
)
def test_a_bad_entropy_bonus_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_the_linear_baseline_equals_a_slow_one(monkeypatch):
    model = make(LinearBaselineTRPO, n_envs=3, gae_lambda=0.9)
    seen = []
    apply = model._apply_baseline

    def spy():
        rewards = model.rollout_buffer.rewards.copy()
        observations = model.rollout_buffer.observations.copy()
        weights = model.baseline_weights
        apply()
        seen.append((rewards, observations, weights, model.rollout_buffer.advantages.copy()))

    monkeypatch.setattr(model, "_apply_baseline", spy)
    model.learn(600)
    rewards, observations, weights, advantages = seen[1]
    assert seen[0][2] is None
    for env in range(3):
        values = []
        for step in range(100):
            x, y = observations[step, env].astype(float)
            t = step / 100
            values.append(weights @ [x, y, x * x, y * y, t, t * t, t**3, 1.0])
        values.append(0.0)
        running = 0.0
        for step in reversed(range(100)):
            delta = rewards[step, env] + model.gamma * values[step + 1] - values[step]
            running = delta + model.gamma * 0.9 * running
            assert advantages[step, env] == pytest.approx(running, rel=1e-4, abs=1e-4)


def test_the_linear_baseline_explains_returns_and_its_critic_stays_at_zero():
    model = make(LinearBaselineTRPO, n_envs=20)
    model.learn(10_000)
    assert model.logger.name_to_value["train/explained_variance"] > 0.5
    observations = th.rand(10, 2)
    assert not model.policy.predict_values(observations).any()


def test_the_linear_baseline_is_saved(tmp_path):
    model = make(LinearBaselineTRPO)
    model.learn(800)
    model.save(tmp_path / "model")
    loaded = LinearBaselineTRPO.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(loaded.baseline_weights, model.baseline_weights)


def test_the_linear_baseline_needs_whole_episodes():
    with pytest.raises(ValueError, match=r"`n_steps` is 50, set it to the length of an episode"):
        make(LinearBaselineTRPO, n_steps=50).learn(1000)
