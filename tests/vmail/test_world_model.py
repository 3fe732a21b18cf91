"""Latent dynamics, latents, observations and the heads of V-MAIL."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from torch.distributions import (
    Categorical,
    Normal,
    TanhTransform,
    TransformedDistribution,
    kl_divergence,
)
from torch.nn import functional

from sb3_vdb.networks import ObservationEncoder, PictureSettings, space_parts
from sb3_vdb.networks.observation_scales import PictureNormalizer, VectorNormalizer
from sb3_vdb.vmail.latents import CategoricalLatent, GaussianLatent
from sb3_vdb.vmail.rssm import RSSM, State
from sb3_vdb.vmail.world_model import kl_loss, reconstruction_loss
from tests.vmail.small import ACTION, PICTURE, make_policy

LATENTS = [GaussianLatent(4), CategoricalLatent(3, 5)]


def make_rssm(latent) -> RSSM:
    th.manual_seed(0)
    return RSSM(embed_dim=7, action_dim=2, latent=latent, deter_dim=6, hidden_dim=8)


@pytest.mark.parametrize("latent", LATENTS, ids=["gaussian", "categorical"])
def test_filtering_step_by_step_equals_observe_on_the_sequence(latent):
    rssm = make_rssm(latent)
    embed, actions = th.randn(5, 3, 7), th.randn(5, 3, 2)
    whole = rssm.observe(embed, actions, sample=False)
    state = rssm.initial(3)
    for t in range(5):
        belief = rssm.obs_step(state, actions[t], embed[t], sample=False)
        state = belief.state
        # one matrix product for all steps rounds differently from one a step
        assert th.allclose(state.deter, whole.state.deter[t], atol=1e-6)
        assert th.allclose(state.stoch, whole.state.stoch[t], atol=1e-6)
        assert th.allclose(belief.posterior, whole.posterior[t], atol=1e-6)
        assert th.allclose(belief.prior, whole.prior[t], atol=1e-6)


def test_one_imagined_step_equals_the_unrolled_rollout():
    rssm = make_rssm(GaussianLatent(4))
    start = State(th.randn(3, 4), th.randn(3, 6))
    actions = th.randn(4, 3, 2)
    th.manual_seed(1)
    unrolled = rssm.open_loop(start, actions)
    th.manual_seed(1)
    state = start
    for t in range(4):
        state = rssm.img_step(state, actions[t])
        assert th.equal(state.deter, unrolled.deter[t])
        assert th.equal(state.stoch, unrolled.stoch[t])


def test_an_imagined_action_is_chosen_in_the_state_before_it():
    rssm = make_rssm(GaussianLatent(4))
    start = State(th.randn(3, 4), th.randn(3, 6))
    states, actions = rssm.imagine(lambda feat: th.tanh(feat[:, :2]), start, horizon=3)
    assert states.deter.shape == (4, 3, 6)
    assert th.equal(actions, th.tanh(states.feat[:3, :, :2]))
    assert th.equal(states.stoch[0], start.stoch)


def test_prior_and_posterior_share_the_deterministic_part():
    rssm = make_rssm(GaussianLatent(4))
    state, action = State(th.randn(3, 4), th.randn(3, 6)), th.randn(3, 2)
    belief = rssm.obs_step(state, action, th.randn(3, 7))
    assert th.equal(belief.state.deter, rssm.img_step(state, action).deter)


def test_divergence_of_gaussians_is_torchs():
    latent = GaussianLatent(4)
    q, p = th.randn(2, 3, 8)
    expected = kl_divergence(Normal(*latent.mean_and_std(q)), Normal(*latent.mean_and_std(p)))
    assert th.allclose(latent.kl(q, p), expected.sum(-1), atol=1e-5)
    assert th.allclose(latent.kl(q, q), th.zeros(3), atol=1e-6)


def test_divergence_of_categoricals_is_torchs():
    latent = CategoricalLatent(3, 5)
    q, p = th.randn(2, 4, 15)
    expected = kl_divergence(
        Categorical(logits=q.view(4, 3, 5)), Categorical(logits=p.view(4, 3, 5))
    )
    assert th.allclose(latent.kl(q, p), expected.sum(-1), atol=1e-5)


def test_categorical_samples_are_one_hot_with_the_probabilities_as_their_mean():
    latent = CategoricalLatent(1, 3)
    th.manual_seed(0)
    logits = th.tensor([0.0, 1.0, 2.0]).requires_grad_()
    samples = latent.sample(logits.expand(20_000, 3))
    assert set(samples.unique().tolist()) <= {0.0, 1.0}
    # standard error of a frequency of 20,000 draws is below 0.004
    assert th.allclose(samples.mean(0), logits.softmax(-1), atol=0.015)
    samples[:, 2].mean().backward()
    probs = logits.detach().softmax(-1)
    expected = probs[2] * (th.tensor([0.0, 0.0, 1.0]) - probs)
    assert th.allclose(logits.grad, expected, atol=1e-5)


def test_nothing_is_paid_below_the_free_nats_and_no_gradient_flows():
    latent = GaussianLatent(2)
    posterior = th.zeros(3, 4, 4).requires_grad_()
    belief = make_belief(posterior, th.full((3, 4, 4), 0.1))
    paid, divergence = kl_loss(latent, belief, free_nats=3.0, balance=None)
    assert paid.item() == 3.0
    assert divergence.item() < 3.0
    paid.backward()
    assert not posterior.grad.any()


def test_balance_shares_the_gradient_between_model_and_belief():
    latent = GaussianLatent(2)
    gradients = {}
    for balance in (None, 0.8):
        posterior, prior = th.zeros(3, 4, 4), th.ones(3, 4, 4)
        belief = make_belief(posterior.requires_grad_(), prior.requires_grad_())
        paid, _ = kl_loss(latent, belief, 0.0, balance)
        gradients[balance] = th.autograd.grad(paid, [posterior, prior])
    assert th.allclose(gradients[0.8][0], 0.2 * gradients[None][0], atol=1e-6)
    assert th.allclose(gradients[0.8][1], 0.8 * gradients[None][1], atol=1e-6)


def make_belief(posterior, prior):
    from sb3_vdb.vmail.rssm import Belief

    return Belief(State(posterior, posterior), posterior, prior)


def test_reconstruction_is_half_the_squared_error_summed_over_pixels():
    drawn, seen = th.zeros(2, 3, 3, 16, 16), th.full((2, 3, 3, 16, 16), 0.5)
    for scale in (1.0, 0.1):
        scales = {"observation": th.tensor(scale)}
        loss = reconstruction_loss({"observation": drawn}, {"observation": seen}, scales)
        assert loss.item() == pytest.approx(scale**2 * 0.5 * 0.25 * 3 * 16 * 16)


def test_pixels_come_back_and_lie_between_minus_and_plus_a_half():
    pixels = th.arange(256, dtype=th.uint8).reshape(1, 16, 16)
    normalizer = PictureNormalizer((1, 16, 16))
    normalized = normalizer(pixels)
    assert normalized.min() == -0.5
    assert normalized.max() == 0.5
    assert th.equal(normalizer.pixels(normalized), pixels)


def test_standardized_pictures_are_differences_from_the_demonstrations_mean():
    rng = np.random.default_rng(0)
    episodes = [{"observation": rng.integers(0, 256, (n, 3, 16, 16), np.uint8)} for n in (4, 2)]
    scaled = np.concatenate([each["observation"] for each in episodes]) / 255.0
    mean, std = scaled.mean(axis=0), np.sqrt(np.mean((scaled - scaled.mean(axis=0)) ** 2))
    for standardize, center, scale in ((True, mean, std), (False, 0.5, 1.0)):
        encoder = ObservationEncoder(PICTURE, 8, PictureSettings(depth=2, standardize=standardize))
        encoder.fit(episodes)
        pictures = th.as_tensor(episodes[0]["observation"])
        found = encoder.normalize({"observation": pictures})["observation"]
        assert np.allclose(found, (pictures.numpy() / 255.0 - center) / scale, atol=1e-5)
        assert th.equal(encoder.normalizer("observation").pixels(found), pictures)
        # the same error in pixels costs the same nats, standardised or not
        drawn = (pictures + 3.0) / 255.0
        drawn = (drawn - th.as_tensor(center, dtype=th.float32)) / float(scale)
        loss = reconstruction_loss(
            {"observation": drawn[None]}, {"observation": found[None]}, encoder.likelihood_scales()
        )
        assert loss.item() == pytest.approx(0.5 * (3 / 255) ** 2 * 3 * 16 * 16, rel=1e-4)


def test_vectors_are_measured_in_deviations_of_the_demonstrations():
    vectors = np.random.default_rng(0).normal(3.0, 2.0, (500, 4)).astype(np.float32)
    normalizer = VectorNormalizer(4)
    normalizer.fit(vectors)
    normalized = normalizer(th.as_tensor(vectors))
    assert normalized.mean(0).abs().max() < 1e-5
    assert (normalized.std(0) - 1.0).abs().max() < 1e-2
    assert normalizer(th.full((1, 4), 1e9)).max() == 10.0


def test_acting_and_training_see_the_same_embedding():
    policy = make_policy()
    pictures = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16), dtype=np.uint8)
    acting, _ = policy.obs_to_tensor(pictures)
    training = {"observation": th.as_tensor(pictures)[None]}
    model = policy.world_model
    assert th.equal(model.embed({"observation": acting}), model.embed(training)[0])
    assert acting.dtype == th.uint8  # a float picture would not be divided by 255


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (gym.spaces.Discrete(3), "Discrete"),
        (gym.spaces.Box(0, 255, (3, 16, 24), np.uint8), "square"),
        (gym.spaces.Box(-1.0, 1.0, (4, 4)), r"shape \(4, 4\)"),
        (gym.spaces.Dict({"a": gym.spaces.MultiBinary(2)}), "'a' is a MultiBinary"),
    ],
)
def test_observations_that_cannot_be_modelled_are_refused_by_name(space, message):
    with pytest.raises(ValueError, match=message):
        space_parts(space)


def test_the_world_model_learns_to_decode_a_still_picture():
    policy = make_policy()
    model = policy.world_model
    pictures = th.randint(0, 256, (1, 1, 3, 16, 16), dtype=th.uint8).expand(4, 3, -1, -1, -1)
    observations = {"observation": pictures}
    optimizer = th.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        belief = model.observe(observations, th.zeros(4, 3, 2))
        normalized = model.encoder.normalize(observations)
        loss = reconstruction_loss(
            model.decode(belief.state), normalized, model.encoder.likelihood_scales()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_the_actors_density_is_that_of_a_squashed_normal():
    policy = make_policy()
    distribution = policy.actor(th.randn(50, policy.world_model.feat_dim))
    actions, log_prob = distribution.sample_with_log_prob()
    squashed = TransformedDistribution(Normal(distribution.mean, distribution.std), TanhTransform())
    inside = actions.abs().amax(dim=1) < 0.999  # beyond, torch's inverse of tanh is too coarse
    expected = squashed.log_prob(actions).sum(-1)
    assert inside.any()
    assert th.allclose(log_prob[inside], expected[inside], atol=1e-2)


def test_the_density_of_an_own_action_is_exact_where_tanh_saturates():
    policy = make_policy(init_std=5.0)
    distribution = policy.actor(th.zeros(20_000, policy.world_model.feat_dim))
    th.manual_seed(0)
    _, log_prob = distribution.sample_with_log_prob()
    # entropy of N(0, 5^2) and the mean of log(1 - tanh^2), by numbers, for two dimensions
    grid = th.linspace(-40.0, 40.0, 400_001, dtype=th.float64)
    weights = th.exp(Normal(0.0, 5.0).log_prob(grid))
    slope = 2.0 * (np.log(2.0) - grid - functional.softplus(-2.0 * grid))
    expected = 2.0 * (0.5 * np.log(2.0 * np.pi * np.e * 25.0) + (weights * slope).sum() * 2e-4)
    # the standard error of 20,000 samples is below 0.06
    assert -log_prob.mean().item() == pytest.approx(expected.item(), abs=0.2)


def test_the_first_actions_have_the_deviation_that_was_asked_for():
    policy = make_policy(init_std=5.0)
    distribution = policy.actor(th.zeros(1, policy.world_model.feat_dim))
    assert th.allclose(distribution.std, functional.softplus(th.tensor(4.9932)) + 1e-4, atol=1e-3)
    assert policy.action_dim == int(np.prod(ACTION.shape))
    assert PICTURE.shape == (3, 16, 16)
