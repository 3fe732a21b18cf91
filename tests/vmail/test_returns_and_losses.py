"""Returns, the discriminator's loss, and whom each loss of V-MAIL teaches."""

import math

import numpy as np
import pytest
import torch as th

from sb3_vdb.errors import NonFiniteError
from sb3_vdb.vdb import DualVariable
from sb3_vdb.vmail.discriminator import (
    LatentDiscriminator,
    interpolate,
    latent_discriminator_loss,
    latent_penalty,
)
from sb3_vdb.vmail.imagination import starting_states
from sb3_vdb.vmail.learner import Learner
from sb3_vdb.vmail.losses import (
    cloning_loss,
    policy_returns,
    valued_features,
    world_model_loss,
)
from sb3_vdb.vmail.metrics import UpdateMetrics
from sb3_vdb.vmail.policies import NETWORKS
from sb3_vdb.vmail.returns import discount_weights, discounted_sum, lambda_returns
from sb3_vdb.vmail.update import UpdateSettings
from tests.vmail.small import (
    BATCH,
    EXPERT,
    LOSS_SETTINGS,
    ZERO,
    make_batch,
    make_learner,
    make_losses,
    make_policy,
    make_update,
)


def test_returns_of_ones_without_a_value_are_a_geometric_sum():
    returns = discounted_sum(th.ones(4, 2), gamma=0.5)
    assert returns[:, 0].tolist() == [1.875, 1.75, 1.5, 1.0]


def test_lambda_one_is_the_objective_of_eq_8():
    rewards, values = th.tensor([[1.0], [2.0]]), th.tensor([[9.0], [9.0], [4.0]])
    returns = lambda_returns(rewards, values, gamma=0.5, td_lambda=1.0)
    assert returns[:, 0].tolist() == [1.0 + 0.5 * 2.0 + 0.25 * 4.0, 2.0 + 0.5 * 4.0]


def test_lambda_zero_looks_one_step_ahead():
    rewards, values = th.tensor([[1.0], [2.0]]), th.tensor([[9.0], [6.0], [4.0]])
    returns = lambda_returns(rewards, values, gamma=0.5, td_lambda=0.0)
    assert returns[:, 0].tolist() == [1.0 + 0.5 * 6.0, 2.0 + 0.5 * 4.0]


def test_returns_between_mix_the_two():
    rewards, values = th.randn(5, 3), th.randn(6, 3)
    returns = lambda_returns(rewards, values, 0.9, 0.7)
    by_hand = values[5]
    for i in reversed(range(5)):
        by_hand = rewards[i] + 0.9 * (0.3 * values[i + 1] + 0.7 * by_hand)
        assert th.allclose(returns[i], by_hand, atol=1e-6)


def test_later_states_count_less():
    assert discount_weights(3, 0.5, th.zeros(1)).flatten().tolist() == [1.0, 0.5, 0.25]


def make_discriminator(code_dim=None) -> LatentDiscriminator:
    th.manual_seed(0)
    return LatentDiscriminator(3, 2, (8,), code_dim)


def test_at_chance_the_loss_is_two_log_two():
    discriminator = make_discriminator()
    for parameter in discriminator.parameters():
        parameter.data.zero_()
    output = latent_discriminator_loss(
        discriminator, th.randn(6, 5), th.randn(9, 5), None, 0.0, 0.0, None
    )
    assert output.loss.total().item() == pytest.approx(2.0 * math.log(2.0))


def test_the_input_penalty_of_a_linear_function_is_its_slope():
    discriminator = make_discriminator()
    discriminator.unit.trunk = th.nn.Sequential()
    discriminator.unit.unit = th.nn.Linear(5, 1)
    discriminator.unit.unit.weight.data[:] = th.tensor([[3.0, 0.0, 4.0, 0.0, 0.0]])
    penalty = latent_penalty(discriminator, th.randn(7, 5), "one_centered")
    assert penalty.item() == pytest.approx((5.0 - 1.0) ** 2)


def test_the_weight_penalty_of_a_linear_function_is_its_mean_input():
    discriminator = make_discriminator()
    discriminator.unit.trunk = th.nn.Sequential()
    discriminator.unit.unit = th.nn.Linear(5, 1)
    points = th.randn(7, 5)
    # the gradient of the mean logit is the mean input, and 1 for the bias
    norm = math.sqrt(points.mean(0).square().sum().item() + 1.0)
    penalty = latent_penalty(discriminator, points, "one_centered_weights")
    assert penalty.item() == pytest.approx((norm - 1.0) ** 2, rel=1e-4)


@pytest.mark.parametrize("kind", ["one_centered", "one_centered_weights"])
def test_penalties_teach_the_discriminator(kind):
    discriminator = make_discriminator()
    latent_penalty(discriminator, th.randn(7, 5), kind).backward()
    assert discriminator.unit.trunk.layers[0].weight.grad.abs().sum() > 0.0


