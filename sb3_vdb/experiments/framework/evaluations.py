"""Evaluations during a training: a table that goes on with the training, its clock, and what it has
from the trainer's log.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
from stable_baselines3.common.logger import Logger

from sb3_vdb.files import reading, write_text

# what the table of evaluations has from the trainer's log
LOGGED = {
    "discriminator/kl": "kl",
    "discriminator/beta": "beta",
    "discriminator/information_limit": "information_limit",
    "discriminator/accuracy_expert": "accuracy_expert",
    "discriminator/accuracy_generator": "accuracy_generator",
    "discriminator/mean_code_acc_expert": "mean_code_accuracy_expert",
    "discriminator/mean_code_acc_gen": "mean_code_accuracy_generator",
    "reward/q10": "reward_q10",
    "reward/q50": "reward_q50",
    "reward/q90": "reward_q90",
    "reward/task_rank_correlation": "task_rank_correlation",
}


def logged_figures(logger: Logger) -> dict[str, float]:
    """Return those of :data:`LOGGED` that a trainer has logged since its last line."""
    values = logger.name_to_value
    return {short: values[name] for name, short in LOGGED.items() if name in values}


class EvaluationLog:
    """Rows of ``evaluations.csv``, each with the seconds of training so far. The clock counts while
    it runs, so that a caller stops it to evaluate.

    :param path: of the file; rows beyond the checkpoint are dropped, as they will be made again
    :param step: name of the column that says how far the training is
    :param reached: how far the checkpoint is, from which the training goes on
    :param digits: decimal places in the file
    """

    def __init__(self, path: Path, step: str, reached: float, digits: int = 4) -> None:
        self.path, self.step, self.digits = path, step, digits
        with reading(path, "delete the folder of this run, and it begins anew"):
            table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[step, "seconds"])
            table[[step, "seconds"]].astype(float)  # both are there, and numbers
            rows: list[Any] = table.to_dict("records")
            self.rows: list[dict[str, Any]] = [row for row in rows if row[step] <= reached]
            self._seconds = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self._since: float | None = None

    @property
    def last(self) -> dict[str, Any] | None:
        """The latest row."""
        return self.rows[-1] if self.rows else None

    def start(self) -> None:
        """Let the clock run: the training begins, or goes on."""
        self._since = time.monotonic()

    def stop(self) -> None:
        """Stop the clock."""
        if self._since is not None:
            self._seconds += time.monotonic() - self._since
        self._since = None

    def add(self, step: int, **figures: Any) -> None:
        """Write a row.

        :param step: how far the training is
        :param figures: of the evaluation
        """
        self.rows.append({self.step: step, "seconds": round(self._seconds, 1), **figures})
        table = pd.DataFrame(self.rows).round(self.digits)
        write_text(self.path, table.to_csv(index=False))
