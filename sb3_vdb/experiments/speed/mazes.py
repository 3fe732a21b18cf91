"""Speed of the batched mazes against the same mazes in MuJoCo."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pandas as pd

from sb3_vdb.experiments.speed.timing import Contender, compare_steps, timed
from sb3_vdb.vec_env import GYMNASIUM_1
from sb3_vdb_envs.maze.layout import LAYOUTS
from sb3_vdb_envs.maze.mujoco_maze import MujocoMaze


def bench_mazes() -> pd.DataFrame:
    """Measure steps a second of the batched mazes against the same maze in MuJoCo, stepped one by
    one; one core.
    """
    return pd.concat([_compare("CMaze", "c_maze"), _compare("SMaze", "s_maze")])


def _compare(name: str, layout: str) -> pd.DataFrame:
    batches = {
        f"{name}, batch of {n}": (_batch(f"sb3_vdb/{name}-v0", n), 200 * n) for n in (1, 100, 1000)
    }
    return compare_steps({**batches, f"{name}, MuJoCo": (_mujoco(layout, 2000), 2000)})


def _batch(env_id: str, n: int) -> Contender:
    mode = "vector_entry_point" if GYMNASIUM_1 else "custom"
    env = gym.make_vec(env_id, num_envs=n, vectorization_mode=mode)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (200, n, 2)).astype(np.float32) + np.array(
        [0.0, 0.4], np.float32
    )
    return lambda: timed(lambda: [env.step(each) for each in actions])


def _mujoco(layout: str, n_steps: int) -> Contender:
    maze = MujocoMaze(LAYOUTS[layout])
    forces = np.random.default_rng(0).uniform(-1, 1, (n_steps, 2)) + np.array([0.0, 0.4])

    def run() -> None:
        for i, force in enumerate(forces):
            if i % 100 == 0:
                maze.place(LAYOUTS[layout].start)
            maze.step(force)

    return lambda: timed(run)