def test_points_lie_between_expert_and_policy():
    points = interpolate(th.zeros(50, 2), th.ones(9, 2))
    assert points.shape == (50, 2)
    assert (points >= 0.0).all()
    assert (points <= 1.0).all()
    assert th.equal(points[:, 0], points[:, 1])


def test_the_bottleneck_constrains_an_equal_mix_of_expert_and_policy():
    discriminator = make_discriminator(code_dim=4)
    expert, generator = th.randn(3, 5), th.randn(40, 5)
    output = latent_discriminator_loss(discriminator, expert, generator, None, 0.0, 2.0, 0.5)
    kl = [discriminator(each)[1].mean().item() for each in (expert, generator)]
    assert output.loss.bottleneck.item() == pytest.approx(2.0 * (np.mean(kl) - 0.5), abs=1e-5)


@pytest.mark.parametrize("latent", ["gaussian", "categorical"])
@pytest.mark.parametrize("returns", ["lambda", "sum"])
def test_each_loss_reaches_its_own_network_only(latent, returns):
    policy = make_policy(latent=latent, n_classes=4)
    update = make_update(policy, returns=returns, ent_coef=1e-3)
    gradients, _ = update.gradients(BATCH, EXPERT, ZERO)
    assert list(update.networks) == list(NETWORKS)
    for own, network in zip(gradients, update.networks.values(), strict=True):
        assert len(own) == len(list(network.parameters()))
        assert sum(each.abs().sum() for each in own if each is not None) > 0.0
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_cloning_pulls_the_policy_to_the_experts_actions():
    policy = make_policy()
    plain, cloning = (
        make_losses(policy, bc_coef=coef, reward_type="probability") for coef in (0.0, 7.0)
    )
    th.manual_seed(0)
    without = plain(BATCH, EXPERT, ZERO)
    th.manual_seed(0)
    with_it = cloning(BATCH, EXPERT, ZERO)
    apart = with_it.figures.cloning_loss.item()
    assert apart == pytest.approx(without.figures.cloning_loss.item())
    assert with_it.actor.item() == pytest.approx(without.actor.item() + 7.0 * apart, rel=1e-5)
    feat, actions = th.randn(2, 3, policy.world_model.feat_dim), th.rand(2, 3, 2)
    expected = (policy.actor(feat).mode() - actions).square().mean()
    assert cloning_loss(policy.actor, feat, actions).item() == pytest.approx(expected.item())


def test_the_model_learns_nothing_from_the_experts_batch():
    policy = make_policy()
    update = make_update(policy)
    th.manual_seed(0)
    model = update.gradients(BATCH, EXPERT, ZERO)[0][0]
    th.manual_seed(0)
    other = update.gradients(BATCH, make_batch(7), ZERO)[0][0]
    for one, another in zip(model, other, strict=True):
        assert th.allclose(one, another, atol=1e-6)


def test_the_expert_is_judged_by_the_action_it_took_in_a_state():
    """Expert pairs are (z_t, action stored at t + 1)."""
    policy = make_policy()
    seen = []
    policy.discriminator.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    make_losses(policy, gradient_penalty=None)(BATCH, EXPERT, ZERO)
    n = 4 * 3  # (sequence - 1) * batch
    assert th.equal(seen[0][:n, -2:], EXPERT.actions[1:].flatten(0, 1))
    assert seen[0].shape[0] == n + LOSS_SETTINGS.horizon * n


def test_imagination_starts_from_all_states_but_the_last_of_each_sequence():
    policy = make_policy()
    belief = policy.world_model.observe(BATCH.observations, BATCH.actions)
    starts = starting_states(belief.state, burn_in=0, n_imagined=None)
    assert th.equal(starts.deter, belief.state.deter[:-1].flatten(0, 1))
    assert not starts.deter.requires_grad
    later = starting_states(belief.state, burn_in=2, n_imagined=None)
    assert th.equal(later.deter, belief.state.deter[2:-1].flatten(0, 1))
    some = starting_states(belief.state, burn_in=0, n_imagined=5)
    assert some.deter.shape[0] == 5
    first = make_losses(policy, burn_in=2).rollouts(belief.state).states.deter[0]
    assert th.equal(first, later.deter)


def test_some_of_the_observations_stand_for_all_in_the_reconstruction():
    policy = make_policy()
    model = policy.world_model
    normalized = model.encoder.normalize(BATCH.observations)
    belief = model.observe(BATCH.observations, BATCH.actions)

    def loss(n_reconstructed):
        settings = LOSS_SETTINGS._replace(n_reconstructed=n_reconstructed)
        return world_model_loss(model, belief, normalized, settings)

    complete = loss(None)
    n_decoded = []
    model.decoder.register_forward_hook(lambda _, inputs, __: n_decoded.append(len(inputs[0])))
    with th.no_grad():
        losses = [loss(4) for _ in range(300)]
    assert set(n_decoded) == {4}
    reconstructions = th.stack([each.reconstruction for each in losses])
    assert len(reconstructions.unique()) > 50
    assert reconstructions.mean() == pytest.approx(complete.reconstruction.item(), rel=0.02)
    assert all(th.equal(each.kl, complete.kl) for each in losses)
    assert th.equal(loss(1000).reconstruction, complete.reconstruction)


