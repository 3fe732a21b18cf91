"""Small tasks and demonstrations that tests share."""

import os
import signal
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO

from sb3_vdb import Demonstrations, make_vec_env

th.set_num_threads(1)

MAZE = "sb3_vdb/CMaze-v0"
# What another SB3 or Gymnasium can change: these files run on both dependency stacks, the others on
# the main one alone.
ON_BOTH_STACKS = (
    "adversarial/test_environments.py",
    "adversarial/test_parts.py",
    "adversarial/test_run.py",
    "adversarial/test_save_load.py",
    "envs/test_contract.py",
    "envs/test_hands.py",
    "envs/test_maze_env.py",
    "envs/test_racing.py",
    "envs/test_racing_driver.py",
    "experiments/test_speed.py",
    "test_acting.py",
    "test_behavioural_cloning.py",
    "test_deepmimic.py",
    "test_demonstrations.py",
    "test_extractors.py",
    "test_hugging_face.py",
    "test_offline.py",
    "test_planners.py",
    "test_recorder.py",
    "test_reward_vec_env.py",
    "test_run_state.py",
    "test_saved_models.py",
    "test_sb3_buffers.py",
    "test_trpo.py",
    "test_vec_env.py",
    "vmail/test_vdac.py",
    "vmail/test_vmail.py",
    "vmail/test_vmail_files.py",
)
GYMNASIUM_1 = int(gym.__version__.split(".")[0]) >= 1


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    for item in items:
        is_ours = item.path.is_relative_to(folder)
        if is_ours and str(item.path.relative_to(folder)) in ON_BOTH_STACKS:
            item.add_marker(pytest.mark.stacks)
    # the long ones first, so that no worker waits at the end for one that began late
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def make_batch(env_id: str, n: int, **kwargs):
    """Gymnasium's own way to a batch, in both versions."""
    if GYMNASIUM_1:
        return gym.make_vec(env_id, num_envs=n, **kwargs)
    return gym.make_vec(env_id, num_envs=n, vectorization_mode="custom", vector_kwargs=kwargs)


def small_ppo(venv, **kwargs) -> PPO:
    settings = {"n_steps": 50, "batch_size": 50, "n_epochs": 1, "seed": 0, "device": "cpu"}
    return PPO("MlpPolicy", venv, **(settings | kwargs))


def heed_interrupts() -> None:
    """Undo that Ctrl-C is ignored by what a shell starts in the background, and by its children;
    for ``preexec_fn``.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def demos() -> Demonstrations:
    """Four episodes of random actions in the C-maze."""
    venv = make_vec_env(MAZE, 4, seed=3)
    rng = np.random.default_rng(0)

    class Noise:
        def predict(self, observation, **_):
            return rng.uniform(-1, 1, (len(observation), 2)).astype(np.float32), None

    return Demonstrations.from_rollouts(Noise(), venv, 4)
