"""How fast pixels come: our batches beside dm_control's own renderer and beside processes."""

from __future__ import annotations

import importlib
import os
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd

from sb3_vdb.experiments.timing import Job, compare, timed
from sb3_vdb.vec_env import make_vec_env

TASK = "WalkerWalk"
STEPS = 240  # control steps of a timed job, over all environments
SLOW_STEPS = 24  # of one that is sixty times slower
REPEATS = 3


def bench_pixels() -> pd.DataFrame:
    """Pixel steps a second (two physics frames and one picture of 64 x 64 each), on all cores; the
    yardstick is dm_control's environment with its own renderer.
    """
    _load_dm_control_with_its_renderer()
    jobs: dict[str, Job] = {}
    steps: dict[str, int] = {}
    for preset in ("fast", "shadow"):
        key = f"one environment, preset {preset}"
        jobs[key], steps[key] = _single_job(preset, STEPS), STEPS
    for n in (4, 16):
        key = f"batch of {n}, threads"
        jobs[key], steps[key] = _batch_job(n), STEPS
        key = f"{n} processes (gymnasium's AsyncVectorEnv)"
        jobs[key], steps[key] = _process_job(n), STEPS
    key = "one environment, preset default"
    jobs[key], steps[key] = _single_job("default", SLOW_STEPS), SLOW_STEPS
    key = "dm_control and its renderer"
    jobs[key], steps[key] = _dm_control_job(), SLOW_STEPS
    table = compare(jobs, REPEATS)
    table["steps_per_s"] = [
        round(steps[what] / seconds)
        for what, seconds in zip(table["what"], table["seconds"], strict=True)
    ]
    table["times_faster"] = (table["steps_per_s"] / table["steps_per_s"].iloc[-1]).round(1)
    return table[["what", "steps_per_s", "times_faster", "against"]]


def _load_dm_control_with_its_renderer() -> None:
    """Our environments import it without; whoever imports it first decides."""
    os.environ.setdefault("LP_NUM_THREADS", "0")
    before = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = before or "egl"
    importlib.import_module("dm_control.suite")
    if before is None:
        del os.environ["MUJOCO_GL"]


def _actions(n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).uniform(-1, 1, (n, 6)).astype(np.float32)


def _single_job(preset: str, n_steps: int) -> Job:
    env = gym.make(f"sb3_vdb/{TASK}Pixels-v0", preset=preset)
    env.reset(seed=0)
    actions = _actions(n_steps)
    return lambda: timed(lambda: _play(env, actions))


def _play(env: gym.Env[Any, Any], actions: Any) -> None:
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()


def _batch_job(n: int) -> Job:
    venv = make_vec_env(f"sb3_vdb/{TASK}Pixels-v0", n, seed=0)
    venv.reset()
    actions = _actions(n)
    return lambda: timed(lambda: [venv.step(actions) for _ in range(STEPS // n)])


def _process_job(n: int) -> Job:
    make = partial(gym.make, f"sb3_vdb:sb3_vdb/{TASK}Pixels-v0")
    env = gym.vector.AsyncVectorEnv([make] * n, context="spawn")
    env.reset(seed=0)
    actions = _actions(n)
    return lambda: timed(lambda: [env.step(actions) for _ in range(STEPS // n)])


def _dm_control_job() -> Job:
    env: Any = gym.make(f"sb3_vdb/{TASK}State-v0", action_repeat=2)
    env.reset(seed=0)
    physics, actions = env.unwrapped.physics, _actions(SLOW_STEPS)

    def play() -> None:
        for action in actions:
            env.step(action)
            physics.render(64, 64, camera_id=0)

    return lambda: timed(play)
