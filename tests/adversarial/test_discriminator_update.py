"""The recorded update is the update: bit for bit, with the same random numbers."""

import dataclasses

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from sb3_vdb.adversarial.discriminator_learner import DiscriminatorLearner
from sb3_vdb.adversarial.round_metrics import UpdateMetrics
from sb3_vdb.adversarial.settings import AdversarialSettings, make_architecture
from sb3_vdb.discriminators import Batch, FeatureEncoder
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.vdb import DualVariable

SPACE = spaces.Box(-1.0, 1.0, (3,), np.float32)
FEATURES = FeatureEncoder(SPACE, SPACE)
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
    relabel_rollouts=None,
    train_timesteps=None,
    log_dir=None,
    seed=0,
    device="cpu",
    verbose=0,
)


def make_learner(
    recorded, kind="airl", bottleneck=True, constraint="average", noise=0.0, **changes
):
    settings = dataclasses.replace(SETTINGS, record_updates=recorded, **changes)
    architecture = make_architecture(
        kind, bottleneck, 0.99, "running", noise, noise, {"net_arch": (16, 8)}
    )
    th.manual_seed(1)
    discriminator = architecture.build(FEATURES)
    dual = DualVariable(0.5, 0.1, 1e-2, constraint) if bottleneck else None
    return DiscriminatorLearner(discriminator, architecture, settings, dual)


def samples(shift, kind, seed=0):
    generator = th.Generator().manual_seed(seed)
    n = SIZE * N_UPDATES

    def uniform(*shape):
        return th.rand(*shape, generator=generator)

    actions = uniform(n, 3 if kind == "gail" else 0)
    terminated = (uniform(n) > 0.8).float()
    return Batch(uniform(n, 3) + shift, actions, uniform(n, 3) + shift, terminated, uniform(n))


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
def test_replaying_equals_autograd_bit_for_bit(case):
    learners = [make_learner(recorded, **case) for recorded in (False, True)]
    found = [run(learner, case["kind"]) for learner in learners]
    for eager, recorded in zip(*found, strict=True):
        for one, other in zip(eager, recorded, strict=True):
            assert th.equal(one, other)
    if learners[0].dual is not None:
        assert learners[0].dual.beta == learners[1].dual.beta != 0.1


def test_discriminators_of_one_shape_share_a_recording_and_nothing_else():
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
    learners = [make_learner(recorded, kind="airl") for recorded in (False, True)]
    for learner in learners:
        run(learner)
        learner.discriminator.normalizer.update(5.0 * samples(1.0, "airl").observations)
    weights = [run(learner)[1] for learner in learners]
    for one, other in zip(*weights, strict=True):
        assert th.equal(one, other)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_term_that_is_not_finite_is_named_and_nothing_is_stepped(recorded):
    learner = make_learner(recorded)
    run(learner)
    before = [each.detach().clone() for each in learner.discriminator.parameters()]
    expert = samples(0.3, "airl")
    expert.log_probs[0] = th.inf
    with pytest.raises(NonFiniteError, match=r"loss term `expert` is not finite"):
        learner.train_round(expert, samples(0.0, "airl"))
    for one, other in zip(before, learner.discriminator.parameters(), strict=True):
        assert th.equal(one, other)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_gradient_that_is_not_finite_is_named(recorded):
    learner = make_learner(recorded, bottleneck=False)
    with th.no_grad():
        learner.discriminator.g.trunk[0].weight.fill_(1e30)
        learner.discriminator.g.unit.weight.fill_(1e-30)
        learner.discriminator.g.trunk[2].weight.fill_(1e30)
    with pytest.raises(NonFiniteError, match=r"not finite|too large"):
        learner.train_round(samples(0.3, "airl"), samples(0.0, "airl"))


def test_metrics_are_those_of_every_update():
    metrics, *_ = run(make_learner(True))
    assert isinstance(metrics, UpdateMetrics)
    assert all(values.shape == (N_UPDATES,) for values in metrics)
    assert metrics.kl.min() > 0
    assert ((metrics.accuracy_expert >= 0) & (metrics.accuracy_expert <= 1)).all()
