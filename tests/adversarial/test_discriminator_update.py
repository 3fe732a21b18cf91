"""The traced update is the update: bit for bit, with the same random numbers."""

import dataclasses
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from torch import nn

from sb3_vdb.adversarial import traced_update
from sb3_vdb.adversarial.discriminator_learner import DiscriminatorLearner
from sb3_vdb.adversarial.round_metrics import UpdateMetrics
from sb3_vdb.adversarial.settings import AdversarialSettings
from sb3_vdb.adversarial.traced_update import traced_gradients
from sb3_vdb.discriminators import AIRLDiscriminator, GAILDiscriminator
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.networks import ConvTrunk
from sb3_vdb.vdb import DualVariable
from sb3_vdb.views import EncodedTransitions, Inputs, Picture, Seen, View

SPACE = spaces.Box(-1.0, 1.0, (3,), np.float32)
PICTURES = spaces.Box(0, 255, (1, 16, 16), np.uint8)
KINDS = {"gail": GAILDiscriminator, "airl": AIRLDiscriminator}
SIZE, N_UPDATES = 8, 5
SETTINGS = AdversarialSettings(
    demo_batch_size=SIZE,
    n_disc_updates_per_round=N_UPDATES,
    disc_learning_rate=1e-2,
    grad_penalty_coef=0.0,
    grad_penalty_on="expert",
    grad_penalty_target="logits",
    reward_type=None,
    reward_scaling="none",
    relabel=None,
    train_timesteps=None,
    log_dir=None,
    seed=0,
    device="cpu",
    verbose=0,
)


def make_learner(traced, kind="airl", bottleneck=True, constraint="average", noise=0.0, **changes):
    settings = dataclasses.replace(SETTINGS, trace_updates=traced, **changes)
    th.manual_seed(1)
    discriminator = KINDS[kind](
        SPACE,
        SPACE,
        trunk_kwargs={"net_arch": (16, 8)},
        code_dim=32 if bottleneck else None,
        input_noise_std=noise,
        hidden_noise_std=noise,
    )
    dual = DualVariable(0.5, 0.1, 1e-2, constraint) if bottleneck else None
    return DiscriminatorLearner(discriminator, settings, dual)


def samples(shift, kind, seed=0):
    generator = th.Generator().manual_seed(seed)
    n = SIZE * N_UPDATES

    def uniform(*shape):
        return th.rand(*shape, generator=generator)

    actions = uniform(n, 3 if kind == "gail" else 0)
    terminated = (uniform(n) > 0.8).float()
    return EncodedTransitions(
        Seen.of(uniform(n, 3) + shift),
        actions,
        Seen.of(uniform(n, 3) + shift),
        terminated,
        uniform(n),
    )


def run(learner, kind="airl", rounds=2):
    th.manual_seed(2)
    for seed in range(rounds):
        metrics = learner.train_round(samples(0.3, kind, seed), samples(0.0, kind, seed + 10))
    return metrics, [each.detach() for each in learner.discriminator.parameters()], th.rand(3)


