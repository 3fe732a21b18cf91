"""The warning of a run that ends far from its information limit."""

import warnings

import pytest
import torch as th

from sb3_vdb.vdb import ConstraintWatch, DualVariable
from tests.adversarial.generators import make_trainer
from tests.vmail.small import make_model


def messages(kls, limit=0.5, beta=0.1, step=1e-5):
    dual = DualVariable(limit, beta, step)
    watch = ConstraintWatch(dual)
    for kl in kls:
        dual.update(th.tensor([kl]))
        watch.note(kl)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watch.warn()
    return [str(each.message) for each in caught]


def test_a_limit_that_beta_does_not_reach_is_named_with_the_remedy():
    (message,) = messages([1.7] * 10)
    for part in ("1.7 nats", "`information_limit` 0.5", "beta at 0.1", "`beta_step_size` 1e-05"):
        assert part in message
    assert "use a larger `beta_step_size`" in message


def test_a_bottleneck_that_does_not_bind_is_named_with_the_remedy():
    (message,) = messages([0.1] * 300, step=1e-2)
    assert "does not bind" in message
    assert "`information_limit` below 0.1" in message


@pytest.mark.parametrize(
    "course",
    [
        {"kls": [1.7] * 9},  # too short to be judged
        {"kls": [0.6] * 20},  # near the limit
        {"kls": [5.0] * 10 + [0.4, 0.9] * 5},  # swings around it
        {"kls": [0.1] * 20, "step": 1e-5},  # below, and beta still falls
        {"kls": [1.7] * 20, "step": 0.0},  # beta is held fixed
        {"kls": [0.1] * 20, "beta": 0.0, "step": 0.0},  # the ablation that only adds noise
    ],
    ids=lambda course: str(course)[:30],
)
def test_other_courses_say_nothing(course):
    assert messages(**course) == []


def test_both_kinds_of_trainers_warn_once_when_learning_ends(demos):
    trainer = make_trainer(
        "VAIL",
        "PPO",
        demos,
        information_limit=1e-6,
        n_disc_updates_per_round=1,
        trace_updates=False,
        gen_kwargs={"n_steps": 10, "batch_size": 20, "n_epochs": 1},
    )
    with pytest.warns(UserWarning, match="bottleneck has not taken hold") as caught:
        trainer.learn(200)
    assert len([each for each in caught if "has not taken hold" in str(each.message)]) == 1
    model = make_model(
        "vectors", information_limit=1e-6, policy_kwargs={"code_dim": 3}, train_freq=2
    )
    with pytest.warns(UserWarning, match="bottleneck has not taken hold"):
        model.learn(20)
