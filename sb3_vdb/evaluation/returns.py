"""Returns of a policy over whole episodes, by the task's reward and by a learned one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from stable_baselines3.common.type_aliases import GymEnv

from sb3_vdb.acting import Predictor
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.demonstrations.rollouts import collect_episodes
from sb3_vdb.evaluation.intervals import bootstrap_interval, interquartile_mean
from sb3_vdb.reward_vec_env import RewardFunction
from sb3_vdb.vec_env import as_vec_env


@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """The episodes of an evaluation, with their returns and lengths.

    :param returns: undiscounted task returns, shape (n_episodes,)
    :param learned_returns: sums of the learned reward, shape (n_episodes,); None if there is none
    :param lengths: steps, shape (n_episodes,)
    :param successes: ``info["is_success"]`` of the last steps, shape (n_episodes,); None if the
        task does not say
    :param episodes: the episodes themselves
    """

    returns: npt.NDArray[np.float64]
    learned_returns: npt.NDArray[np.float64] | None
    lengths: npt.NDArray[np.int64]
    successes: npt.NDArray[np.bool_] | None
    episodes: Demonstrations

    def __repr__(self) -> str:
        success = self.success_rate
        shown = "" if success is None else f", success rate {success:.2f}"
        return (
            f"EvaluationResult({self.mean:.2f} +- {self.std:.2f} over {len(self.returns)}{shown})"
        )

    @property
    def mean(self) -> float:
        """Mean task return."""
        return float(self.returns.mean())

    @property
    def std(self) -> float:
        """Standard deviation of the task returns."""
        return float(self.returns.std())

    @property
    def success_rate(self) -> float | None:
        """Share of episodes that ended in success."""
        return None if self.successes is None else float(self.successes.mean())

    @property
    def interquartile_mean(self) -> float:
        """Mean of the middle half of the task returns."""
        return float(interquartile_mean(self.returns))

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % bootstrap interval of the interquartile mean; None for a single episode."""
        return bootstrap_interval(self.returns)

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row an episode."""
        columns: dict[str, Any] = {
            "episode": np.arange(len(self.returns)),
            "return": self.returns,
            "length": self.lengths,
        }
        if self.learned_returns is not None:
            columns["learned_return"] = self.learned_returns
        if self.successes is not None:
            columns["success"] = self.successes
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """Say the interquartile mean with its interval, and the share of successes."""
        interval, success = self.interval, self.success_rate
        ends = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
        shown = "" if success is None else f"; success rate {success:.2f}"
        return (
            f"interquartile mean of {len(self.returns)} returns {self.interquartile_mean:.2f}{ends}"
            f"{' (95 % bootstrap interval)' if ends else ''}{shown}"
        )

    @property
    def learned_mean(self) -> float | None:
        """Mean learned return."""
        return None if self.learned_returns is None else float(self.learned_returns.mean())


def evaluate_returns(
    model: Predictor,
    venv: GymEnv,
    n_eval_episodes: int,
    deterministic: bool = True,
    reward: RewardFunction | None = None,
) -> EvaluationResult:
    """Run whole episodes and sum their rewards.

    :param model: whatever has SB3's ``predict``
    :param venv: environments that pay the task's reward, wrapped as in the policy's training; or
        one of Gymnasium's
    :param n_eval_episodes: number of episodes
    :param deterministic: whether the policy acts without noise
    :param reward: learned reward to sum beside the task's
    :raises ValueError: the environments pay a learned reward, see :func:`sb3_vdb.acting.steps`
    """
    episodes = collect_episodes(model, as_vec_env(venv), n_eval_episodes, deterministic)
    demonstrations = Demonstrations(episode.trajectory for episode in episodes)
    lengths = np.array([len(trajectory) for trajectory in demonstrations])
    learned = None
    if reward is not None:
        paid = reward(demonstrations.transitions()).astype(np.float64)
        learned = np.add.reduceat(paid, np.concatenate([[0], np.cumsum(lengths)[:-1]]))
    known = all("is_success" in episode.info for episode in episodes)
    successes = (
        np.array([bool(episode.info["is_success"]) for episode in episodes]) if known else None
    )
    returns = demonstrations.returns
    assert returns is not None
    return EvaluationResult(returns, learned, lengths, successes, demonstrations)