def test_beliefs_that_have_just_begun_do_not_meet_the_discriminator():
    policy = make_policy()
    seen = []
    policy.discriminator.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    make_losses(policy, gradient_penalty=None, burn_in=2)(BATCH, EXPERT, ZERO)
    assert th.equal(seen[0][: 2 * 3, -2:], EXPERT.actions[3:].flatten(0, 1))


@pytest.mark.parametrize(
    ("changes", "n_returns", "first_value"),
    [
        ({}, 4, 0),
        ({"drop_last_reward": True}, 3, 0),
        ({"values_of_next_states": True, "drop_last_reward": True}, 3, 1),
    ],
)
def test_departures_of_the_authors_code_change_what_is_summed(changes, n_returns, first_value):
    policy = make_policy()
    losses = make_losses(policy, **changes)
    belief = policy.world_model.observe(BATCH.observations, BATCH.actions)
    imagined = losses.rollouts(belief.state)
    returns = policy_returns(
        imagined, policy.discriminator, policy.value_target, losses.settings
    ).returns
    valued = valued_features(imagined, len(returns), losses.settings)
    assert len(returns) == n_returns
    assert th.equal(valued, imagined.states.feat[first_value : first_value + n_returns + 1])


def test_all_four_networks_move_and_the_target_follows_at_its_interval():
    learner = make_learner()
    policy = learner.update.policy
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    learner.step(BATCH, EXPERT, 0)
    after = policy.state_dict()
    for prefix in ("world_model.", "discriminator.", "actor.", "value."):
        names = [name for name in before if name.startswith(prefix) and name.endswith("weight")]
        assert any(not th.equal(before[name], after[name]) for name in names), prefix
    target = [name for name in before if name.startswith("value_target")]
    assert all(th.equal(before[name], after[name]) for name in target)
    learner.step(BATCH, EXPERT, 1)
    for name in target:
        own = name.replace("value_target", "value")
        assert th.equal(policy.state_dict()[name], policy.state_dict()[own])


def test_the_average_of_the_actor_keeps_its_share_of_itself():
    policy = make_policy(average_actor=True)
    update = make_update(policy, UpdateSettings(100.0, 1.0, 1, actor_decay=0.75))
    learner = Learner(update, None, "eager")
    expected = [each.clone() for each in policy.actor.parameters()]
    for i in range(3):
        learner.step(BATCH, EXPERT, i)
        latest = policy.actor.parameters()
        expected = [0.75 * old + 0.25 * new for old, new in zip(expected, latest, strict=True)]
    for average, wanted in zip(policy.actor_average.parameters(), expected, strict=True):
        th.testing.assert_close(average, wanted)
    assert not any(each.requires_grad for each in policy.actor_average.parameters())


def test_the_dual_variable_rises_while_the_code_tells_too_much():
    dual = DualVariable(0.001, beta=0.1, beta_step_size=0.01)
    learner = make_learner(make_policy(code_dim=4), dual=dual, information_limit=0.001)
    for parameter in learner.update.policy.discriminator.unit.encoder.parameters():
        parameter.data.add_(0.5)
    metrics = UpdateMetrics(*learner.step(BATCH, EXPERT, 0))
    assert metrics.code_kl > 0.001
    assert dual.beta == pytest.approx(0.1 + 0.01 * (metrics.code_kl.item() - 0.001), rel=1e-4)


def test_a_loss_that_is_not_finite_is_named_before_any_weight_changes():
    learner = make_learner()
    learner.update.policy.world_model.encoder.nets["part_observation"].layers[0].bias.data[0] = (
        th.nan
    )
    before = [each.clone() for each in learner.update.policy.actor.parameters()]
    with pytest.raises(NonFiniteError, match="model_loss"):
        learner.step(BATCH, EXPERT, 0)
    assert all(map(th.equal, before, learner.update.policy.actor.parameters()))


def test_an_update_counts_errors_of_standardised_pictures_in_pixel_values(monkeypatch):
    policy = make_policy(standardize_pictures=True)
    model = policy.world_model
    model.encoder.fit([{"observation": BATCH.observations["observation"][:, 0].numpy()}])
    decoded, decode = [], model.decode
    monkeypatch.setattr(model, "decode", lambda state: decoded.append(decode(state)) or decoded[-1])
    losses = make_losses(policy)(BATCH, EXPERT, ZERO)
    normalizer = model.encoder.normalizer("observation")
    shown = decoded[0]["observation"] * normalizer.std + normalizer.mean
    errors = (shown - BATCH.observations["observation"] / 255.0).square().flatten(2).sum(dim=2)
    assert normalizer.std < 0.5
    assert losses.model.reconstruction.item() == pytest.approx(0.5 * errors.mean().item(), rel=1e-4)
