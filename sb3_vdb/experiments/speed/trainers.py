"""Speed of adversarial trainers against the PPO that they train."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env

from sb3_vdb.adversarial import GAIL, VAIL
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.speed.timing import Contender, compare, timed

ENV_ID, N_ENVS = "Pendulum-v1", 8
TOTAL_STEPS = 4 * N_ENVS * 256


class Generator(NamedTuple):
    """A PPO generator and the discriminator's work after each of its rollouts, for the comparisons.

    :param name: for the table
    :param n_steps: steps of a rollout in each of :data:`N_ENVS` environments
    :param batch_size: PPO's minibatch
    :param n_epochs: PPO's epochs
    :param n_disc_updates: discriminator updates a round
    :param demo_batch_size: expert samples in an update
    """

    name: str
    n_steps: int
    batch_size: int
    n_epochs: int
    n_disc_updates: int
    demo_batch_size: int

    def ppo(self) -> PPO:
        """Make PPO with fresh environments."""
        venv = make_sb3_vec_env(ENV_ID, N_ENVS, seed=0)
        return PPO(
            "MlpPolicy",
            venv,
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            seed=0,
            device="cpu",
        )

    def plain(self) -> float:
        """Train PPO alone; return the seconds."""
        model = self.ppo()
        return timed(lambda: model.learn(TOTAL_STEPS))

    def trainer(self, algorithm: type[GAIL], demonstrations: Demonstrations, **kwargs: Any) -> GAIL:
        """Make a fresh trainer of ours."""
        model = self.ppo()
        assert model.env is not None
        return algorithm(
            demonstrations,
            model.env,
            model,
            demo_batch_size=self.demo_batch_size,
            n_disc_updates_per_round=self.n_disc_updates,
            device="cpu",
            **kwargs,
        )


# one discriminator epoch: as many updates as show it every generator sample once
ONE_EPOCH = Generator("SB3's PPO defaults", 256, 64, 10, 8, 256)


def demonstrations() -> Demonstrations:
    """Record episodes of an untrained policy, enough to measure speed."""
    model = ONE_EPOCH.ppo()
    assert model.env is not None
    return Demonstrations.from_rollouts(model, model.env, 2 * N_ENVS)


def bench_trainers() -> pd.DataFrame:
    """Measure the training time of GAIL and VAIL on PPO against plain PPO for the same steps, with
    one discriminator epoch a rollout.
    """
    expert = demonstrations()

    def adversarial(algorithm: type[GAIL], **kwargs: Any) -> Contender:
        def run() -> float:
            trainer = ONE_EPOCH.trainer(algorithm, expert, **kwargs)
            return timed(lambda: trainer.learn(TOTAL_STEPS))

        return run

    return compare(
        {
            "VAIL-GP on PPO": adversarial(VAIL, grad_penalty_coef=1.0),
            "VAIL on PPO": adversarial(VAIL),
            "VAIL on PPO, paid step by step": adversarial(VAIL, relabel=False),
            "GAIL on PPO": adversarial(GAIL),
            "PPO": ONE_EPOCH.plain,
        }
    )
