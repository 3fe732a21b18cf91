"""How fast the humanoid is: batched MuJoCo against Bullet, and SB3's PPO on top of it."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pandas as pd
import torch as th

from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.experiments.speed.timing import Contender, compare_steps, shares, time_calls, timed
from sb3_vdb.vec_env import GYMNASIUM_1, make_vec_env

SKILL = "Run"
ACTION_STD = 0.06  # in units of the action, about 0.2 rad
N_STEPS = 30  # control steps of a contender
BATCHES = ((64, 240), (256, 240), (256, 1200))  # characters, physics steps a second
REPEATS = 3
PPO_ENVS, PPO_STEPS = 256, 16


def bench_humanoid() -> pd.DataFrame:
    """Measure control steps a second, observation, reward and restarts included, on all cores for
    MuJoCo and on one for Bullet, which has no threads; then samples a second of training with
    512-256 networks, one torch thread.
    """
    batches = {
        f"MuJoCo, batch of {n}, 1/{rate} s": (_batch(n, 1 / rate), n * N_STEPS)
        for n, rate in BATCHES
    }
    training = f"DeepMimicPPO on MuJoCo, {PPO_ENVS} x {PPO_STEPS}, 1/240 s"
    others = {
        training: (_training(), 2 * PPO_ENVS * PPO_STEPS),
        "Bullet, 1/1200 s": (_bullet(), 2 * N_STEPS),
    }
    return compare_steps({**batches, **others}, REPEATS)


def _actions(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(0, ACTION_STD, (*shape, 28)).astype(np.float32)


def _batch(n: int, timestep: float) -> Contender:
    mode = "vector_entry_point" if GYMNASIUM_1 else "custom"
    kwargs = {"timestep": timestep}
    arguments = kwargs if GYMNASIUM_1 else {"vector_kwargs": kwargs}
    env = gym.make_vec(
        f"sb3_vdb/Humanoid{SKILL}-v0", num_envs=n, vectorization_mode=mode, **arguments
    )
    env.reset(seed=0)
    actions = _actions(N_STEPS, n)
    return lambda: timed(lambda: [env.step(each) for each in actions])


def _bullet() -> Contender:
    env = gym.make(f"sb3_vdb/BulletHumanoid{SKILL}-v0")
    env.reset(seed=0)
    actions = _actions(2 * N_STEPS)

    def play() -> None:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return lambda: timed(play)


def _training() -> Contender:
    venv = make_vec_env(f"sb3_vdb/Humanoid{SKILL}-v0", PPO_ENVS, seed=0)
    model = DeepMimicPPO(env=venv, n_steps=PPO_STEPS, action_std=ACTION_STD, seed=0, device="cpu")
    return lambda: timed(lambda: model.learn(2 * PPO_ENVS * PPO_STEPS))


def bench_humanoid_split() -> pd.DataFrame:
    """Measure where a training iteration's time goes, with one and with two torch threads."""
    threads = th.get_num_threads()
    try:
        return pd.concat([_split(count) for count in (1, 2)])
    finally:
        th.set_num_threads(threads)


def _split(torch_threads: int) -> pd.DataFrame:
    """Return the shares of one training's time."""
    th.set_num_threads(torch_threads)
    venv = make_vec_env(f"sb3_vdb/Humanoid{SKILL}-v0", PPO_ENVS, seed=0)
    model = DeepMimicPPO(env=venv, n_steps=PPO_STEPS, action_std=ACTION_STD, seed=0, device="cpu")
    model.learn(PPO_ENVS * PPO_STEPS)
    spent: dict[str, float] = {}

    batch = venv.get_attr("batch")[0]
    time_calls(batch.simulator, "step", "physics", spent)
    time_calls(batch, "step", "environment step", spent)
    time_calls(model.policy, "forward", "policy in the rollout", spent)
    time_calls(model, "train", "learning: 5 epochs", spent)
    total = timed(lambda: model.learn(4 * PPO_ENVS * PPO_STEPS))
    spent["observation, reward, termination"] = spent.pop("environment step") - spent["physics"]
    spent["restarts, buffer, the rest"] = total - sum(spent.values())
    return pd.DataFrame(
        {
            "torch threads": torch_threads,
            "part": list(spent),
            "share": shares(spent, total),
            "samples_per_s": round(4 * PPO_ENVS * PPO_STEPS / total),
        }
    )
