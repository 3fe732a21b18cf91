"""Networks over the bottleneck: shapes, the AIRL form, normalisers, where gradients go."""

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from sb3_vdb.class_paths import class_path
from sb3_vdb.discriminators import AIRLDiscriminator, Discriminator, GAILDiscriminator
from sb3_vdb.networks import BoundsNormalizer, RunningNormalizer, make_normalizer
from sb3_vdb.networks.normalizers import box_bounds
from sb3_vdb.transitions import Transitions
from sb3_vdb.vdb import kl_to_standard_normal
from sb3_vdb.views import EncodedTransitions, Seen, TransitionEncoder, View

OBSERVATIONS = spaces.Box(-2, 2, (3,), np.float32)
ACTIONS = spaces.Box(-5, 5, (2,), np.float32)
KINDS = {"gail": GAILDiscriminator, "airl": AIRLDiscriminator}
STATES, PAIRS = View(sees=("observations",)), View(sees=("observations", "actions"))
ENDS = View(sees=("observations", "actions", "next_observations"))


def build(kind="gail", code_dim=4, net_arch=(16, 16), **changes):
    th.manual_seed(0)
    arguments = {"code_dim": code_dim, "trunk_kwargs": {"net_arch": net_arch}, **changes}
    if kind == "airl":
        arguments["gamma"] = 0.9
    return KINDS[kind](OBSERVATIONS, ACTIONS, **arguments).eval()


def batch(n=6, action_dim=2):
    th.manual_seed(1)
    return EncodedTransitions(
        Seen.of(th.randn(n, 3)),
        th.randn(n, action_dim),
        Seen.of(th.randn(n, 3)),
        th.zeros(n),
        th.randn(n),
    )


def grown(network):
    """A network whose codes are far from the prior, so that sampling matters."""
    with th.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0)
    return network


@pytest.mark.parametrize("code_dim", [None, 4])
@pytest.mark.parametrize(("kind", "action_dim"), [("gail", 2), ("airl", 0)])
def test_logits_divergences_and_rewards_are_one_number_a_transition(kind, code_dim, action_dim):
    network = build(kind=kind, code_dim=code_dim)
    output = network(batch(action_dim=action_dim), sample=True)
    assert output.logits_expert_is_high.shape == output.kl.shape == (6,)
    assert (output.kl >= 0).all()
    assert bool((output.kl > 0).all()) == (code_dim is not None)
    for reward_type in network.reward_types:
        assert network.reward(batch(action_dim=action_dim), reward_type).shape == (6,)


def test_codes_are_sampled_in_training_and_are_means_in_rewards():
    network, data = grown(build()), batch()
    first, second = (network(data, sample=True).logits_expert_is_high for _ in range(2))
    assert (first != second).all()
    th.testing.assert_close(
        network.reward(data, "logit"), network(data, sample=False).logits_expert_is_high
    )
    th.testing.assert_close(
        network.reward(data, "logit"), network.reward(data, "logit"), atol=0, rtol=0
    )


def test_without_a_bottleneck_nothing_is_sampled():
    network, data = build(code_dim=None), batch()
    first, second = (network(data, sample=True).logits_expert_is_high for _ in range(2))
    th.testing.assert_close(first, second, atol=0, rtol=0)


@pytest.mark.parametrize("noise", ["input_noise_std", "hidden_noise_std"])
def test_instance_noise_is_only_for_training(noise):
    network, data = build(code_dim=None, **{noise: 0.5}), batch()
    first, second = (network(data, sample=True).logits_expert_is_high for _ in range(2))
    assert (first != second).any()
    first, second = (network(data, sample=False).logits_expert_is_high for _ in range(2))
    th.testing.assert_close(first, second, atol=0, rtol=0)


def test_the_airl_logit_is_g_plus_gamma_h_next_minus_h_minus_log_pi():
    network, data = build(kind="airl"), batch(action_dim=0)
    output = network(data, sample=False)
    g, h_next, h = output.terms
    expected = g + 0.9 * h_next - h - data.log_probs
    th.testing.assert_close(output.logits_expert_is_high, expected)
    th.testing.assert_close(network.reward(data, "g"), g)
    th.testing.assert_close(network.reward(data, "f"), g + 0.9 * h_next - h)
    th.testing.assert_close(network.reward(data, "logit"), expected)


def test_a_terminal_state_has_no_potential():
    network, data = build(kind="airl"), batch(action_dim=0)
    ended = data._replace(terminated=th.ones(6))
    g, _, h = network(ended, sample=False).terms
    th.testing.assert_close(network.reward(ended, "f"), g - h)


