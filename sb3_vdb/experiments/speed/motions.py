"""Speed of learning a motion from a clip against learning it from DeepMimic's reward."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sb3_vdb.experiments.humanoid.training import MocapSettings
from sb3_vdb.experiments.motion_imitation.training import MotionRun, make_learner
from sb3_vdb.experiments.speed.timing import Contender, compare, timed

METHODS = {
    "VAIL on differences": "VAIL-difference",
    "GAIL on differences": "GAIL-difference",
    "VAIL-GP on states, phase-functioned": "VAIL-GP",
    "VAIL-GP on states": "VAIL-GP, phase as input",
    "DeepMimic's reward": "DeepMimic",
}
N_ROUNDS = 6


def bench_motions() -> pd.DataFrame:
    """Measure rounds of 2,048 samples, one thread, with tracing and the first round left out."""

    def contender(method: str) -> Contender:
        settings = MocapSettings()
        run = MotionRun(Path("none"), "Run", 0, settings, method)
        learner = make_learner(run, run.make(settings.n_envs, 0))
        a_round = settings.n_envs * settings.n_steps
        learner.learn(a_round)

        def rounds() -> float:
            return timed(lambda: learner.learn(N_ROUNDS * a_round, reset_num_timesteps=False))

        return rounds

    return compare({name: contender(method) for name, method in METHODS.items()})
