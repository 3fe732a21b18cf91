"""Generators of every supported kind, small enough for tests."""

from sb3_contrib import TQC, TRPO
from stable_baselines3 import A2C, PPO, SAC, TD3

from sb3_vdb import AIRL, GAIL, VAIL, VAIRL, make_vec_env
from tests.conftest import MAZE

ON_POLICY = {
    "PPO": (PPO, {"n_steps": 50, "batch_size": 50, "n_epochs": 2}),
    "A2C": (A2C, {"n_steps": 50}),
    "TRPO": (TRPO, {"n_steps": 50, "batch_size": 50, "n_critic_updates": 2}),
}
OFF_POLICY = {
    "SAC": (SAC, {"learning_starts": 20, "batch_size": 16, "buffer_size": 1000}),
    "TD3": (TD3, {"train_freq": 1, "learning_starts": 20, "batch_size": 16, "buffer_size": 1000}),
    "TQC": (TQC, {"learning_starts": 20, "batch_size": 16, "buffer_size": 1000}),
}
GENERATORS = ON_POLICY | OFF_POLICY
ALGORITHMS = {"GAIL": GAIL, "VAIL": VAIL, "AIRL": AIRL, "VAIRL": VAIRL}


def make_generator(name, venv, **changes):
    algorithm, arguments = GENERATORS[name]
    settings = {"seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [16]}}
    return algorithm("MlpPolicy", venv, **(settings | arguments | changes))


def make_trainer(algorithm, generator, demos, n_envs=2, venv=None, gen_kwargs=None, **changes):
    """A trainer on a small maze; ``changes`` are its arguments, ``gen_kwargs`` the generator's."""
    venv = venv if venv is not None else make_vec_env(MAZE, n_envs, seed=0)
    settings = {"demo_batch_size": 20, "n_disc_updates_per_round": 3, "seed": 0, "device": "cpu"}
    if generator in OFF_POLICY:
        settings["gen_train_timesteps"] = 60
    model = make_generator(generator, venv, **(gen_kwargs or {}))
    return ALGORITHMS[algorithm](demos, venv, model, **(settings | changes))
