"""How fast pixels come: our batches against dm_control's own renderer and against processes."""

from __future__ import annotations

import importlib
import os
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd

from sb3_vdb.experiments.speed.timing import Contender, compare_steps, timed
from sb3_vdb.vec_env import make_vec_env

TASK = "WalkerWalk"
STEPS = 240  # control steps of a contender, over all environments
SLOW_STEPS = 24  # of one that is sixty times slower
REPEATS = 3


def bench_pixels() -> pd.DataFrame:
    """Measure pixel steps a second (two physics frames and one picture of 64 x 64 each), on all
    cores; the yardstick is dm_control's environment with its own renderer.
    """
    _load_dm_control_with_its_renderer()
    contenders: dict[str, tuple[Contender, int]] = {}
    for preset in ("fast", "shadow"):
        contenders[f"one environment, preset {preset}"] = _single(preset, STEPS), STEPS
    for n in (4, 16):
        contenders[f"batch of {n}, threads"] = _batch(n), STEPS
        contenders[f"{n} processes (gymnasium's AsyncVectorEnv)"] = _process(n), STEPS
    slow = _single("default", SLOW_STEPS)
    contenders["one environment, preset default"] = slow, SLOW_STEPS
    contenders["dm_control and its renderer"] = _dm_control(), SLOW_STEPS
    return compare_steps(contenders, REPEATS)


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


def _single(preset: str, n_steps: int) -> Contender:
    env = gym.make(f"sb3_vdb/{TASK}Pixels-v0", preset=preset)
    env.reset(seed=0)
    actions = _actions(n_steps)
    return lambda: timed(lambda: _play(env, actions))


def _play(env: gym.Env[Any, Any], actions: Any) -> None:
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()


def _batch(n: int) -> Contender:
    venv = make_vec_env(f"sb3_vdb/{TASK}Pixels-v0", n, seed=0)
    venv.reset()
    actions = _actions(n)
    return lambda: timed(lambda: [venv.step(actions) for _ in range(STEPS // n)])


def _process(n: int) -> Contender:
    make = partial(gym.make, f"sb3_vdb:sb3_vdb/{TASK}Pixels-v0")
    env = gym.vector.AsyncVectorEnv([make] * n, context="spawn")
    env.reset(seed=0)
    actions = _actions(n)
    return lambda: timed(lambda: [env.step(actions) for _ in range(STEPS // n)])


def _dm_control() -> Contender:
    env: Any = gym.make(f"sb3_vdb/{TASK}State-v0", action_repeat=2)
    env.reset(seed=0)
    physics, actions = env.unwrapped.physics, _actions(SLOW_STEPS)

    def play() -> None:
        for action in actions:
            env.step(action)
            physics.render(64, 64, camera_id=0)

    return lambda: timed(play)
