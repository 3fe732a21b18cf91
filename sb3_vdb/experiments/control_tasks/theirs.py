"""GAIL of ``imitation`` on the same demonstrations, with the settings of its own example."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env

from sb3_vdb.evaluation.returns import evaluate_returns
from sb3_vdb.experiments.control_tasks.runs import ControlRun
from sb3_vdb.experiments.control_tasks.settings import TASKS
from sb3_vdb.experiments.framework.evaluations import EvaluationLog
from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.framework.run import has_result, write_result
from sb3_vdb.experiments.training.run import EVALUATION_SEED, EVALUATIONS, SEED_STRIDE

# of the example of GAIL in imitation's documentation
PPO_ARGUMENTS: dict[str, Any] = {
    "batch_size": 64,
    "ent_coef": 0.0,
    "learning_rate": 0.0004,
    "gamma": 0.95,
    "n_epochs": 5,
}
DEMO_BATCH_SIZE, REPLAY_CAPACITY, N_DISC_UPDATES = 1024, 512, 8


def train_theirs(run: ControlRun, report: Report) -> None:
    """Train, with the same evaluations as our own trainers; a run that was stopped begins anew.

    :param run: what to train and where
    :param report: told how far it is
    :raises ImportError: ``imitation`` is not installed
    """
    if has_result(run.folder):
        return
    run.note_versions()
    settings, env_id = run.settings, TASKS[run.task].old_env_id
    venv = make_sb3_vec_env(env_id, settings.n_envs, seed=SEED_STRIDE * run.seed)
    tested = make_sb3_vec_env(env_id, min(settings.n_episodes, 10))
    trainer, model = _trainer(run, venv)
    log = EvaluationLog(run.folder / EVALUATIONS, "steps", -1)
    every = settings.steps // settings.n_evaluations

    def evaluate(_: int) -> None:
        done = model.num_timesteps
        if log.last is not None and done < min(log.last["steps"] + every, settings.steps):
            return
        log.stop()
        tested.seed(EVALUATION_SEED + run.seed)
        result = evaluate_returns(model, tested, settings.n_episodes)
        figures = {"mean": result.mean, "std": result.std, "length": float(result.lengths.mean())}
        log.add(done, **{"return": result.interquartile_mean}, **figures)
        report(done, f"return {result.interquartile_mean:.4g}")
        log.start()

    evaluate(0)
    trainer.train(settings.steps, callback=evaluate)
    write_result(run.folder, {"return": log.rows[-1]["return"]})
    for each in (venv, tested):
        each.close()


def _trainer(run: ControlRun, venv: Any) -> tuple[Any, PPO]:
    """Make ``imitation``'s trainer."""
    from imitation.algorithms.adversarial.gail import GAIL
    from imitation.data.types import TrajectoryWithRew
    from imitation.rewards.reward_nets import BasicRewardNet
    from imitation.util import logger as imitation_logger
    from imitation.util.networks import RunningNorm

    theirs = [
        TrajectoryWithRew(
            obs=each.observations,
            acts=np.asarray(each.actions),
            infos=None,
            terminal=each.terminal,
            rews=np.asarray(each.rewards, dtype=float),
        )
        for each in run.demonstrations()
    ]
    model = PPO("MlpPolicy", venv, seed=run.seed, device="cpu", n_steps=256, **PPO_ARGUMENTS)
    net = BasicRewardNet(
        venv.observation_space, venv.action_space, normalize_input_layer=RunningNorm
    )
    trainer = GAIL(
        demonstrations=theirs,
        # with fewer samples than a batch its loader goes round for ever
        demo_batch_size=min(DEMO_BATCH_SIZE, run.demonstrations().n_steps),
        gen_replay_buffer_capacity=REPLAY_CAPACITY,
        n_disc_updates_per_round=N_DISC_UPDATES,
        venv=venv,
        gen_algo=model,
        reward_net=net,
        allow_variable_horizon=True,
        custom_logger=imitation_logger.configure(str(run.folder / "log"), format_strs=[]),
    )
    return trainer, model