def test_the_airl_divergence_is_the_sum_of_three_encoders():
    network, data = grown(build(kind="airl")), batch(action_dim=0)

    def kl(unit, seen):
        return kl_to_standard_normal(*unit.encoder(unit.trunk(network.normalizer(seen.vectors))))

    expected = (
        kl(network.g, data.observations)
        + kl(network.h, data.observations)
        + kl(network.h, data.next_observations)
    )
    th.testing.assert_close(network(data, sample=True).kl, expected)


def test_g_of_an_airl_type_may_see_actions():
    network, data = build(kind="airl", view=PAIRS), batch()
    moved = data._replace(actions=data.actions + 1)
    assert (network.reward(data, "g") != network.reward(moved, "g")).any()
    assert network.reward_needs("g") == {"observations", "actions"}


def test_the_next_observation_counts_when_it_is_asked_for():
    data = batch()
    moved = data._replace(next_observations=Seen.of(data.next_observations.vectors + 1))
    for view, equal in ((PAIRS, True), (ENDS, False)):
        network = build(view=view)
        assert th.equal(network.reward(data, "gail"), network.reward(moved, "gail")) == equal


@pytest.mark.parametrize(("kind", "action_dim"), [("gail", 2), ("airl", 0)])
def test_penalty_targets_are_logits_probabilities_or_terms(kind, action_dim):
    output = build(kind=kind)(batch(action_dim=action_dim), sample=False)
    th.testing.assert_close(
        output.penalised("probabilities")[0], th.sigmoid(output.penalised("logits")[0])
    )
    assert len(output.penalised("terms")) == (1 if kind == "gail" else 3)


def test_the_running_normaliser_has_the_moments_of_all_it_saw():
    normalizer = RunningNormalizer(3)
    data = th.randn(500, 3) * th.tensor([1.0, 5.0, 0.2]) + th.tensor([0.0, 100.0, -3.0])
    for part in data.split([1, 49, 450]):
        normalizer.update(part)
    th.testing.assert_close(normalizer.mean, data.mean(0), atol=1e-5, rtol=1e-5)
    th.testing.assert_close(normalizer.std, data.std(0, unbiased=False), atol=1e-5, rtol=1e-5)
    th.testing.assert_close(normalizer(data).std(0), th.ones(3), atol=2e-3, rtol=0)


def test_a_constant_observation_is_not_blown_up():
    normalizer = RunningNormalizer(1)
    normalizer.update(th.full((10, 1), 5.0))
    assert normalizer(th.tensor([[5.01]])).abs().item() <= 1.01


def test_the_bounds_normaliser_maps_the_box_to_unit_range():
    normalizer = BoundsNormalizer(*box_bounds(OBSERVATIONS))
    th.testing.assert_close(
        normalizer(th.tensor([[-2.0, 0.0, 2.0]])), th.tensor([[-1.0, 0.0, 1.0]])
    )


def test_bounds_matter_only_where_entries_are_normalised():
    low, high = th.tensor([-th.inf, 0.0, 3.0]), th.tensor([th.inf, 4.0, 3.0])
    normalizer = BoundsNormalizer(low, high, raw=th.tensor([True, False, False]))
    assert normalizer(th.tensor([[7.0, 4.0, 3.0]])).tolist() == [[7.0, 1.0, 0.0]]
    assert make_normalizer("bounds", 0, None)(th.zeros(2, 0)).shape == (2, 0)  # pictures alone


@pytest.mark.parametrize(
    ("kind", "space", "message"),
    [
        ("bounds", spaces.Box(-np.inf, np.inf, (2,)), "finite"),
        ("bounds", spaces.Discrete(3), "normalize_inputs"),
        ("sometimes", OBSERVATIONS, "normalize_inputs"),
    ],
)
def test_normalisers_that_cannot_be_are_refused(kind, space, message):
    with pytest.raises(ValueError, match=message):
        make_normalizer(kind, 2, box_bounds(space) if isinstance(space, spaces.Box) else None)


def test_actions_are_scaled_by_their_bounds_and_discrete_values_are_one_hot():
    n = 4
    transitions = Transitions(
        np.arange(n), np.array([[-5.0, 5.0]] * n, np.float32), np.arange(n), np.zeros(n, bool)
    )
    encoder = TransitionEncoder(View(), spaces.Discrete(n), ACTIONS)
    encoded = encoder.encode(transitions, th.device("cpu"))
    th.testing.assert_close(encoded.observations.vectors, th.eye(n))
    th.testing.assert_close(encoded.actions, th.tensor([[-1.0, 1.0]] * n))


