"""The papers' numbers by name, and the default that holds the limit."""

import numpy as np
import pytest
from stable_baselines3 import PPO

from sb3_vdb import VAIL, VAIRL, Demonstrations, make_vec_env
from sb3_vdb.adversarial import PRESETS, preset
from sb3_vdb_envs.maze import WaypointController


def make(kind, demos, **arguments):
    """Make a trainer in a maze."""
    venv = make_vec_env("sb3_vdb/CMaze-v0", 2, seed=0)
    generator = PPO("MlpPolicy", venv, n_steps=64, batch_size=64, device="cpu")
    return kind(demos, venv, generator, **({"demo_batch_size": 16} | arguments))


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "dac"])  # see test_dac
def test_a_preset_is_made_of_a_trainers_arguments(name, demos):
    trainer = make(VAIRL, demos, **preset(name) | {"demo_batch_size": 16})
    assert trainer.dual.information_limit == {"paper-S-maze": 0.05}.get(name, 0.5)
    assert trainer.dual.beta_step_size == (1e-5 if name.startswith("paper") else 1e-2)


def test_presets_are_copies_and_unknown_ones_are_refused():
    preset("paper-motions")["discriminator_kwargs"]["code_dim"] = 3
    assert preset("paper-motions")["discriminator_kwargs"]["code_dim"] == 128
    with pytest.raises(ValueError, match=r"no preset 'fast'.*paper-motions"):
        preset("fast")


@pytest.mark.parametrize(("arguments", "held"), [({}, True), ({"beta_step_size": 1e-5}, False)])
def test_the_default_holds_the_limit_within_a_few_hundred_updates(arguments, held):
    """An expert is easy to tell from a random policy: without a price, far more than 0.5 nats."""
    venv = make_vec_env("sb3_vdb/CMaze-v0", 10, seed=0)
    demos = Demonstrations.from_rollouts(WaypointController("c_maze"), venv, 10)
    arguments = {
        "n_disc_updates_per_round": 100,
        "demo_batch_size": 64,
        "seed": 0,
        "trace_updates": False,
    } | arguments
    trainer = make(VAIL, demos, **arguments).learn(5 * 128)
    result = trainer.rounds.finish(venv_steps(trainer))
    assert trainer.rounds.learner.n_updates == 600
    assert (float(result.metrics.kl.mean()) < 1.25 * 0.5) is held


def venv_steps(trainer):
    """Steps of a random policy in the trainer's mazes."""
    trainer.reward_venv.reset()
    with trainer.reward_venv.learning():
        for _ in range(64):
            trainer.reward_venv.step(np.random.default_rng(0).uniform(-1, 1, (2, 2)))
    return trainer.reward_venv.pop_collected()[0]
