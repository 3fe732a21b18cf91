"""Speed of inverse RL in the mazes: discriminator updates traced against autograd, TRPO through
the Jacobian against sb3-contrib's, whole rounds with both against neither.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from sb3_contrib import TRPO
from stable_baselines3.common.callbacks import CallbackList

from sb3_vdb.adversarial import AdversarialTrainer
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.maze_transfer.phases import make_trainer, train_expert
from sb3_vdb.experiments.maze_transfer.policies import make_trpo
from sb3_vdb.experiments.maze_transfer.presets import preset
from sb3_vdb.experiments.maze_transfer.settings import EPISODE_STEPS
from sb3_vdb.experiments.speed.timing import (
    Contender,
    compare,
    shares,
    time_calls,
    timed,
    units_per_second,
)
from sb3_vdb.trpo import FisherTRPO
from sb3_vdb.vec_env import make_vec_env

COMPARED_METHODS = ("AIRL", "VAIRL", "VAIRL-GP")
ROUNDS = 4


def bench_transfer() -> pd.DataFrame:
    """Measure everything with the numbers of the preset ``paper``; one core."""
    with tempfile.TemporaryDirectory() as folder:
        demonstrations = _demonstrations(Path(folder))
        tables = [_updates(method, demonstrations, Path(folder)) for method in COMPARED_METHODS]
        tables += [_iterations(n) for n in (100, 500)]
        tables.append(_rounds(demonstrations, Path(folder)))
    return pd.concat(tables)


def _demonstrations(folder: Path) -> Demonstrations:
    """Record somebody who has hardly begun to learn."""
    brief = preset("paper", "C").shortened(1e-3)
    train_expert(brief, 0, folder, lambda done, note: None)
    return Demonstrations.load(folder / "demonstrations.npz")


def _trainer(
    method: str,
    demonstrations: Demonstrations,
    folder: Path,
    traced: bool = True,
    generator: type[TRPO] = FisherTRPO,
) -> AdversarialTrainer:
    settings = preset("paper", "C")
    trainer = make_trainer(method, settings, demonstrations, 0, folder / "logs", generator)
    trainer.rounds.learner.settings = replace(trainer.settings, trace_updates=traced)
    return trainer


def _contender(work: Callable[[], object]) -> Contender:
    return lambda: timed(work)


def _updates(method: str, demonstrations: Demonstrations, folder: Path) -> pd.DataFrame:
    """Measure discriminator updates of 32 + 32 samples, 100 a round."""
    contenders: dict[str, Contender] = {}
    for name, traced in (("traced", True), ("autograd", False)):
        trainer = _trainer(method, demonstrations, folder, traced)
        samples = trainer.rounds.encode(demonstrations.transitions())
        work = partial(trainer.rounds.train_discriminator, samples)
        contenders[f"{method}, updates {name}"] = _contender(work)
    n = preset("paper", "C").n_disc_updates_per_round
    return units_per_second(compare(contenders), n, "updates")


def _iterations(n_mazes: int) -> pd.DataFrame:
    """Measure TRPO's update on a rollout, without collecting it."""
    contenders: dict[str, Contender] = {}
    settings = replace(preset("paper", "S").retraining, mazes=n_mazes)
    for name, algorithm in (("Jacobian", FisherTRPO), ("sb3-contrib", TRPO)):
        venv = make_vec_env("sb3_vdb/SMaze-v0", n_mazes, seed=0)
        model: Any = make_trpo(venv, settings, 0, algorithm)
        model.learn(n_mazes * EPISODE_STEPS)
        nothing = CallbackList([])
        nothing.init_callback(model)
        model.collect_rollouts(model.env, nothing, model.rollout_buffer, EPISODE_STEPS)
        next(model.rollout_buffer.get(None))  # into its flat form
        work = partial(_update, model, copy.deepcopy(model.policy.state_dict()))
        contenders[f"TRPO on {n_mazes * EPISODE_STEPS} steps, {name}"] = _contender(work)
    return units_per_second(compare(contenders), 1, "iterations")


def _update(model: TRPO, policy: dict[str, Any]) -> None:
    """Do the same update every time."""
    model.policy.load_state_dict(policy)
    model.train()


def _rounds(demonstrations: Demonstrations, folder: Path) -> pd.DataFrame:
    """Measure rounds of VAIRL-GP: rollout, discriminator, TRPO."""
    ours = _trainer("VAIRL-GP", demonstrations, folder)
    theirs = _trainer("VAIRL-GP", demonstrations, folder, traced=False, generator=TRPO)
    steps = ROUNDS * ours.gen_train_timesteps
    contenders = {
        f"VAIRL-GP, whole rounds, {name}": _contender(
            partial(trainer.learn, steps, reset_num_timesteps=False)
        )
        for name, trainer in (("as it is", ours), ("sb3-contrib's TRPO, autograd", theirs))
    }
    return units_per_second(compare(contenders), steps, "steps")


def bench_transfer_split() -> pd.DataFrame:
    """Measure where the time of a round of VAIRL-GP goes, with the numbers of the preset ``paper``
    for the C-maze; one core.
    """
    spent: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer("VAIRL-GP", _demonstrations(Path(folder)), Path(folder))
        model = trainer.gen_algo
        steps = ROUNDS * trainer.gen_train_timesteps
        trainer.learn(steps)
        time_calls(model, "train", "TRPO's update", spent)
        time_calls(trainer.rounds, "train_discriminator", "100 updates of the discriminator", spent)
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
            "share": shares(spent, total),
            "ms": [round(1000 * value / ROUNDS, 1) for value in spent.values()],
            "steps_per_s": round(steps / total),
        }
    )
