"""Training of an expert on states: it goes on where it was stopped, and ends at its aim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.evaluation import evaluate_returns
from sb3_vdb.experiments.framework.checkpoints import load_model, save_model
from sb3_vdb.experiments.framework.evaluations import EvaluationLog
from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.framework.run import Run, defaults_of, has_result, write_result
from sb3_vdb.experiments.vmail.settings import FRAMES_A_DECISION
from sb3_vdb.vec_env import make_vec_env

EPISODES = 10
EVALUATION_SEED, CONFIRMATION_SEED, RESULT_SEED = 30_000, 32_500, 35_000
# return aimed at, and environment frames to spend
AIMS: dict[str, tuple[float, int]] = {
    "CartpoleSwingup": (850, 200_000),
    "ReacherEasy": (950, 300_000),
    "WalkerStand": (960, 400_000),
    "WalkerWalk": (950, 600_000),
    "CheetahRun": (800, 1_000_000),
    "WalkerRun": (600, 1_500_000),
}


class ExpertSettings(NamedTuple):
    """How an expert is trained."""

    learning_rate: float = 5e-4
    batch_size: int = 256
    buffer_size: int = 300_000
    n_envs: int = 8
    updates: int = 4  # of every vectorised step: half an update a decision, see the docs
    first_steps: int = 5_000  # random decisions before learning
    width: int = 256
    evaluate_every: int = 20_000  # frames
    # frames, as in the pixel environments that demonstrations are for
    action_repeat: int = FRAMES_A_DECISION


DEFAULT = ExpertSettings()


@dataclass(frozen=True)
class ExpertRun(Run):
    """A task and a seed.

    :param task: name in the id
    :param seed: random seed
    :param settings: of the training
    """

    task: str
    seed: int
    settings: ExpertSettings = DEFAULT

    @property
    def name(self) -> str:
        """Name of the folder, for example ``WalkerWalk_0``."""
        return f"{self.task}_{self.seed}"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"task": self.task, "seed": self.seed, "settings": self.settings._asdict()}

    def defaults(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return defaults_of(self.settings, "settings.")

    @property
    def aim(self) -> float:
        """Mean return at which training stops."""
        return AIMS[self.task][0] if self.task in AIMS else np.inf

    @property
    def frames(self) -> int:
        """Environment frames to spend; WalkerWalk's for tasks without an aim."""
        return AIMS.get(self.task, AIMS["WalkerWalk"])[1]

    def make(self, n: int, seed: int) -> VecEnv:
        """Make environments of the task."""
        kwargs = {"action_repeat": self.settings.action_repeat, "threads": 1}
        return make_vec_env(f"sb3_vdb/{self.task}State-v0", n, seed=seed, env_kwargs=kwargs)


def train_expert(run: ExpertRun, report: Report) -> None:
    """Train one expert, or go on with it; ends early at its aim.

    The folder gets ``config.json``, ``evaluations.csv``, ``best.zip``, ``result.json``, and while
    it is trained the latest ``checkpoint.zip`` and ``replay.pkl``.
    """
    if has_result(run.folder):
        return
    run.claim()
    run.note_versions()
    venv = run.make(run.settings.n_envs, run.seed)
    model = _model(run, venv)
    callback = KeepBest(run, model.num_timesteps, report)
    total = run.frames // run.settings.action_repeat - model.num_timesteps
    if total > 0:
        model.learn(total, callback=callback, reset_num_timesteps=model.num_timesteps == 0)
    callback.finish()
    venv.close()


def _model(run: ExpertRun, venv: VecEnv) -> SAC:
    settings, checkpoint = run.settings, run.folder / "checkpoint.zip"
    if checkpoint.exists():
        model = load_model(SAC, checkpoint, venv)
        model.load_replay_buffer(run.folder / "replay.pkl")
        return model
    return SAC(
        "MlpPolicy",
        venv,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        buffer_size=settings.buffer_size,
        learning_starts=settings.first_steps,
        gradient_steps=settings.updates,
        policy_kwargs={
            "net_arch": [settings.width, settings.width],
            "optimizer_kwargs": {"fused": True},
        },
        seed=run.seed,
        device="cpu",
    )


class KeepBest(BaseCallback):
    """Evaluates, keeps the best model and a checkpoint, and stops at the aim once other seeds
    confirm it.

    :param run: what is trained
    :param reached: decisions of the checkpoint from which it goes on
    :param report: called with the frames done
    """

    def __init__(self, run: ExpertRun, reached: int, report: Report) -> None:
        super().__init__()
        self.run, self.report, self.folder = run, report, run.folder
        self._venv, self._is_confirmed = run.make(EPISODES, EVALUATION_SEED), False
        frames = reached * run.settings.action_repeat
        self._log = EvaluationLog(run.folder / "evaluations.csv", "frames", frames, digits=2)
        last = 0 if self._log.last is None else self._log.last["frames"]
        self._next = last + run.settings.evaluate_every
        self._log.start()

    def _on_step(self) -> bool:
        frames = self.num_timesteps * self.run.settings.action_repeat
        if frames < self._next:
            return True
        self._next = frames + self.run.settings.evaluate_every
        self._log.stop()
        self._save_checkpoint()  # first: a best model must not be of a stretch that is lost
        mean = self._evaluate(frames)
        self.report(frames, f"return {mean:.0f}")
        if mean >= self.run.aim and not self._was_luck():
            self._is_confirmed = True  # and not an earlier one that had more luck
            save_model(self.model, self.folder / "best.zip")
        self._log.start()
        return not self._is_confirmed

    def _evaluate(self, frames: int) -> float:
        """Evaluate, and keep the model if it is the best; return the mean return."""
        self._venv.seed(EVALUATION_SEED)
        result = evaluate_returns(self.model, self._venv, EPISODES)
        if result.mean > max((row["mean"] for row in self._log.rows), default=-np.inf):
            # before the table, so that its best row always has its model
            save_model(self.model, self.folder / "best.zip")
        self._log.add(frames, mean=result.mean, std=result.std)
        return float(result.mean)

    def _save_checkpoint(self) -> None:
        assert isinstance(self.model, SAC)
        self.model.save_replay_buffer(self.folder / "replay.tmp.pkl")
        (self.folder / "replay.tmp.pkl").replace(self.folder / "replay.pkl")
        save_model(self.model, self.folder / "checkpoint.zip")

    def _was_luck(self) -> bool:
        """Whether other seeds do not confirm an evaluation that reached the aim."""
        self._venv.seed(CONFIRMATION_SEED)
        return evaluate_returns(self.model, self._venv, 2 * EPISODES).mean < self.run.aim

    def finish(self) -> None:
        """Write what the best model reaches, on seeds that did not choose it."""
        model = load_model(SAC, self.folder / "best.zip")
        self._venv.seed(RESULT_SEED)
        reached = evaluate_returns(model, self._venv, EPISODES)
        figures = {
            "return": round(reached.mean, 1),
            "std": round(reached.std, 1),
            "frames": model.num_timesteps * self.run.settings.action_repeat,
            "minutes": round(self._log.rows[-1]["seconds"] / 60, 1),
        }
        write_result(self.folder, figures)
        for name in ("checkpoint.zip", "replay.pkl"):
            (self.folder / name).unlink(missing_ok=True)
        self._venv.close()
