"""Choosing among the policies of a run without knowing the task's reward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.files import expanded, write_text
from sb3_vdb.vmail.inspection import expert_likeness, rows_of
from sb3_vdb.vmail.vmail import VMAIL

BEST_MODEL, BEST_EPISODES, HISTORY = "best_model.zip", "best_episodes.npz", "history.csv"


class DiscriminatorEvalCallback(BaseCallback):
    """Keeps the policy whose episodes the discriminator finds most like the expert's.

    SB3's ``EvalCallback`` keeps the policy with the highest return, which who imitates does not
    know. This one plays episodes with ``predict`` and goes by D(z, a), averaged along each. The
    best episodes so far are judged anew every time, so that old and new ones meet the same world
    model and the same discriminator. Returns are noted in ``history.csv`` for reports, and decide
    nothing. A run that goes on (``reset_num_timesteps=False``) keeps the best of its folder.

    Averages say nothing about length: where episodes end early in failure, the likeness of a short
    one is that of its few steps.

    :param eval_env: where episodes are played, like the environment of training
    :param best_model_save_path: folder of ``best_model.zip``, ``best_episodes.npz`` and
        ``history.csv``
    :param n_eval_episodes: episodes of an evaluation
    :param eval_freq: decisions between two evaluations, which happen before a training phase and
        at the end of ``learn``
    :param first: decisions before the first one
    :param verbose: 1 to print every evaluation
    :raises ValueError: a number is out of range
    """

    def __init__(
        self,
        eval_env: VecEnv,
        best_model_save_path: str | Path,
        n_eval_episodes: int = 5,
        eval_freq: int = 10_000,
        first: int = 0,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        if n_eval_episodes < 1:
            raise ValueError(f"`n_eval_episodes` must be at least 1, got {n_eval_episodes}")
        if eval_freq < 1:
            raise ValueError(f"`eval_freq` must be at least 1 decision, got {eval_freq}")
        if first < 0:
            raise ValueError(f"`first` must not be negative (decisions), got {first}")
        self.eval_env, self.folder = eval_env, expanded(best_model_save_path)
        self.n_eval_episodes, self.eval_freq, self.first = n_eval_episodes, eval_freq, first
        self.best: Demonstrations | None = None
        self.history: list[dict[str, Any]] = []

    @property
    def best_model_path(self) -> Path:
        """Return the file of the best policy so far."""
        return self.folder / BEST_MODEL

    def _init_callback(self) -> None:
        if not isinstance(self.model, VMAIL):
            raise ValueError(
                f"{type(self).__name__} is for VMAIL and VDAC, got {type(self.model).__name__}; "
                "use EvalCallback"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.best, self.history = None, []
        if self.model.num_timesteps > 0 and (self.folder / HISTORY).exists():
            self.best = Demonstrations.load(self.folder / BEST_EPISODES)
            rows: list[Any] = pd.read_csv(self.folder / HISTORY).to_dict("records")
            reached = self.model.num_timesteps
            self.history = [row for row in rows if row["timesteps"] <= reached]

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        last = self.history[-1]["timesteps"] if self.history else self.first - self.eval_freq
        if self.model.num_timesteps >= max(self.first, last + self.eval_freq):
            self._evaluate()

    def _on_training_end(self) -> None:
        judged = self.history[-1]["updates"] if self.history else -1
        if self.model.num_timesteps >= self.first and self.model._n_updates > judged:
            self._evaluate()

    def _evaluate(self) -> None:
        """Play episodes, and keep the policy if they are judged better than the best so far."""
        played = Demonstrations.from_rollouts(
            self.model, self.eval_env, self.n_eval_episodes, deterministic=True
        )
        likeness = self._judge(played)
        best = -1.0 if self.best is None else self._judge(self.best)
        is_chosen = likeness >= best  # a run that goes on makes its best policy again
        if is_chosen:
            self.best = played
            self.model.save(self.best_model_path)
            played.save(self.folder / BEST_EPISODES)
        row = {
            "timesteps": self.model.num_timesteps,
            "updates": self.model._n_updates,
            "likeness": round(likeness, 4),
            "best_before": round(best, 4),
            "chosen": is_chosen,
            "frames": played.n_steps * (played[0].action_repeat or 1),
            "return": float("nan") if played.returns is None else played.returns.mean().round(2),
        }
        self.history.append(row)
        write_text(self.folder / HISTORY, pd.DataFrame(self.history).to_csv(index=False))
        self.logger.record("eval/expert_likeness", likeness)
        if self.verbose > 0:
            print(f"Expert likeness {likeness:.3f}, of the best policy before {best:.3f}")

    def _judge(self, episodes: Demonstrations) -> float:
        """Average the mean of D along each episode over them, by the model as it is now."""
        model = self.model
        assert isinstance(model, VMAIL)
        likenesses = [expert_likeness(model, rows_of(model, episode)) for episode in episodes]
        return sum(likenesses) / len(likenesses)
