"""How fast races come: our pictures against those of Gymnasium's own CarRacing, reduced."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from PIL import Image

from sb3_vdb.experiments.speed.timing import Contender, compare_steps, timed
from sb3_vdb_envs.vector import GYMNASIUM_1

STEPS = 400  # frames of a contender
SLOW_STEPS = 40  # of one that is many times slower
REPEATS = 3
STRAIGHT_ON = 0.2  # gas, from 0 to 1


def bench_racing() -> pd.DataFrame:
    """Measure frames a second with a picture of 64 x 64 for each, or for every second one; the
    yardstick is Gymnasium's environment, whose pictures of 96 x 96 are reduced by Pillow.
    """
    pixels, state = "sb3_vdb/CarRacingPixels-v0", "sb3_vdb/CarRacingState-v0"
    return compare_steps(
        {
            "pixels, action repeat 2": (_ours(pixels, 2), STEPS),
            "pixels, action repeat 1": (_ours(pixels, 1), STEPS),
            "state, action repeat 2": (_ours(state, 2), STEPS),
            "Gymnasium's CarRacing, reduced": (_theirs(), SLOW_STEPS),
        },
        REPEATS,
    )


def _ours(env_id: str, action_repeat: int) -> Contender:
    env = gym.make(env_id, action_repeat=action_repeat)
    action = np.array([0.0, 2.0 * STRAIGHT_ON - 1.0, -1.0], dtype=np.float32)
    return lambda: timed(lambda: _play(env, action, STEPS // action_repeat))


def _theirs() -> Contender:
    env = gym.make("CarRacing-v3" if GYMNASIUM_1 else "CarRacing-v2")
    action = np.array([0.0, STRAIGHT_ON, 0.0])
    return lambda: timed(lambda: _play(env, action, SLOW_STEPS, reduced=True))


def _play(env: gym.Env[Any, Any], action: Any, n_steps: int, reduced: bool = False) -> None:
    env.reset(seed=0)
    for _ in range(n_steps):
        picture, _, terminated, truncated, _ = env.step(action)
        if reduced:
            np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR))
        if terminated or truncated:
            env.reset()
