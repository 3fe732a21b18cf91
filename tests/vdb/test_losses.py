"""Loss terms and rewards in closed form."""

import math

import pytest
import torch as th

from sb3_vdb.rewards import (
    gail_reward,
    least_squares_reward,
    log_d_reward,
    logit_reward,
)
from sb3_vdb.vdb import (
    PENALTIES,
    GaussianEncoder,
    add_noise,
    bottleneck_loss,
    discriminator_loss,
    expert_loss,
    generator_loss,
    gradient_penalty,
    least_squares_expert_loss,
    least_squares_generator_loss,
)

LOGITS = th.tensor([-2.0, 0.0, 3.0])


def test_both_losses_are_ln_2_at_chance():
    assert expert_loss(th.zeros(5)).item() == pytest.approx(math.log(2))
    assert generator_loss(th.zeros(5)).item() == pytest.approx(math.log(2))


def test_losses_are_cross_entropies_of_d():
    d = th.sigmoid(LOGITS)
    th.testing.assert_close(expert_loss(LOGITS), -d.log().mean())
    th.testing.assert_close(generator_loss(LOGITS), -(1 - d).log().mean())


def test_amps_loss_is_zero_at_its_targets_and_its_reward_falls_with_the_square():
    one = th.ones(4)
    assert least_squares_expert_loss(one) == 0
    assert least_squares_generator_loss(-one) == 0
    loss = discriminator_loss(0 * one, 2 * one, kind="least_squares")
    assert (loss.expert, loss.generator) == (1.0, 9.0)
    values = th.tensor([-3.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    expected = th.tensor([0.0, 0.0, 0.75, 1.0, 0.75, 0.0])
    th.testing.assert_close(least_squares_reward(values), expected)


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_losses_and_rewards_stay_finite_for_extreme_logits(logit):
    extreme = th.tensor([logit], requires_grad=True)
    for function in (expert_loss, generator_loss, gail_reward, log_d_reward, logit_reward):
        value = function(extreme).sum()
        assert th.isfinite(value)
        assert th.isfinite(th.autograd.grad(value, extreme)[0]).all()


def test_rewards_are_the_documented_functions_of_d_with_the_documented_sign():
    d = th.sigmoid(LOGITS)
    th.testing.assert_close(gail_reward(LOGITS), -(1 - d).log())
    th.testing.assert_close(log_d_reward(LOGITS), d.log())
    th.testing.assert_close(logit_reward(LOGITS), d.log() - (1 - d).log())
    assert (gail_reward(LOGITS) > 0).all()
    assert (log_d_reward(LOGITS) < 0).all()


@pytest.mark.parametrize("reward", [gail_reward, log_d_reward, logit_reward])
def test_rewards_grow_with_the_logit(reward):
    assert (reward(th.linspace(-5, 5, 20)).diff() > 0).all()


def test_the_penalty_of_a_linear_function_is_half_its_squared_slope():
    weights = th.tensor([3.0, 4.0])
    inputs = th.randn(7, 2, requires_grad=True)
    assert gradient_penalty([inputs @ weights], [inputs]).item() == pytest.approx(12.5)


def test_the_penalty_of_a_quadratic_is_the_mean_of_half_the_squared_inputs():
    inputs = th.randn(6, 3, requires_grad=True)
    penalty = gradient_penalty([0.5 * inputs.square().sum(-1)], [inputs])
    th.testing.assert_close(penalty, 0.5 * inputs.square().sum(-1).mean())


def test_the_penalty_of_several_inputs_and_outputs_adds_up():
    a, b = (th.randn(5, 2, requires_grad=True) for _ in range(2))
    outputs = [2 * a.sum(-1) + b.sum(-1), 3 * b.sum(-1)]  # |grad|^2 = 2 * 4 + 2 * 1, and 2 * 9
    assert gradient_penalty(outputs, [a, b]).item() == pytest.approx(0.5 * (10 + 18))


def test_the_penalty_through_sampled_codes_agrees_with_finite_differences():
    th.manual_seed(0)
    encoder, unit = GaussianEncoder(3, 4).double(), th.nn.Linear(4, 1).double()
    inputs = th.randn(5, 3, dtype=th.float64, requires_grad=True)

    def value(x):
        th.manual_seed(7)  # the same epsilon each time
        return unit(encoder(x.tanh()).sample()).squeeze(-1)

    analytic = gradient_penalty([value(inputs)], [inputs]).item()
    step, squares = 1e-6, th.zeros(5, dtype=th.float64)
    for k in range(3):
        shift = th.zeros(3, dtype=th.float64)
        shift[k] = step
        squares += ((value(inputs + shift) - value(inputs - shift)) / (2 * step)).square()
    assert analytic == pytest.approx(0.5 * squares.mean().item(), rel=1e-6)


def test_the_penalty_can_be_minimised():
    layer = th.nn.Linear(2, 1)
    inputs = th.randn(4, 2, requires_grad=True)
    gradient_penalty([layer(inputs).squeeze(-1)], [inputs]).backward()
    th.testing.assert_close(layer.weight.grad, layer.weight.detach())  # d/dw of |w|^2 / 2


def test_instance_noise_has_its_deviation_and_zero_adds_nothing():
    th.manual_seed(0)
    values = th.zeros(100_000)
    assert add_noise(values, 0.0) is values
    assert add_noise(values, 0.3).std().item() == pytest.approx(0.3, rel=0.02)


def test_the_one_assembly_has_the_terms_of_eqs_10_and_15():
    kl, penalty = th.tensor([0.2, 0.8]), th.tensor(3.0)
    plain = discriminator_loss(LOGITS, -LOGITS)
    assert plain.expert == expert_loss(LOGITS)
    assert plain.generator == generator_loss(-LOGITS)
    assert plain.bottleneck == plain.gradient_penalty == 0.0
    full = discriminator_loss(
        LOGITS, -LOGITS, kl=kl, beta=0.4, information_limit=0.3, gradient_penalty=penalty
    )
    assert full.bottleneck == bottleneck_loss(kl, 0.4, 0.3)
    assert full.bottleneck.item() == pytest.approx(0.4 * (0.5 - 0.3))
    th.testing.assert_close(full.total(), plain.total() + full.bottleneck + penalty)


def test_one_centred_penalties_are_zero_for_a_slope_of_one():
    inputs = th.randn(5, 2, requires_grad=True)
    for slope in (0.5, 1.0, 3.0):
        output = slope * (inputs @ th.tensor([0.6, 0.8]))
        penalty = gradient_penalty([output], [inputs], "one_centered")
        assert penalty.item() == pytest.approx((slope - 1.0) ** 2, abs=1e-6)


def test_the_penalty_of_weights_takes_the_norm_over_all_of_them():
    layer, inputs = th.nn.Linear(2, 1), th.tensor([[3.0, 1.0], [5.0, 3.0]])
    penalty = gradient_penalty(
        [layer(inputs).squeeze(-1)], list(layer.parameters()), "one_centered_weights"
    )  # the gradient of the mean is (4, 2) for the weights and 1 for the bias
    assert penalty.item() == pytest.approx((21**0.5 - 1.0) ** 2, rel=1e-5)


@pytest.mark.parametrize("kind", PENALTIES)
def test_every_penalty_sees_pictures_and_can_be_minimised(kind):
    layer = th.nn.Conv2d(1, 1, 4)
    pictures = th.randn(3, 1, 4, 4, requires_grad=True)
    output = layer(pictures).flatten(1).squeeze(-1).square()
    inputs = list(layer.parameters()) if kind.endswith("weights") else [pictures]
    gradient_penalty([output], inputs, kind).backward()
    assert th.isfinite(layer.weight.grad).all()
    assert layer.weight.grad.abs().sum() > 0
