"""Whether a discriminator is healthy: what is found in its curves, and what is done about it."""

import pytest
import torch as th
from stable_baselines3 import PPO

from sb3_vdb import GAIL, VAIL
from sb3_vdb.adversarial import HealthCallback, diagnose
from tests.adversarial.test_replay import make

HEALTHY = {"accuracy_expert": 0.8, "accuracy_generator": 0.7}
WITH_CODE = {**HEALTHY, "kl": 0.5, "beta": 0.2, "information_limit": 0.5}


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        (HEALTHY, None),
        (WITH_CODE, None),
        ({"accuracy_expert": 0.99, "accuracy_generator": 1.0}, "too strong"),
        ({"accuracy_expert": 0.99, "accuracy_generator": 0.5}, None),
        ({**WITH_CODE, "kl": 0.01, "accuracy_expert": 0.5, "accuracy_generator": 0.5}, "collapsed"),
        ({**WITH_CODE, "kl": 0.1, "beta": 0.0}, "slack"),
        ({**WITH_CODE, "kl": 2.0}, "limit not met"),
        ({**WITH_CODE, "accuracy_expert": 1.0, "accuracy_generator": 1.0}, "too strong"),
    ],
)
def test_what_is_wrong(figures, name):
    found = diagnose([figures] * 3)
    assert (found and found.name) == name
    if found:
        assert "`" in found.remedy  # names the setting


def test_nothing_is_said_of_nothing():
    assert diagnose([]) is None


def test_a_collapsed_discriminator_stops_the_run():
    trainer = make(VAIL, PPO, information_limit=0.5, beta=50.0, beta_step_size=0.0)
    callback = HealthCallback(trainer, "stop", window=5)
    with pytest.warns(UserWarning, match=r"collapsed: its code carries.*the training stops"):
        trainer.learn(20_000, callback)
    assert callback.illness.name == "collapsed"
    assert trainer.num_timesteps < 20_000


def test_it_is_rolled_back_to_when_it_was_healthy(monkeypatch):
    trainer = make(VAIL, PPO)
    callback = HealthCallback(trainer, "roll_back", window=2, max_roll_backs=1)
    found = iter([None, *[diagnose([{**WITH_CODE, "kl": 2.0}])] * 100])
    kept = []

    def judge(rounds):
        ill = next(found)
        if ill is None:
            kept.append(
                {n: v.clone() for n, v in trainer.discriminator.state_dict().items()}
                | {"beta": th.tensor(trainer.dual.beta)}
            )
        return ill

    monkeypatch.setattr("sb3_vdb.adversarial.health.diagnose", judge)
    restored = []
    restore = callback._restore

    def watched():
        restore()
        restored.append(
            {n: v.clone() for n, v in trainer.discriminator.state_dict().items()}
            | {"beta": th.tensor(trainer.dual.beta)}
        )

    monkeypatch.setattr(callback, "_restore", watched)
    with pytest.warns(UserWarning, match="limit not met") as said:
        trainer.learn(2_000, callback)
    assert callback.n_roll_backs == 1
    for name, value in kept[0].items():
        th.testing.assert_close(restored[0][name], value)
    assert any("rolled back" in str(each.message) for each in said)
    assert trainer.num_timesteps < 2_000  # the second time it stops


def test_a_warning_is_given_once():
    trainer = make(GAIL, PPO, n_disc_updates_per_round=200, disc_learning_rate=1e-2)
    callback = HealthCallback(trainer, window=1)
    callback.SERIOUS = ()
    with pytest.warns(UserWarning, match="too strong") as said:
        trainer.learn(800, callback)
    assert sum("too strong" in str(each.message) for each in said) == 1


def test_bad_arguments():
    trainer = make(GAIL, PPO)
    with pytest.raises(ValueError, match="`action`"):
        HealthCallback(trainer, "panic")
    with pytest.raises(ValueError, match="`window`"):
        HealthCallback(trainer, window=0)
