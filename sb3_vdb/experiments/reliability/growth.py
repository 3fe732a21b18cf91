"""Memory over a long run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from sb3_vdb.acting import RandomActions
from sb3_vdb.adversarial import VAIL
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.reliability.subjects import Quiet
from sb3_vdb.experiments.reliability.trials import Trial
from sb3_vdb.vec_env import make_vec_env

PART = "memory"
ENV_ID, N_ENVS, N_STEPS = "sb3_vdb/CMaze-v0", 100, 50
ALLOWED = 2.0  # MB in 100,000 steps of the second half: less than a thousandth of what they are


class ResidentSize(BaseCallback):
    """Notes the resident size of the process after every rollout.

    :param sizes: gets pairs of environment steps and MB
    """

    def __init__(self, sizes: list[tuple[int, float]]) -> None:
        super().__init__()
        self.sizes, self._process = sizes, psutil.Process()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.sizes.append((self.num_timesteps, self._process.memory_info().rss / 1e6))


def growth(n_steps: int) -> Iterator[Trial]:
    """Train for long and look at the resident size.

    :param n_steps: environment steps
    """
    sizes: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder, Quiet():
        venv = make_vec_env(ENV_ID, N_ENVS, seed=0)
        demonstrations = Demonstrations.from_rollouts(RandomActions(venv.action_space, 0), venv, 10)
        rollout = N_ENVS * N_STEPS
        model = PPO(
            "MlpPolicy", venv, n_steps=N_STEPS, batch_size=rollout // 2, n_epochs=1, device="cpu"
        )
        trainer = VAIL(
            demonstrations, venv, model, n_disc_updates_per_round=2, log_dir=Path(folder), seed=0
        )
        trainer.learn(max(4 * rollout, n_steps), callback=ResidentSize(sizes))
    steps, megabytes = np.array(sizes).T
    late = steps >= steps[-1] / 2
    slope = float(np.polyfit(steps[late], megabytes[late], 1)[0]) * 1e5
    outcome = (
        f"{megabytes[late][0]:.0f} MB at {steps[late][0]:,.0f} steps, {megabytes[-1]:.0f} MB at "
        f"{steps[-1]:,.0f}, {slope:.2f} MB more in 100,000"
    )
    yield Trial(PART, "VAIL with PPO in 100 mazes", slope < ALLOWED, outcome)
