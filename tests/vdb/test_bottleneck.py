"""Encoder, divergence, dual variable: values known on paper, and where gradients go."""

import math

import numpy as np
import pytest
import torch as th
from torch.distributions import Normal, kl_divergence

from sb3_vdb.vdb import DualVariable, GaussianEncoder, bottleneck_loss, kl_to_standard_normal
from sb3_vdb.vdb.encoder import Code


def test_the_divergence_of_the_prior_from_itself_is_zero():
    assert kl_to_standard_normal(th.zeros(3, 8), th.zeros(3, 8)).tolist() == [0, 0, 0]


def test_the_divergence_of_a_shifted_unit_gaussian_is_half_the_squared_shift():
    assert kl_to_standard_normal(th.tensor([[3.0, 4.0]]), th.zeros(1, 2)).item() == pytest.approx(
        12.5
    )


def test_the_divergence_of_a_scaled_gaussian_in_nats():
    # KL[N(0, s^2) || N(0, 1)] = (s^2 - 1) / 2 - ln s
    assert kl_to_standard_normal(
        th.zeros(1, 1), th.tensor([[math.log(2)]])
    ).item() == pytest.approx(1.5 - math.log(2))


def test_the_divergence_agrees_with_torch():
    mean, log_std = th.randn(20, 5), 0.5 * th.randn(20, 5)
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(-1)
    th.testing.assert_close(kl_to_standard_normal(mean, log_std), expected)


def test_codes_are_reparameterised():
    # d z / d mean = 1 and d z / d log_std = std * epsilon, so the gradients are not zero
    mean, log_std = th.zeros(1, 3, requires_grad=True), th.full((1, 3), 0.7, requires_grad=True)
    th.manual_seed(0)
    code = Code(mean, log_std).sample()
    code.sum().backward()
    th.testing.assert_close(mean.grad, th.ones(1, 3))
    th.testing.assert_close(log_std.grad, code.detach())
    assert (log_std.grad != 0).all()


def test_samples_have_the_codes_mean_and_deviation():
    th.manual_seed(0)
    samples = Code(th.full((100_000, 1), 2.0), th.full((100_000, 1), math.log(0.5))).sample()
    assert samples.mean().item() == pytest.approx(2.0, abs=0.01)  # five standard errors
    assert samples.std().item() == pytest.approx(0.5, abs=0.01)


def test_a_fresh_encoder_starts_at_the_prior():
    code = GaussianEncoder(16, 8)(th.rand(10, 16))
    assert kl_to_standard_normal(*code).max() < 0.2


def test_the_bottleneck_term_is_beta_times_the_violation():
    assert bottleneck_loss(th.tensor([1.0, 3.0]), 0.25, 0.5).item() == pytest.approx(0.25 * 1.5)


def test_beta_rises_while_the_constraint_is_violated_and_falls_else():
    dual = DualVariable(0.5, beta=0.1, beta_step_size=0.2)
    dual.update(th.tensor([1.0, 2.0]))
    assert dual.beta == pytest.approx(0.1 + 0.2 * 1.0)
    dual.update(th.zeros(2))
    assert dual.beta == pytest.approx(0.3 - 0.2 * 0.5)


def test_beta_never_becomes_negative():
    dual = DualVariable(0.5, beta=0.01, beta_step_size=1.0)
    dual.update(th.zeros(4))
    assert dual.beta == 0.0


def test_the_pointwise_constraint_follows_the_largest_divergence():
    dual = DualVariable(0.5, beta=0.0, beta_step_size=1.0, constraint="pointwise")
    dual.update(th.tensor([0.0, 0.0, 2.0]))
    assert dual.beta == pytest.approx(1.5)


def test_a_step_size_of_zero_holds_beta():
    dual = DualVariable(0.5, beta=0.0, beta_step_size=0.0)
    dual.update(th.full((3,), 9.0))
    assert dual.beta == 0.0


def test_beta_is_a_plain_float_and_is_restored():
    dual = DualVariable(0.5, beta=0.3, constraint="pointwise")
    dual.update(th.ones(3))
    assert type(dual.beta) is float
    assert vars(DualVariable.from_state(dual.state_dict())) == vars(dual)


def test_dual_ascent_holds_the_average_divergence_at_its_limit():
    """A discriminator of two Gaussians would use far more than 0.3 nats; with the constraint it
    uses 0.3.
    """
    th.manual_seed(0)
    encoder, unit = GaussianEncoder(2, 4), th.nn.Linear(4, 1)
    optimizer = th.optim.Adam([*encoder.parameters(), *unit.parameters()], lr=3e-3)
    dual = DualVariable(0.3, beta=0.0, beta_step_size=1e-2)
    history = []
    for _ in range(3000):
        inputs = th.cat([th.randn(64, 2) + 3, th.randn(64, 2) - 3])
        code = encoder(inputs)
        logits = unit(code.sample()).squeeze(-1)
        labels = th.cat([th.ones(64), th.zeros(64)])
        kl = kl_to_standard_normal(*code)
        loss = 2 * th.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad()
        (loss + bottleneck_loss(kl, dual.beta, dual.information_limit)).backward()
        optimizer.step()
        dual.update(kl)
        history.append(kl.mean().item())
    assert np.mean(history[-300:]) == pytest.approx(0.3, rel=0.1)
    assert dual.beta > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"information_limit": 0.0}, "`information_limit` must be positive"),
        ({"information_limit": -1.0}, "`information_limit`"),
        ({"information_limit": float("nan")}, "`information_limit`"),
        ({"information_limit": 1.0, "beta": -0.1}, "`beta` must not be negative"),
        ({"information_limit": 1.0, "beta_step_size": -1e-5}, "`beta_step_size`"),
        ({"information_limit": 1.0, "constraint": "sometimes"}, "`constraint`"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DualVariable(**arguments)