def test_the_layout_of_an_environments_arrays_does_not_matter():
    """Sums over rows round by it, so that a run would go on from a file in another way."""
    rows = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    encoder, seen = TransitionEncoder(STATES, OBSERVATIONS, ACTIONS), []
    for order in ("C", "F"):
        values = np.asarray(rows, order=order)
        transitions = Transitions(values, None, values, np.zeros(60, bool))
        batch = encoder.encode(transitions, th.device("cpu"))
        seen.append(batch.observations.vectors)
        assert all(each.is_contiguous() for each in batch.tensors())
    normalizers = [make_normalizer("running", 3) for _ in seen]
    for normalizer, observations in zip(normalizers, seen, strict=True):
        normalizer.update(observations)
    for one, other in zip(*(each.buffers() for each in normalizers), strict=True):
        assert th.equal(one, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net_arch": ()}, "`net_arch`"),
        ({"net_arch": (8, 0)}, "`net_arch`"),
        ({"code_dim": 0}, "`code_dim`"),
        ({"trunk_kwargs": {"activation_fn": "ReLU"}}, "`activation_fn` must be a class"),
        ({"trunk_kwargs": {"depth": 3}}, "DenseTrunk cannot be made .*depth"),
        ({"trunk_class": "dense"}, "`trunk_class` must be a subclass"),
        ({"trunk_class": th.nn.Flatten}, "Flatten cannot be made|must tell its `features_dim`"),
        ({"input_noise_std": -1.0}, "`input_noise_std`"),
        ({"view": "states"}, "`view` must be a View"),
        ({"view": View(sees=("actions",))}, "and no observation"),
    ],
)
def test_bad_discriminators_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


@pytest.mark.parametrize("kind", ["gail", "airl"])
def test_a_discriminator_survives_its_description(kind):
    first = build(kind=kind, hidden_noise_std=0.5, view=STATES, normalize_inputs="bounds")
    second = Discriminator.rebuild(first.describe(), OBSERVATIONS, ACTIONS, "here")
    second.load_state_dict(first.state_dict())
    assert second.describe() == first.describe()
    assert second.trunk_kwargs == {"net_arch": (16, 16)}
    data = batch(action_dim=0)
    for reward_type in first.reward_types:
        assert th.equal(first.reward(data, reward_type), second.reward(data, reward_type))


def test_a_description_is_plain_and_names_nothing_but_networks_and_views():
    description = build().describe()
    assert description["class"] == "sb3_vdb.discriminators.gail:GAILDiscriminator"
    for path, message in (
        ("builtins:eval", "which is no Discriminator"),
        ("subprocess:Popen", "which is no Discriminator"),
        ("nowhere.at_all:Net", "whose module is not imported"),
        ("torch.nn.modules.linear:Linear", "which is no Discriminator"),
        ("__main__:Mine", "move it to a module"),
        (".relative:Mine", "whose module is not imported"),
    ):
        with pytest.raises(ValueError, match=message):
            Discriminator.rebuild(
                {**description, "class": path, "arguments": {}}, OBSERVATIONS, ACTIONS, "file.pt"
            )


def test_arguments_of_another_version_are_named():
    description = build().describe()
    description["arguments"]["depth"] = 3
    with pytest.raises(ValueError, match=r"here describes a GAILDiscriminator .*'depth'"):
        Discriminator.rebuild(description, OBSERVATIONS, ACTIONS, "here")


class Tempered(GAILDiscriminator):
    """Forgets to tell one of its arguments."""

    def __init__(self, *spaces, temperature=1.0, **arguments):
        super().__init__(*spaces, **arguments)
        self.temperature = temperature


def test_an_argument_that_a_class_does_not_tell_is_refused_before_it_is_lost():
    with pytest.raises(ValueError, match=r"`arguments\(\)` of Tempered lacks temperature"):
        Tempered(OBSERVATIONS, ACTIONS, temperature=7.0).describe()


def test_actions_that_are_seen_have_to_be_there():
    alone = Transitions(
        np.zeros((2, 3), np.float32), None, np.zeros((2, 3), np.float32), np.zeros(2)
    )
    with pytest.raises(ValueError, match="have no actions, which the view sees"):
        build().encode(alone)


def test_an_action_with_one_possible_value_is_a_number():
    still = spaces.Box(np.array([-1, 3], np.float32), np.array([1, 3], np.float32))
    rows = np.zeros((2, 3), np.float32)
    transitions = Transitions(rows, np.array([[0, 3], [1, 3]], np.float32), rows, np.zeros(2, bool))
    encoded = TransitionEncoder(View(), OBSERVATIONS, still).encode(transitions, th.device("cpu"))
    assert encoded.actions.tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_a_class_inside_a_function_is_refused_before_it_is_needed():
    class Local(GAILDiscriminator):
        pass

    with pytest.raises(ValueError, match="defined inside a function"):
        Local(OBSERVATIONS, ACTIONS).describe()
    assert class_path(GAILDiscriminator).endswith(":GAILDiscriminator")


def test_arguments_of_a_class_are_those_of_its_bases_too():
    assert set(AIRLDiscriminator.argument_names()) == {*GAILDiscriminator.argument_names(), "gamma"}
