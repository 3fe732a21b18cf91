"""SB3 callbacks that close the circle: the discriminator learns when a rollout ends, checkpoints
when one begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.training_venv import TrainingRewardVecEnv
from sb3_vdb.files import expanded
from sb3_vdb.run_state import get_env_state


class Trainer(Protocol):
    """What the callbacks need of an adversarial trainer."""

    venv: VecEnv
    reward_venv: TrainingRewardVecEnv
    is_within_step: bool  # callbacks are looking at a step that is not stored yet
    gen_train_timesteps: int

    @property
    def is_on_policy(self) -> bool:
        """Whether the generator learns from whole rollouts."""

    @property
    def n_rounds(self) -> int:
        """Rounds so far."""

    def finish_round(self, rollout: Mapping[str, Any]) -> None:
        """Train the discriminator on what was collected."""

    def save(self, path: str | Path) -> Path:
        """Write the trainer's file."""


class DiscriminatorCallback(BaseCallback):
    """Runs a round of discriminator updates whenever the generator has collected a round of
    samples.

    :param trainer: whose discriminator
    """

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.trainer = trainer

    def _on_training_start(self) -> None:
        self.trainer.is_within_step = False
        get_env_state(self.trainer.venv)  # warns of what no file can hold, before any training

    def _on_step(self) -> bool:
        self.trainer.is_within_step = True
        return True

    def _on_rollout_start(self) -> None:
        if self.trainer.is_on_policy:  # what a stopped rollout left behind belongs to no round
            self.trainer.reward_venv.drop_collected()

    def _on_rollout_end(self) -> None:
        if self.trainer.reward_venv.n_collected >= self.trainer.gen_train_timesteps:
            self.trainer.finish_round(self.locals)


class StepEnd(BaseCallback):
    """Notes that all callbacks have seen a step; the last one of all.

    :param trainer: that steps
    """

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.trainer = trainer

    def _on_step(self) -> bool:
        self.trainer.is_within_step = False
        return True


class TrainerCheckpoint(BaseCallback):
    """Saves the whole trainer every few rounds, between a policy update and the next rollout, as
    ``<name>_<steps>.zip``.

    SB3's ``CheckpointCallback`` saves the generator alone; this one saves all that is needed to go
    on exactly.

    :param trainer: the trainer
    :param folder: where the files go
    :param every_n_rounds: rounds between two files, positive
    :param name: first part of the file names
    :param keep: how many of the files it wrote stay; None keeps all
    """

    def __init__(
        self,
        trainer: Trainer,
        folder: str | Path,
        every_n_rounds: int = 20,
        name: str = "checkpoint",
        keep: int | None = None,
    ) -> None:
        super().__init__()
        if every_n_rounds < 1:
            raise ValueError(f"`every_n_rounds` must be at least 1, got {every_n_rounds}")
        if keep is not None and keep < 1:
            raise ValueError(f"`keep` must be at least 1 or None for all, got {keep}")
        self.trainer, self.folder, self.every_n_rounds = trainer, expanded(folder), every_n_rounds
        self.name, self.keep = name, keep
        self._saved_at = trainer.n_rounds
        self._written: list[Path] = []

    def _on_rollout_start(self) -> None:
        if self.trainer.n_rounds - self._saved_at < self.every_n_rounds:
            return
        self._saved_at = self.trainer.n_rounds
        path = self.trainer.save(self.folder / f"{self.name}_{self.num_timesteps}.zip")
        self._written.append(path)
        while self.keep is not None and len(self._written) > self.keep:
            self._written.pop(0).unlink(missing_ok=True)

    def _on_step(self) -> bool:
        return True


def with_discriminator(trainer: Trainer, callback: MaybeCallback) -> CallbackList:
    """Put the discriminator's callback before the user's, and one that ends a step behind them.

    :param trainer: whose discriminator
    :param callback: what SB3's ``learn`` takes
    """
    theirs = callback if isinstance(callback, list) else [] if callback is None else [callback]
    callbacks = [
        each if isinstance(each, BaseCallback) else ConvertCallback(each) for each in theirs
    ]
    return CallbackList([DiscriminatorCallback(trainer), *callbacks, StepEnd(trainer)])