CASES = [
    {"kind": "gail", "bottleneck": False},
    {"kind": "gail"},
    {"kind": "gail", "grad_penalty_coef": 0.5, "grad_penalty_target": "probabilities"},
    {"kind": "airl", "bottleneck": False, "grad_penalty_coef": 0.5},
    {"kind": "airl"},
    {"kind": "airl", "constraint": "pointwise", "grad_penalty_coef": 0.5},
    {"kind": "airl", "grad_penalty_coef": 0.5, "grad_penalty_target": "terms"},
    {"kind": "airl", "grad_penalty_coef": 0.5, "grad_penalty_on": "both", "noise": 0.3},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_a_trace_equals_autograd_bit_for_bit(case):
    learners = [make_learner(traced, **case) for traced in (False, True)]
    results = [run(learner, case["kind"]) for learner in learners]
    for eager, traced in zip(*results, strict=True):
        for one, other in zip(eager, traced, strict=True):
            assert th.equal(one, other)
    if learners[0].dual is not None:
        assert learners[0].dual.beta == learners[1].dual.beta != 0.1


def test_discriminators_of_one_shape_share_a_trace_and_nothing_else():
    first, second = (make_learner(True) for _ in range(2))
    run(first)
    before = [each.detach().clone() for each in first.discriminator.parameters()]
    _, second_weights, _ = run(second)
    for one, kept, other in zip(
        first.discriminator.parameters(), before, second_weights, strict=True
    ):
        assert th.equal(one, kept)
        assert th.equal(one, other)


def test_a_running_normaliser_is_read_at_every_update():
    learners = [make_learner(traced, kind="airl") for traced in (False, True)]
    for learner in learners:
        run(learner)
        learner.discriminator.normalizer.update(5.0 * samples(1.0, "airl").observations.vectors)
    weights = [run(learner)[1] for learner in learners]
    for one, other in zip(*weights, strict=True):
        assert th.equal(one, other)


@pytest.mark.parametrize("traced", [False, True])
def test_a_term_that_is_not_finite_is_named_and_nothing_is_stepped(traced):
    learner = make_learner(traced)
    run(learner)
    before = [each.detach().clone() for each in learner.discriminator.parameters()]
    expert = samples(0.3, "airl")
    expert.log_probs[0] = th.inf
    with pytest.raises(NonFiniteError, match=r"loss term `expert` is not finite"):
        learner.train_round(expert, samples(0.0, "airl"))
    for one, other in zip(before, learner.discriminator.parameters(), strict=True):
        assert th.equal(one, other)


@pytest.mark.parametrize("traced", [False, True])
def test_a_gradient_that_is_not_finite_is_named(traced):
    learner = make_learner(traced, bottleneck=False)
    with th.no_grad():
        learner.discriminator.g.trunk.layers[0].weight.fill_(1e30)
        learner.discriminator.g.unit.weight.fill_(1e-30)
        learner.discriminator.g.trunk.layers[2].weight.fill_(1e30)
    with pytest.raises(NonFiniteError, match=r"not finite|too large"):
        learner.train_round(samples(0.3, "airl"), samples(0.0, "airl"))


def test_metrics_are_those_of_every_update():
    metrics, *_ = run(make_learner(True))
    assert isinstance(metrics, UpdateMetrics)
    assert all(values.shape == (N_UPDATES,) for values in metrics)
    assert metrics.kl.min() > 0
    assert ((metrics.accuracy_expert >= 0) & (metrics.accuracy_expert <= 1)).all()


def picture_samples(seed):
    generator = th.Generator().manual_seed(seed)
    n = SIZE * N_UPDATES
    pictures = th.randint(0, 256, (n, 1, 16, 16), generator=generator, dtype=th.uint8)
    nothing = Seen.nothing(n, th.device("cpu"))
    actions = th.rand(n, 3, generator=generator)
    return EncodedTransitions(Seen.of(None, pictures), actions, nothing, th.zeros(n), th.zeros(n))


def make_picture_learner(traced):
    th.manual_seed(1)
    discriminator = GAILDiscriminator(
        PICTURES,
        SPACE,
        view=View(Picture()),
        trunk_class=ConvTrunk,
        trunk_kwargs={"depth": 4, "features_dim": 8},
        code_dim=4,
    )
    settings = dataclasses.replace(SETTINGS, trace_updates=traced, grad_penalty_coef=0.5)
    return DiscriminatorLearner(discriminator, settings, DualVariable(0.5))


def train_on_pictures(learner):
    th.manual_seed(2)
    learner.train_round(picture_samples(0), picture_samples(1))
    return [each.detach() for each in learner.discriminator.parameters()]


def test_what_sees_pictures_is_not_traced_unless_it_must_be():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = train_on_pictures(make_picture_learner(traced=None))
    other = train_on_pictures(make_picture_learner(traced=False))
    assert all(th.equal(*pair) for pair in zip(one, other, strict=True))


def test_a_step_does_not_depend_on_how_weights_lie_in_memory():
    """Fused Adam goes through weights and gradients from end to end, in whatever order they lie."""
    learners = [make_picture_learner(traced=False) for _ in range(2)]
    learners[1].optimizer = th.optim.Adam(learners[1].discriminator.parameters(), lr=1e-2)
    for one, other in zip(*(train_on_pictures(each) for each in learners), strict=True):
        th.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


class Chooses(nn.Module):
    """A trunk whose operations depend on the values of its inputs."""

    def __init__(self, input_shape):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], 4)
        self.features_dim = 4

    def forward(self, inputs):
        return self.layer(inputs) if inputs.sum() >= 0 else -self.layer(inputs)


