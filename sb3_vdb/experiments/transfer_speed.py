"""Speed of inverse RL in the mazes: discriminator updates recorded against autograd, TRPO through
the Jacobian against sb3-contrib's, whole rounds with both against neither.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from sb3_contrib import TRPO
from stable_baselines3.common.callbacks import BaseCallback

from sb3_vdb.adversarial import AdversarialTrainer
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.timing import Job, compare, time_calls, timed
from sb3_vdb.experiments.transfer.phases import make_trainer, train_expert
from sb3_vdb.experiments.transfer.policies import make_trpo
from sb3_vdb.experiments.transfer.settings import EPISODE_STEPS, preset
from sb3_vdb.trpo import FisherTRPO
from sb3_vdb.vec_env import make_vec_env

METHODS = ("AIRL", "VAIRL", "VAIRL-GP")
ROUNDS = 4


class _Nothing(BaseCallback):
    """Lets a rollout be collected outside ``learn``."""

    def __init__(self, model: FisherTRPO) -> None:
        super().__init__()
        self.init_callback(model)

    def _on_step(self) -> bool:
        return True


def bench_transfer() -> pd.DataFrame:
    """Everything with the numbers of the preset ``paper``; one core."""
    with tempfile.TemporaryDirectory() as folder:
        demonstrations = _demonstrations(Path(folder))
        tables = [_updates(method, demonstrations, Path(folder)) for method in METHODS]
        tables += [_iterations(n) for n in (100, 500)]
        tables.append(_rounds(demonstrations, Path(folder)))
    return pd.concat(tables)


def _demonstrations(folder: Path) -> Demonstrations:
    """Of somebody who has hardly begun to learn."""
    brief = preset("paper", "C").shortened(1e-3)
    train_expert(brief, 0, folder, lambda done, note: None)
    return Demonstrations.load(folder / "demonstrations.npz")


def _trainer(
    method: str, demonstrations: Demonstrations, folder: Path, recorded: bool
) -> AdversarialTrainer:
    trainer = make_trainer(method, preset("paper", "C"), demonstrations, 0, folder / "logs")
    trainer.rounds.learner.settings = replace(trainer.settings, trace_updates=recorded)
    return trainer


def _updates(method: str, demonstrations: Demonstrations, folder: Path) -> pd.DataFrame:
    """Discriminator updates of 32 + 32 samples, 100 a round."""
    jobs: dict[str, Job] = {}
    for name, recorded in (("recorded", True), ("autograd", False)):
        trainer = _trainer(method, demonstrations, folder, recorded)
        samples = trainer._encode(demonstrations.transitions())

        def work(trainer: AdversarialTrainer = trainer, samples: Any = samples) -> None:
            trainer.train_discriminator(samples)

        jobs[f"{method}, updates {name}"] = lambda work=work: timed(work)  # type: ignore[misc]
    n = preset("paper", "C").n_disc_updates_per_round
    return _rates(compare(jobs), n, "updates")


def _iterations(n_mazes: int) -> pd.DataFrame:
    """TRPO's update on a rollout, without collecting it."""
    jobs: dict[str, Job] = {}
    settings = replace(preset("paper", "S").retraining, mazes=n_mazes)
    for algorithm in (FisherTRPO, TRPO):
        model = make_trpo(make_vec_env("sb3_vdb/SMaze-v0", n_mazes, seed=0), settings, 0)
        model.learn(n_mazes * EPISODE_STEPS)
        name = "Jacobian" if algorithm is FisherTRPO else "sb3-contrib"
        if algorithm is TRPO:
            model.__class__ = TRPO  # type: ignore[assignment]
        model.collect_rollouts(model.env, _Nothing(model), model.rollout_buffer, EPISODE_STEPS)  # type: ignore[arg-type]
        next(model.rollout_buffer.get(None))  # into its flat form
        policy = copy.deepcopy(model.policy.state_dict())

        def work(model: FisherTRPO = model, policy: Any = policy) -> None:
            model.policy.load_state_dict(policy)  # the same update every time
            model.train()

        what = f"TRPO on {n_mazes * EPISODE_STEPS} steps, {name}"
        jobs[what] = lambda work=work: timed(work)  # type: ignore[misc]
    return _rates(compare(jobs), 1, "iterations")


def _rounds(demonstrations: Demonstrations, folder: Path) -> pd.DataFrame:
    """Rounds of VAIRL-GP: rollout, discriminator, TRPO."""
    jobs: dict[str, Job] = {}
    steps = ROUNDS * preset("paper", "C").irl.mazes * EPISODE_STEPS
    for name, fast in (("as it is", True), ("sb3-contrib's TRPO, autograd", False)):
        trainer = _trainer("VAIRL-GP", demonstrations, folder, fast)
        if not fast:
            trainer.gen_algo.__class__ = TRPO  # the same arguments; its products differ

        def work(trainer: AdversarialTrainer = trainer) -> None:
            trainer.learn(steps, reset_num_timesteps=False)

        what = f"VAIRL-GP, whole rounds, {name}"
        jobs[what] = lambda work=work: timed(work)  # type: ignore[misc]
    return _rates(compare(jobs), steps, "steps")


def bench_transfer_split() -> pd.DataFrame:
    """Where the time of a round of VAIRL-GP goes, with the numbers of the preset ``paper`` for the
    C-maze; one core.
    """
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer("VAIRL-GP", _demonstrations(Path(folder)), Path(folder), recorded=True)
        model = trainer.gen_algo
        steps = ROUNDS * trainer.gen_train_timesteps
        trainer.learn(steps)
        time_calls(model, "train", "TRPO's update", spent)
        time_calls(trainer, "train_discriminator", "100 updates of the discriminator", spent)
        time_calls(trainer, "finish_round", "after the rollout", spent)
        time_calls(model.policy, "forward", "policy in the rollout", spent)
        time_calls(trainer.venv, "step_wait", "environments in the rollout", spent)
        total = timed(lambda: trainer.learn(steps, reset_num_timesteps=False))
    after = spent.pop("after the rollout")
    spent["reward, statistics, normaliser"] = after - spent["100 updates of the discriminator"]
    spent["buffers, logs, the rest"] = total - sum(spent.values())
    return pd.DataFrame(
        {
            "part of a round": list(spent),
            "share": [f"{100 * value / total:.0f} %" for value in spent.values()],
            "ms": [round(1000 * value / ROUNDS, 1) for value in spent.values()],
            "steps_per_s": round(steps / total),
        }
    )


def _rates(table: pd.DataFrame, n: int, unit: str) -> pd.DataFrame:
    """How many units a second, and how many times the yardstick's."""
    table["per_second"] = (n / table["seconds"]).round(1)
    table["unit"] = unit
    table["times_faster"] = (1.0 / table["ratio"]).round(2)
    return table[["what", "per_second", "unit", "times_faster", "against"]]
