"""Discriminator-actor-critic: what makes it one, and that it learns."""

import numpy as np
import pytest
from stable_baselines3 import PPO, SAC, TD3

from sb3_vdb import DAC, Demonstrations, View, make_vec_env
from sb3_vdb.demonstrations.absorbing import AbsorbingStates, with_absorbing_states
from sb3_vdb.networks import DenseTrunk
from sb3_vdb_envs.maze import WaypointController
from tests.adversarial.test_replay import FORCES, Noise, make

MAZE = "sb3_vdb/CMaze-v0"


def lasting(horizon=10):
    """Noise whose episodes go on in absorbing states."""
    return make_vec_env(lambda: AbsorbingStates(Noise(), horizon), 1, seed=0)


def test_what_makes_it_one():
    venv = lasting()
    raw = Demonstrations.from_rollouts(
        WaypointController("c_maze"), make_vec_env(MAZE, 1, seed=0), n_episodes=1
    )
    maze = make_vec_env(MAZE, 1, seed=0)
    model = TD3("MlpPolicy", maze, learning_starts=50, seed=0, device="cpu")
    trainer = DAC(raw, maze, model, seed=0, gen_train_timesteps=100)
    assert trainer.relabels
    assert trainer.reward_type == "logit"
    assert trainer.settings.grad_penalty_kind == "one_centered"
    assert trainer.settings.grad_penalty_on == "interpolates"
    assert trainer.settings.train_timesteps == 100  # the user's
    trainer.learn(200)
    assert trainer.n_rounds == 2
    assert trainer.rounds.replay is not None
    venv.close()


def test_ends_of_the_experts_need_absorbing_states(tmp_path):
    with pytest.raises(ValueError, match=r"end by themselves.*AbsorbingStates"):
        make(DAC)
    recorded = make_noise_demonstrations()
    demos = with_absorbing_states(recorded, 10, FORCES)
    venv = lasting()
    model = SAC("MlpPolicy", venv, learning_starts=20, seed=0, device="cpu", batch_size=16)
    states = {"view": View(sees=("observations",))}
    numbers = {"demo_batch_size": 16, "seed": 0, "device": "cpu"}
    trainer = DAC(demos, venv, model, discriminator_kwargs=states, **numbers)
    trainer.learn(256)
    observations = trainer.gen_algo.replay_buffer.observations[:256].reshape(-1, 4)
    assert observations[:, 3].max() == 1.0  # absorbing states are among what it learns from
    loaded = DAC.load(trainer.save(tmp_path / "dac"), lasting())
    assert loaded.settings == trainer.settings
    np.testing.assert_array_equal(
        loaded.reward(demos.transitions()), trainer.reward(demos.transitions())
    )


def make_noise_demonstrations():
    from sb3_vdb.demonstrations.leaks import RandomPolicy

    venv = make_vec_env(Noise, 1, seed=1)
    return Demonstrations.from_rollouts(RandomPolicy(FORCES, 1, 0), venv, n_episodes=4)


def test_what_is_said_of_the_discriminator_leaves_the_rest_as_it_is():
    maze = make_vec_env(MAZE, 1, seed=0)
    demos = Demonstrations.from_rollouts(WaypointController("c_maze"), maze, n_episodes=1)
    for given, kept in (
        ({"view": View(sees=("observations",))}, (256, 256)),
        ({"trunk_class": DenseTrunk}, None),
    ):
        model = TD3("MlpPolicy", maze, seed=0, device="cpu")
        trainer = DAC(demos, maze, model, seed=0, discriminator_kwargs=given)
        assert trainer.discriminator.trunk_kwargs.get("net_arch") == kept


def test_an_on_policy_generator_is_refused():
    with pytest.raises(ValueError, match=r"DAC needs an off-policy generator.*is PPO; use GAIL"):
        make(DAC, PPO)


@pytest.mark.slow
def test_it_learns():
    """Standing still has -50, the wall half-way -27, the scripted expert -4.2; the way around the
    wall takes 6,000 to 8,000 steps, more than a test has.
    """
    venv = make_vec_env(MAZE, n_envs=1, seed=0)
    demos = Demonstrations.from_rollouts(
        WaypointController("c_maze"), make_vec_env(MAZE, 4, seed=1), n_episodes=8
    )
    small = {"policy_kwargs": {"net_arch": [64, 64]}, "batch_size": 64}
    model = SAC("MlpPolicy", venv, learning_starts=500, seed=0, device="cpu", **small)
    networks = {"trunk_kwargs": {"net_arch": (64, 64)}}
    trainer = DAC(demos, venv, model, seed=0, discriminator_kwargs=networks).learn(3_000)
    returns = trainer.evaluate(make_vec_env(MAZE, 4, seed=2), n_eval_episodes=8).returns
    assert np.mean(returns) > -35.0