def test_a_network_that_cannot_be_traced_is_refused_with_the_remedy():
    discriminator = AIRLDiscriminator(SPACE, SPACE, trunk_class=Chooses)
    message = r"AIRLDiscriminator cannot be traced.*trace_updates=False"
    settings = dataclasses.replace(SETTINGS, trace_updates=True)
    with pytest.raises(RuntimeError, match=message):
        DiscriminatorLearner(discriminator, settings, None).train_round(
            samples(0.3, "airl"), samples(0.0, "airl")
        )
    learner = DiscriminatorLearner(discriminator, SETTINGS, None)
    with pytest.warns(UserWarning, match=message):
        metrics = learner.train_round(samples(0.3, "airl"), samples(0.0, "airl"))
    assert th.isfinite(metrics.loss_expert).all()


@dataclasses.dataclass(frozen=True, eq=False)
class Weighted(View):
    """Sees the observation, each entry with a weight."""

    weights: np.ndarray | None = None

    def inputs(self, observations, actions, next_observations):
        return Inputs(observations.vectors * th.from_numpy(self.weights))


def test_traces_are_shared_only_where_the_same_is_computed():
    """Arrays that print alike, or a class that is defined anew, are not the same."""
    space = spaces.Box(-1.0, 1.0, (2000,), np.float32)
    ends = np.ones(2000, np.float32), np.ones(2000, np.float32)
    ends[1][1000] = 0.0
    assert str(th.from_numpy(ends[0])) == str(th.from_numpy(ends[1]))
    gradients = []
    for weights in ends:
        view = Weighted(sees=("observations",), weights=weights)
        th.manual_seed(0)
        network = GAILDiscriminator(space, SPACE, view=view, normalize_inputs="none")
        row = Seen.of(th.ones(2 * SIZE, 2000))
        batch = EncodedTransitions(
            row, th.zeros(2 * SIZE, 0), row, th.zeros(2 * SIZE), th.zeros(2 * SIZE)
        )
        objective = DiscriminatorLearner(network, SETTINGS, None).objective
        run = traced_gradients(network, objective, batch)
        tensors = [*network.parameters(), *network.buffers()]
        gradients.append(run(tensors, batch, th.tensor(0.0)).gradients[0])
    assert gradients[0][:, 1000].any()
    assert not gradients[1][:, 1000].any()


class HalfFrozen(nn.Module):
    """A trunk with a layer that is frozen and one that is not used."""

    features_dim = 4

    def __init__(self, input_shape):
        super().__init__()
        self.frozen, self.unused = nn.Linear(*input_shape, 4), nn.Linear(2, 2)
        self.learned = nn.Linear(4, 4)
        self.frozen.requires_grad_(False)

    def forward(self, inputs):
        return self.learned(th.tanh(self.frozen(inputs)))


@pytest.mark.parametrize("traced", [True, False])
def test_layers_that_are_frozen_or_unused_stay_as_they_are(traced):
    settings = dataclasses.replace(SETTINGS, trace_updates=traced)
    network = GAILDiscriminator(SPACE, SPACE, trunk_class=HalfFrozen)
    before = {name: value.clone() for name, value in network.named_parameters()}
    learner = DiscriminatorLearner(network, settings, None)
    learner.train_round(samples(1.0, "gail", 1), samples(0.0, "gail", 2))
    for name, value in network.named_parameters():
        assert th.equal(value, before[name]) == ("frozen" in name or "unused" in name), name


def test_anomaly_detection_is_left_to_autograd():
    """With the same numbers, also where it is switched on within a run, and without a warning."""
    plain, watched = make_learner(True), make_learner(True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*trace.*")
        with th.autograd.set_detect_anomaly(True):
            run(watched, rounds=1)
        run(plain, rounds=1)
    for ours, theirs in zip(run(plain)[1], run(watched)[1], strict=True):
        th.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_trainers_in_threads_trace_one_after_another(monkeypatch):
    monkeypatch.setattr(traced_update, "_TRACES", {})
    learners = [make_learner(True, grad_penalty_coef=0.1 + i) for i in range(3)]
    batch = samples(0.3, "airl")
    with ThreadPoolExecutor(3) as pool:  # a trace that fails is an error with `trace_updates=True`
        done = [pool.submit(learner.train_round, batch, batch) for learner in learners]
    assert all(np.isfinite(each.result().kl).all() for each in done)
