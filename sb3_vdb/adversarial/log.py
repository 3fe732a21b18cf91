"""Where a trainer logs, and what it logs about a round."""

from __future__ import annotations

import warnings
import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger, make_output_format

from sb3_vdb.adversarial.discriminator_learner import DiscriminatorLearner
from sb3_vdb.adversarial.round_metrics import MeanCodeAccuracy, UpdateMetrics
from sb3_vdb.files import expanded
from sb3_vdb.reward_vec_env import RewardVecEnv


def log_to(gen_algo: BaseAlgorithm, folder: str, verbose: int, suffix: str) -> None:
    """Give a generator a logger of its own to csv and TensorBoard files.

    :param gen_algo: the generator
    :param folder: of the files
    :param verbose: 1 to print as well
    :param suffix: see :func:`make_logger`
    """
    if gen_algo.tensorboard_log is not None:
        warnings.warn(
            "`log_dir` takes the place of the generator's `tensorboard_log`, "
            f"{gen_algo.tensorboard_log}",
            stacklevel=4,
        )
    logger = make_logger(folder, max(verbose, gen_algo.verbose), suffix)
    gen_algo.set_logger(logger)
    weakref.finalize(gen_algo, logger.close)  # TensorBoard's writer is a thread of its own


def make_logger(folder: str, verbose: int, suffix: str = "") -> Logger:
    """Make a logger to csv and TensorBoard files in a folder, and to the terminal if ``verbose``.

    :param suffix: part of the csv's name, so that a run that goes on does not overwrite its past
    """
    folder = str(expanded(folder))
    Path(folder).mkdir(parents=True, exist_ok=True)
    _put_aside(Path(folder) / f"progress{suffix}.csv")
    formats = (["stdout"] if verbose else []) + ["csv", "tensorboard"]
    return Logger(folder, [make_output_format(each, folder, suffix) for each in formats])


def _put_aside(log: Path) -> None:
    """Rename the log of an earlier run, which a new one would overwrite: ``earlier_1_progress.csv``
    and so on. One without a line is left.
    """
    if not log.exists() or log.stat().st_size == 0:
        return
    number = 1
    while (aside := log.with_name(f"earlier_{number}_{log.name}")).exists():
        number += 1
    log.rename(aside)
    warnings.warn(
        f"{log.parent} holds the log of an earlier run, which is now {aside.name}; give each run a "
        "`log_dir` of its own",
        stacklevel=5,
    )


def record_means(logger: Logger, updates: UpdateMetrics) -> None:
    """Record the means over a round under ``discriminator/``.

    :param updates: metrics, each of shape (n_updates,)
    """
    for name, values in updates._asdict().items():
        logger.record(f"discriminator/{name}", float(values.mean()))


def record_round(logger: Logger, learner: DiscriminatorLearner, reward_venv: RewardVecEnv) -> None:
    """Record what stands at the end of a round.

    :param logger: the generator's
    :param learner: the discriminator's
    :param reward_venv: where episodes ended
    """
    if learner.dual is not None:
        logger.record("discriminator/beta", learner.dual.beta)
        logger.record("discriminator/information_limit", learner.dual.information_limit)
    logger.record("discriminator/learning_rate", learner.settings.disc_learning_rate)
    logger.record("discriminator/n_updates", learner.n_updates)
    if returns := reward_venv.pop_finished_returns():
        logger.record("rollout/ep_learned_rew_mean", float(np.mean(returns)))


def record_rewards(
    logger: Logger, rewards: th.Tensor, task_rewards: npt.NDArray[np.float32]
) -> None:
    """Record how the learned reward is distributed over the generator's states: whether it tells
    them apart is what the policy can learn from.

    Its rank correlation with the task's reward is for the reader alone; nothing is learned from the
    task's.

    :param rewards: of the round's transitions, not scaled, shape (batch,)
    :param task_rewards: of the same transitions
    """
    values = rewards.cpu().numpy()
    logger.record("reward/mean", float(values.mean()))
    logger.record("reward/std", float(rewards.std()))
    for name, value in zip(
        ("q10", "q50", "q90"), np.quantile(values, (0.1, 0.5, 0.9)), strict=True
    ):
        logger.record(f"reward/{name}", float(value))
    if task_rewards.min() < task_rewards.max() and values.min() < values.max():
        ranks = [pd.Series(each).rank() for each in (values, task_rewards)]
        logger.record("reward/task_rank_correlation", float(np.corrcoef(ranks)[0, 1]))


def record_mean_codes(logger: Logger, accuracy: MeanCodeAccuracy) -> None:
    """Record the share of samples that the discriminator tells rightly at the mean codes, by which
    rewards are paid; its accuracy on sampled codes is what the bottleneck holds down.
    """
    logger.record("discriminator/mean_code_acc_expert", accuracy.expert)
    logger.record("discriminator/mean_code_acc_gen", accuracy.generator)
